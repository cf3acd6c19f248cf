"""A run that was stopped and resumed ends as if it had never been stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.cli import display, stopping, train
from arlbench.core.algorithms.harness.pacing import Pacer
from arlbench.experiments.run_folder import RunFolder
from arlbench.experiments.training import ExperimentProgress
from arlbench.population import workers
from in_process import arlbench

# Sorted by name, these seeds have another order than sorted by number.
SEEDS = (9, 10)

TIMESTEPS = 1024

WORDS = [
    "train", "CartPole-v1", "--timesteps", str(TIMESTEPS), "--n-envs", "4", "--evaluations", "2",
    "--eval-episodes", "3", "--defaults", "learning_starts=64", "hidden_size=8",
    "--seed", "9", "--seeds", "2",
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _one_core() -> Iterator[None]:
    """Seeds train one after another, so that a moment of a run is a moment of one seed."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv(workers.CORES_VARIABLE, "1")
        yield


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch) -> None:
    """Many moments to stop at."""
    monkeypatch.setattr(Pacer, "next_segment", lambda _, remaining: min(remaining, 5))


def resume(folder: Path, *words: object) -> int:
    return arlbench("train", "--resume", folder, *words)


@contextlib.contextmanager
def signal_at(moment: Callable[[ExperimentProgress], bool], sent: signal.Signals) -> Iterator[None]:
    """Sends this process a signal at a moment of the run inside the context."""

    def show(progress: ExperimentProgress) -> None:
        if moment(progress):
            os.kill(os.getpid(), sent)
            time.sleep(0.3)  # until the main thread has noticed it

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(display, "progress_bar", lambda *_: contextlib.nullcontext(show))
        yield


def at(
    seed_index: int, timesteps: int, n_evaluations: int = 0
) -> Callable[[ExperimentProgress], bool]:
    """The moment when a seed has come this far."""

    def moment(progress: ExperimentProgress) -> bool:
        members = progress.population.members
        of_seed = {member.seed_index: p for member, p in members.items()}.get(seed_index)
        return (
            of_seed is not None
            and of_seed.timesteps >= timesteps
            and len(of_seed.eval_rewards) >= n_evaluations
        )

    return moment


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "uninterrupted"
    assert arlbench(*WORDS, "--out", folder, "--quiet") == 0
    return folder


def outcome(folder: Path) -> dict[str, Any]:
    """The results of a run, without its times."""
    summary = json.loads((folder / "summary.json").read_text())
    times = {"timesteps_per_second", "compile_seconds", "train_seconds", "seconds_by_seed"}
    files = [folder / f"params-seed-{seed}.npz" for seed in SEEDS]
    params = [{name: x.tobytes() for name, x in np.load(file).items()} for file in files]
    return {
        "summary": {name: value for name, value in summary.items() if name not in times},
        "evaluations": (folder / "evaluations.csv").read_bytes(),
        "params": params,
    }


def content(folder: Path) -> dict[str, bytes]:
    """The contents of all files in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


STOPS = {
    "in the first seed": [(signal.SIGINT, at(0, 300))],
    "in the second seed": [(signal.SIGTERM, at(1, 700))],
    "in both": [(signal.SIGTERM, at(0, 600)), (signal.SIGINT, at(1, 100))],
    "twice in one": [(signal.SIGINT, at(0, 100)), (signal.SIGINT, at(0, 101))],
    "between an interval and its evaluation": [(signal.SIGINT, at(1, 512))],
    "right after an evaluation": [(signal.SIGINT, at(1, 512, 1))],
    "at the end of the first seed": [(signal.SIGINT, at(0, 1024, 2))],
}


@pytest.mark.parametrize("stops", STOPS)
def test_a_resumed_run_ends_as_if_it_had_not_been_stopped(
    stops: str, uninterrupted: Path, tmp_path: Path, capfd
) -> None:
    folder = tmp_path / "run"
    for i, (sent, moment) in enumerate(STOPS[stops]):
        with signal_at(moment, sent):
            begun = resume(folder) if i else arlbench(*WORDS, "--out", folder)
        assert begun == 128 + sent
        assert f"continue with: arlbench train --resume {folder}" in capfd.readouterr().err
        assert json.loads((folder / "summary.json").read_text())["status"] == "interrupted"
    assert resume(folder, "--quiet") == 0
    assert outcome(folder) == outcome(uninterrupted)
    assert outcome(folder)["summary"]["timesteps"] == 2 * TIMESTEPS
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


def test_a_run_that_notices_a_signal_late_is_saved_too(
    uninterrupted: Path, tmp_path: Path, monkeypatch, capfd
) -> None:
    # ``signal_at`` then keeps the run busy for longer than this, as a long evaluation does.
    monkeypatch.setattr(stopping, "GRACE_SECONDS", 0.01)
    folder = tmp_path / "run"
    with signal_at(at(0, 600), signal.SIGINT):
        assert arlbench(*WORDS, "--checkpoint-every", "0", "--out", folder) == 130
    assert "in progress is finished first, then all is saved" in capfd.readouterr().err
    assert json.loads((folder / "summary.json").read_text())["timesteps"] >= 600
    assert resume(folder, "--quiet") == 0
    assert outcome(folder) == outcome(uninterrupted)


def test_a_stopped_run_prints_its_summary_as_json(tmp_path: Path, capfd) -> None:
    folder = tmp_path / "run"
    with signal_at(at(1, 300), signal.SIGINT):
        assert arlbench(*WORDS, "--json", "--out", folder) == 130
    summary = json.loads(capfd.readouterr().out)
    assert summary == json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    assert set(summary["final_return_by_seed"]) == {"9"}


def test_a_run_that_is_left_while_it_trains_has_the_summary_of_what_is_saved(
    tmp_path: Path, capfd
) -> None:
    folder = tmp_path / "run"
    with signal_at(at(1, 300), signal.SIGINT):
        assert arlbench(*WORDS, "--quiet", "--out", folder) == 130
    before = json.loads((folder / "summary.json").read_text())
    with RunFolder(folder) as run:
        run.prepare()
        _, second = run.standings
        run.standings[second] = run.standings[second]._replace(timesteps=1000)
        kept = train._kept(run, None, begun=True)
        assert kept is not None
        assert (kept["status"], kept["timesteps"]) == ("interrupted", before["timesteps"])
        shutil.rmtree(run.checkpoints_of(second))
        kept = train._kept(run, None, begun=True)
        assert kept is not None
        assert kept["timesteps"] == TIMESTEPS
    settings = shutil.copytree(folder, tmp_path / "new", ignore=lambda *_: ["summary.json"])
    with RunFolder(settings) as run:
        assert train._kept(run, None, begun=False) is None


def test_a_signal_at_the_very_end_leaves_nothing_to_continue(
    uninterrupted: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with signal_at(at(1, 1024, 2), signal.SIGINT):
        assert arlbench(*WORDS, "--out", folder, "--quiet") == 0
    assert outcome(folder) == outcome(uninterrupted)


def test_checkpoints_on_the_way_change_nothing(uninterrupted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert arlbench(*WORDS, "--out", folder, "--checkpoint-every", "1e-6", "--quiet") == 0
    assert outcome(folder) == outcome(uninterrupted)
    # The default keeps two; on a slow disk there may have been time for only one.
    for seed in SEEDS:
        names = {path.name for path in (folder / "checkpoints" / f"seed-{seed}").iterdir()}
        assert "newest" in names
        assert 1 <= len(names - {"newest"}) <= 2
    # As if it had been killed before it could record that it was done.
    (folder / "summary.json").unlink()
    (folder / "evaluations.csv").unlink()
    assert resume(folder, "--keep", "1", "--quiet") == 0
    assert outcome(folder) == outcome(uninterrupted)


def test_a_finished_run_is_left_as_it_is(uninterrupted: Path, capfd) -> None:
    before = content(uninterrupted)
    assert resume(uninterrupted) == 0
    assert "is finished; nothing is left to do" in capfd.readouterr().err
    assert resume(uninterrupted, "--quiet") == 0
    assert capfd.readouterr().out == ""
    assert resume(uninterrupted, "--json") == 0
    assert json.loads(capfd.readouterr().out) == json.loads(before["summary.json"])
    assert content(uninterrupted) == before


def test_a_finished_run_prints_its_results_again(tmp_path: Path, capfd) -> None:
    folder = tmp_path / "run"
    assert arlbench(*WORDS, "--out", folder) == 0
    # These depend on the call, so they are not kept.
    of_call = ("start-up", "together")
    shown = capfd.readouterr().out.splitlines()
    assert resume(folder) == 0
    again = capfd.readouterr().out.splitlines()
    assert again == [line for line in shown if not line.startswith(of_call)]
    assert [line.split()[0] for line in again] == ["final", "compilation", "training", "saved"]


def test_a_run_killed_before_its_first_checkpoint_begins_afresh(
    uninterrupted: Path, tmp_path: Path, capfd
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(uninterrupted / "settings.json", folder)
    (folder / ".evaluations.csv.part").write_text("seed,eval")
    assert resume(folder) == 0
    assert "not saved a checkpoint yet: it starts from its first step" in capfd.readouterr().err
    assert outcome(folder) == outcome(uninterrupted)
    assert not list(folder.rglob("*.part"))


def complaint(capfd, *words: object) -> str:
    """The error message of a command that fails."""
    assert arlbench("train", *words) == 2
    printed = capfd.readouterr()
    assert "Traceback" not in printed.err + printed.out
    assert printed.err.count("error:") == 1
    return str(printed.err)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    """A run that was stopped twice in its second seed, to be copied."""
    folder = tmp_path_factory.mktemp("runs") / "stopped"
    patched = pytest.MonkeyPatch()
    patched.setattr(Pacer, "next_segment", lambda _, remaining: min(remaining, 5))
    for timesteps in (200, 201):
        with signal_at(at(1, timesteps), signal.SIGINT):
            words = ["train", "--resume", folder] if folder.exists() else [*WORDS, "--out", folder]
            assert arlbench(*words) == 130
    patched.undo()
    return folder


def test_a_damaged_checkpoint_is_an_error_that_changes_nothing(
    stopped: Path, uninterrupted: Path, tmp_path: Path, capfd
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    newest = folder / "checkpoints" / "seed-10" / "checkpoint-000002"
    params = newest / "params.npz"
    params.write_bytes(params.read_bytes()[:-1])
    before = content(folder)
    capfd.readouterr()
    sentence = complaint(capfd, "--resume", folder)
    assert f"{params} is damaged" in sentence
    assert "remove that checkpoint's folder to continue from the previous one" in sentence
    assert content(folder) == before
    # Apply the cure that it names.
    shutil.rmtree(newest)
    assert resume(folder) == 0
    assert "checkpoint-000001 is used" in capfd.readouterr().err
    assert outcome(folder) == outcome(uninterrupted)


def test_checkpoints_that_are_gone_are_not_taken_for_none_yet(
    stopped: Path, tmp_path: Path, capfd
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    for checkpoint in (folder / "checkpoints" / "seed-10").glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    before = content(folder)
    capfd.readouterr()
    assert "newest names is missing" in complaint(capfd, "--resume", folder)
    assert content(folder) == before


def test_a_folder_that_another_process_works_on_is_refused(
    stopped: Path, tmp_path: Path, capfd
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    hold = "import sys, filelock\nwith filelock.FileLock(sys.argv[1]):\n print(1)\n input()"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", hold, str(folder / "run.lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        capfd.readouterr()
        before = content(folder)
        assert "Another process is training" in complaint(capfd, "--resume", folder)
        assert content(folder) == before
        process.communicate(b"\n")


def test_a_folder_without_a_run_is_named(tmp_path: Path, capfd) -> None:
    faults = {tmp_path: "is not the folder of a run", tmp_path / "nowhere": "does not exist"}
    for folder, fault in faults.items():
        assert f"{folder} {fault}" in complaint(capfd, "--resume", folder)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_diverged_is_not_resumed(tmp_path: Path, capfd) -> None:
    folder = tmp_path / "run"
    diverging = ["learning_rate=1e38", "--out", folder, "--checkpoint-every", "1e-6"]
    assert "non-finite" in complaint(capfd, *WORDS[1:], *diverging)
    before = content(folder)
    assert "would happen again" in complaint(capfd, "--resume", folder)
    assert content(folder) == before


# What cannot be given with --resume, and what the error says of it.
DECIDED = {
    "--timesteps 5": "so --timesteps cannot be given",
    "learning_rate=1e-3": "so an environment or KEY=VALUE cannot be given",
    "--seed 9": "so --seed cannot be given",
    "--defaults": "so --defaults cannot be given",
    "--keep 0": "keep must be",
}


@pytest.mark.parametrize("words", DECIDED)
def test_what_was_decided_when_a_run_began_cannot_be_changed(
    words: str, stopped: Path, capfd
) -> None:
    before = content(stopped)
    capfd.readouterr()
    assert DECIDED[words] in complaint(capfd, "--resume", stopped, *words.split())
    assert content(stopped) == before
