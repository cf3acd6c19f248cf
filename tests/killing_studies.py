"""``python killing_studies.py FOLDER TUNER N_KILLS SEED``: a study whose writer is killed.

It runs as a program of its own, because it forks: imports then count once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

#: Settings of the studies, by tuner.
SETTINGS: dict[str, dict[str, Any]] = {
    "asha": {"n_trials": 60},
    "hyperband": {"n_trials": 60, "parallel": 16},
    "pbt": {"n_trials": None, "tuner_settings": {"n_members": 10, "n_steps": 6}},
    "tpe": {"n_trials": 60},
}


def work(folder: Path, tuner: str, pause: float = 0.0) -> Any:
    """Works on a study, with a pause before each training ends."""
    from fake_studies import FakePopulation, study

    train = FakePopulation(kill=lambda _: time.sleep(pause))
    return study(folder, tuner, train, **SETTINGS[tuner])


def written(folder: Path) -> int:
    """Bytes of the journal."""
    journal = folder / "journal.jsonl"
    return journal.stat().st_size if journal.exists() else 0


def kill_again_and_again(folder: Path, tuner: str, n_kills: int, seed: int) -> None:
    """Kills the writer at random moments; what has ended must stay, once."""
    from arlbench.tuning import load

    before: dict[int, float] = {}
    rng = np.random.default_rng(seed)
    for _ in range(n_kills):
        begin, deadline = written(folder), time.monotonic() + 60
        child = os.fork()
        if child == 0:
            work(folder, tuner, pause=0.01)
            os._exit(0)
        # When it has written something, or in one of ten times before; then a moment later.
        patient = rng.random() < 0.9
        while patient and written(folder) == begin and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "it was done before it was killed"
        if (folder / "study.json").exists():
            study = load(folder)
            after = {number: result.score for number, result in study.results.items()}
            assert {number: after.get(number) for number in before} == before
            assert len(study.told) == len(set(study.told))
            before = after
    assert before, "the writers were killed before anything had ended"
    print(f"{len(before)} trials outlived {n_kills} kills")


def run_killed(folder: Path, tuner: str, n_kills: int, seed: int) -> str:
    """Runs this file, and raises with its output where it fails."""
    words = [sys.executable, __file__, str(folder), tuner, str(n_kills), str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    # Before the first fork, so that a child begins at once.
    import fake_studies  # noqa: F401

    if sys.argv[2] == "tpe":
        import optuna  # noqa: F401
    kill_again_and_again(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
