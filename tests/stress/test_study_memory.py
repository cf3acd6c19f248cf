"""The memory of a study's main process does not grow with its trials; its folder can be read."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from arlbench.tuning import load

pytestmark = pytest.mark.stress

STUDY = [
    "tune", "CartPole-v1", "--only-named", "--defaults", "learning_rate=1e-5..1e-2",
    "buffer_batch_size=16", "train_freq=4", "gradient_steps=1", "hidden_size=8",
    "buffer_size=2000", "learning_starts=64", "--seeds=1", "--timesteps=512", "--evaluations=1",
    "--eval-episodes=2", "--quiet", "--test-seeds=0", "--parallel=16",
]  # fmt: skip

# The peak of this process's memory in KiB, printed at its end.
PROGRAM = """
import resource, sys
from arlbench.cli.main import run
try:
    run()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def begun(folder: Path, n_trials: int) -> subprocess.Popen[str]:
    words = [*STUDY, f"--n-trials={n_trials}", f"--out={folder}"]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, text=True
    )


def test_memory_is_flat_and_the_folder_is_readable_while_it_grows(tmp_path: Path) -> None:
    peaks = []
    for n_trials in (64, 1024):
        folder, lengths = tmp_path / str(n_trials), []
        process = begun(folder, n_trials)
        while process.poll() is None:
            time.sleep(0.5)
            if (folder / "journal.jsonl").exists():
                lengths.append(len(load(folder).trials))
        peaks.append(int(process.communicate()[0].split()[-1]) / 1024)
        assert process.returncode == 0
        assert lengths == sorted(lengths)
        assert len(load(folder).trials) == n_trials
    print(f"peaks of 64 and 1,024 trials: {peaks[0]:.0f} and {peaks[1]:.0f} MiB")
    # An ended trial takes less than 20 KiB: its configuration and returns.
    assert peaks[1] - peaks[0] < 960 * 20 / 1024
