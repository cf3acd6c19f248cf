"""``arlbench sweep --resume``: a folder is enough to continue a sweep."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer

from arlbench.cli import sweep, sweep_running
from arlbench.cli.stopping import StoppableWork
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.folder import SweepFolder, read_rows
from arlbench.experiments.training import ExperimentOutcome
from fake_training import PROBLEM
from in_process import arlbench

CLOCK = ["train_seconds"]

WORDS = [
    "CartPole-v1", "--timesteps", 512, "--n-envs", 4, "--evaluations", 2, "--eval-episodes", 2,
    "--seeds", 2, "--sampler", "grid", "learning_rate=1e-3,1e-2", "learning_starts=64",
    "hidden_size=8", "buffer_size=1024",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that has ended."""
    out = tmp_path_factory.mktemp("sweeps") / "grid"
    assert arlbench("sweep", *WORDS, "--out", out, "--quiet") == 0
    return out


def test_exactly_what_is_missing_is_trained(folder, tmp_path, capfd) -> None:
    out = tmp_path / "resumed"
    shutil.copytree(folder, out)
    before = read_rows(out)
    shutil.rmtree(out / "parts")
    assert arlbench("sweep", "--resume", out, "--json") == 0
    printed, messages = capfd.readouterr()
    assert json.loads(printed)["trained_now"] == 4
    assert messages == ""
    assert read_rows(out).drop(CLOCK).equals(before.drop(CLOCK))
    assert (out / "design.json").read_bytes() == (folder / "design.json").read_bytes()
    assert arlbench("sweep", "--resume", out) == 0
    printed, messages = capfd.readouterr()
    assert "is finished; nothing is left to train" in messages
    assert printed.startswith("best configurations")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["CartPole-v1"], "--resume uses the original settings, so an environment or KEY=VALUE"),
        (["--seeds", "4"], "--resume uses the original settings, so --seeds cannot be given"),
        (["--out", "x"], "--resume uses the original settings, so --out cannot be given"),
        ([], "nowhere does not exist; give the folder that 'arlbench sweep' printed."),
    ],
)
def test_settings_of_a_sweep_that_began_are_refused(
    words, said, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert arlbench("sweep", *words, "--resume", "nowhere") == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_memory_limit_is_kept_and_changed_versions_are_named(tmp_path, monkeypatch) -> None:
    jobs: list[Any] = []
    monkeypatch.setattr(sweep, "run", jobs.append)
    assert arlbench("sweep", *WORDS, "--memory-limit", 9, "--out", tmp_path / "a") == 0
    # Sweeps that began in Python, or with an older version, have not recorded their limit.
    experiment = Experiment(PROBLEM, ({},), (0,), versions={"jax": "0.0.1"})
    SweepFolder(tmp_path / "b", experiment).close()
    for words in (["a"], ["b"], ["a", "--memory-limit", "5"]):
        assert arlbench("sweep", "--resume", tmp_path / words[0], *words[1:]) == 0
    assert [job.memory_limit for job in jobs] == [9, 9, 4, 5]
    assert "Started with jax 0.0.1" in jobs[2].storage.notes[0]


@pytest.mark.parametrize("in_time", [True, False])
def test_a_sweep_that_is_stopped_prints_what_is_kept_as_json(
    in_time, folder, tmp_path, monkeypatch, capfd
) -> None:
    work = StoppableWork(lambda: None)
    monkeypatch.setattr(work, "leave", _leave)
    outcome = ExperimentOutcome("interrupted") if in_time else None
    monkeypatch.setattr(sweep_running, "_train", lambda _: (outcome, work))
    out = shutil.copytree(folder, tmp_path / "stopped")
    assert arlbench("sweep", "--resume", out, "--json", "--quiet") == 130
    summary = json.loads(capfd.readouterr().out)
    assert (summary["status"], summary["n_configs"]) == ("interrupted", 2)
    shutil.rmtree(out / "parts")
    assert arlbench("sweep", "--resume", out, "--json", "--quiet") == 130
    assert capfd.readouterr().out == ""


def _leave(at_once: bool) -> None:
    raise typer.Exit(130)
