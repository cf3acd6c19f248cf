"""Writers that are killed, and two writers at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arlbench.errors import StorageError
from arlbench.experiments.folder import SweepFolder, read_rows
from fake_training import make_experiment
from killing import kept, make_long_experiment, run_killed, train

HOLD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fake_training import make_experiment
from arlbench.experiments.folder import SweepFolder

store = SweepFolder(Path(sys.argv[1]), make_experiment())
print("holding", flush=True)
time.sleep(600)
"""


@pytest.mark.thorough
def test_a_killed_sweep_ends_with_the_table_of_one_that_was_not(tmp_path: Path) -> None:
    run_killed(tmp_path / "killed", n_kills=5, seed=0)
    train(tmp_path / "killed")
    train(tmp_path / "whole")
    assert len(kept(tmp_path / "whole")) == make_long_experiment().n_members
    killed, whole = (
        read_rows(tmp_path / name).drop(["train_seconds"]) for name in ("killed", "whole")
    )
    assert killed.equals(whole, check_metadata=True)
    assert not list((tmp_path / "killed").rglob(".*.part"))


def test_the_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path), str(Path(__file__).parents[1])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ) as first:
        assert first.stdout.readline() == "holding\n"
        with pytest.raises(StorageError, match="Another process is training the sweep"):
            SweepFolder(tmp_path, make_experiment())
        first.kill()
    SweepFolder(tmp_path, make_experiment()).close()
