"""Studies killed at random moments end as if nothing had happened (minutes)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from arlbench.tuning import load
from fake_studies import numbers
from killing_studies import SETTINGS, run_killed, work

pytestmark = pytest.mark.stress

STUDY = [
    sys.executable, "-m", "arlbench", "tune", "CartPole-v1", "--only-named", "--defaults",
    "learning_rate=1e-5..1e-2", "buffer_batch_size=16", "train_freq=4", "gradient_steps=1..2",
    "hidden_size=8", "buffer_size=2e3..2e4", "learning_starts=64", "--seeds", "2",
    "--timesteps", "18000", "--evaluations", "9", "--eval-episodes", "4", "--quiet",
    "--test-seeds", "0",
]  # fmt: skip
TRAINED = {
    "tpe": ["--n-trials", "24"],
    "hyperband": ["--n-trials", "22"],
    "pbt": ["--set", "n_members=6"],
}


@pytest.mark.parametrize("tuner", SETTINGS)
def test_a_study_killed_at_ten_random_moments(tmp_path: Path, tuner: str) -> None:
    if tuner == "tpe":
        pytest.importorskip("optuna")
    whole = work(tmp_path / "whole", tuner)
    for seed in range(2):
        folder = tmp_path / str(seed)
        print(run_killed(folder, tuner, n_kills=10, seed=seed))
        outcome = work(folder, tuner)
        assert outcome.status == "finished"
        assert [r.number for r in outcome.results] == list(range(len(whole.results)))
        if tuner != "asha":
            assert numbers(outcome) == numbers(whole)


def without_clock(folder: Path) -> list[str]:
    table = load(folder).trials.drop(columns=["seconds"])
    return [json.dumps(row, default=str) for row in table.to_dict("records")]


@pytest.mark.parametrize("tuner", TRAINED)
def test_the_command_killed_while_it_trains(tmp_path: Path, tuner: str) -> None:
    if tuner == "tpe":
        pytest.importorskip("optuna")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    words = [*STUDY, "--tuner", tuner, *TRAINED[tuner]]
    rng = np.random.default_rng(0)
    journal = killed / "journal.jsonl"
    for _ in range(3):
        before = journal.stat().st_size if journal.exists() else 0
        process = subprocess.Popen([*words, "--out", str(killed)], env=os.environ)
        deadline = time.monotonic() + 180
        # Until something new has ended; then a moment that is different each time.
        while not journal.exists() or journal.stat().st_size <= before:
            assert process.poll() is None, "it was done before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 1.5))
        process.kill()
        process.wait()
    subprocess.run([*words, "--out", str(killed)], check=True, env=os.environ)
    subprocess.run([*words, "--out", str(whole)], check=True, env=os.environ)
    assert without_clock(killed) == without_clock(whole)
