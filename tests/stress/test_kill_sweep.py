"""Sweeps killed again and again end as if nothing had happened (minutes)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from arlbench.experiments.folder import read_rows
from killing import kept, make_long_experiment, run_killed, train

pytestmark = pytest.mark.stress

SWEEP = [
    sys.executable, "-c", "from arlbench.cli.main import run; run()", "sweep", "CartPole-v1",
    "learning_rate=1e-5..1e-1", "hidden_size=8", "buffer_size=1e3..5e3", "learning_starts=64",
    "train_freq=4", "gradient_steps=1", "buffer_batch_size=16,32", "--n-configs", "24",
    "--seeds", "2", "--timesteps", "40000", "--evaluations", "3", "--eval-episodes", "4", "--quiet",
]  # fmt: skip


def without_clock(folder: Path):
    return read_rows(folder).drop(["train_seconds"])


def test_the_store_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    train(tmp_path / "whole")
    for seed in range(3):
        folder = tmp_path / f"killed-{seed}"
        run_killed(folder, n_kills=20, seed=seed)
        train(folder)
        assert len(kept(folder)) == make_long_experiment().n_members
        assert without_clock(folder).equals(without_clock(tmp_path / "whole"), check_metadata=True)


def test_the_command_killed_while_it_trains(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    rng = np.random.default_rng(0)
    for _ in range(4):
        n_parts = len(list((killed / "parts").glob("part-*")))
        process = subprocess.Popen([*SWEEP, "--out", str(killed)], env=os.environ)
        # Waits until something new is kept, and then for a random time.
        deadline = time.monotonic() + 120
        while len(list((killed / "parts").glob("part-*"))) == n_parts:
            assert process.poll() is None, "it was done before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1))
        process.kill()
        process.wait()
    subprocess.run([*SWEEP, "--out", str(killed)], check=True, env=os.environ)
    subprocess.run([*SWEEP, "--out", str(whole)], check=True, env=os.environ)
    assert len(kept(whole)) == 48
    assert without_clock(killed).equals(without_clock(whole), check_metadata=True)
