"""``python killing.py FOLDER N_KILLS SEED``: a sweep whose writer is killed again and again.

It runs as a program of its own, because it forks, so that imports run only once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

# A writer is killed after it has written a few parts, at most this many, and a random time of at
# most this many seconds. So it is killed while it opens the folder, trains or writes.
_MOST_PARTS, _LONGEST_MOMENT = 4, 0.02


def make_long_experiment():
    """Enough trainings to outlive every kill."""
    from fake_training import make_experiment

    return make_experiment(n_configs=100, n_seeds=4)


def train(folder: Path, pause: float = 0.0, members_a_part: int = 256) -> None:
    """Trains what is missing, each training with a pause in seconds."""
    from arlbench.experiments.folder import SweepFolder
    from arlbench.experiments.training import train_missing
    from fake_training import fake_train

    experiment = make_long_experiment()
    with SweepFolder(folder, experiment, members_a_part=members_a_part) as store:
        train_missing(store, train=fake_train(pause))


def kept(folder: Path) -> set[tuple[int, int]]:
    """The trainings that can be read, by configuration and seed."""
    from arlbench.experiments.folder import read_rows

    rows = read_rows(folder).select(["config", "seed"]).to_pylist()
    return {(row["config"], row["seed"]) for row in rows}


def count_parts(folder: Path) -> int:
    """The complete parts."""
    return len(list(folder.glob("parts/part-*.parquet")))


def kill_again_and_again(folder: Path, n_kills: int, seed: int) -> None:
    """Kills the writer at random moments; everything that was kept must stay and be readable."""
    before: set[tuple[int, int]] = set()
    rng = np.random.default_rng(seed)
    for _ in range(n_kills):
        n_parts = count_parts(folder) + rng.integers(0, _MOST_PARTS, endpoint=True)
        child = os.fork()
        if child == 0:
            train(folder, pause=0.002, members_a_part=2)
            os._exit(0)
        deadline = time.monotonic() + 30
        while count_parts(folder) < n_parts and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, _LONGEST_MOMENT))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "it was done before it was killed"
        if (folder / "design.json").exists():
            after = kept(folder)
            assert before <= after, "a training that was kept is gone"
            before = after
    assert before, "the writers were killed before they kept anything"
    print(f"{len(before)} trainings outlived {n_kills} kills")


def run_killed(folder: Path, n_kills: int, seed: int) -> None:
    """Runs this file, and raises an error with its output if it fails."""
    words = [sys.executable, __file__, str(folder), str(n_kills), str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    print(done.stdout)


if __name__ == "__main__":
    # Imported before the first fork, so that children start at once.
    import arlbench.experiments.training  # noqa: F401

    make_long_experiment()
    kill_again_and_again(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
