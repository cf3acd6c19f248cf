"""The output of ``arlbench train`` while seeds train, one after another and at the same time."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.progress import Progress

from arlbench.cli import display, sweep_display, tune_display
from arlbench.cli.display import SeedBars, bar_of_training
from arlbench.core.algorithms.measured import Seconds
from arlbench.errors import TunerError
from arlbench.experiments.run_folder import RunFolder
from arlbench.experiments.run_settings import resolve
from arlbench.population.members import MemberId, MemberProgress
from arlbench.tuning import Space
from fake_training import PROBLEM, make_experiment

SEEDS = (9, 10, 11)

TOTAL = 1000


def stands(timesteps: int, *returns: float) -> MemberProgress:
    """The progress of a seed, and the mean return of each of its evaluations."""
    episodes = np.array([[value - 1, value + 1] for value in returns], np.float32)
    return MemberProgress(timesteps, TOTAL, episodes.reshape(-1, 2))


def experiment(members: Mapping[int, MemberProgress], members_total: int = 3) -> Any:
    """The progress of seeds by index; the others have ended in an earlier call."""
    population = SimpleNamespace(
        members={MemberId(0, index): progress for index, progress in members.items()},
        members_total=members_total,
        timesteps=sum(progress.timesteps for progress in members.values()),
    )
    return SimpleNamespace(members_total=len(SEEDS), population=population)


@pytest.fixture
def progress() -> Progress:
    return bar_of_training(shown=False)


def shown(progress: Progress) -> list[tuple[str, int, int | None, str]]:
    """Description, completed, total and latest result of every visible bar."""
    return [
        (task.description, int(task.completed), task.total, task.fields["latest"])
        for task in progress.tasks
        if task.visible
    ]


def test_before_anything_is_trained_it_compiles(progress: Progress) -> None:
    bars = SeedBars(SEEDS, progress)
    bars.show(experiment({}))
    assert shown(progress) == [("compiling", 0, None, "")]


def test_seeds_one_after_another_have_one_bar(progress: Progress) -> None:
    bars = SeedBars(SEEDS, progress)
    bars.show(experiment({0: stands(400)}))
    assert shown(progress) == [("seed 9 (1/3)", 400, 3000, "")]
    bars.show(experiment({0: stands(TOTAL, 3.0, 8.0)}))
    assert shown(progress) == [("seed 9 (1/3)", 1000, 3000, "return 8.0")]
    bars.show(experiment({0: stands(TOTAL, 3.0, 8.0), 1: stands(500, 2.5)}))
    assert shown(progress) == [("seed 10 (2/3)", 1500, 3000, "return 2.5")]


def test_seeds_that_ended_before_are_counted(progress: Progress) -> None:
    bars = SeedBars(SEEDS, progress)
    bars.show(experiment({2: stands(200, 1.0)}, members_total=1))
    assert shown(progress) == [("seed 11 (3/3)", 2200, 3000, "return 1.000")]


def test_seeds_side_by_side_have_a_bar_each(progress: Progress) -> None:
    bars = SeedBars(SEEDS, progress)
    bars.show(experiment({1: stands(100)}))
    bars.show(experiment({1: stands(300, 4.0), 0: stands(200)}))
    expected = [("seed 9 (1/3)", 200, 1000, ""), ("seed 10 (2/3)", 300, 1000, "return 4.0")]
    assert sorted(shown(progress)) == sorted(expected)
    # The bars of ended seeds stay, even if only one seed is left.
    bars.show(experiment({1: stands(TOTAL, 4.0), 0: stands(TOTAL, 5.0), 2: stands(10)}))
    assert sorted(shown(progress)) == [
        ("seed 10 (2/3)", 1000, 1000, "return 4.0"),
        ("seed 11 (3/3)", 10, 1000, ""),
        ("seed 9 (1/3)", 1000, 1000, "return 5.0"),
    ]


def test_the_speed_of_a_seed_that_ended_is_its_average(
    progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 steps in the first second, 800 in three more; then it only waits for the other."""
    seconds = iter([10.0, 10.0, 11.0, 11.0, 14.0, 14.0, *np.arange(15.0, 35.0, 0.5)])
    monkeypatch.setattr(display.time, "perf_counter", lambda: next(seconds))
    bars = SeedBars(SEEDS, progress)
    told = []
    for ended, other in [(0, 10), (200, 20), (TOTAL, 30), *((TOTAL, 30 + i) for i in range(20))]:
        bars.show(experiment({0: stands(ended), 1: stands(other)}))
        told.append([task.fields["speed"] for task in progress.tasks if task.visible])
    assert told[:3] == [["", ""], ["200 steps/s", "10 steps/s"], ["250 steps/s", "5 steps/s"]]
    assert told[-1] == ["250 steps/s", "1 steps/s"]


def test_a_seed_that_had_ended_when_it_was_first_seen_has_no_speed() -> None:
    speed = display.Speed()
    assert [speed.text(TOTAL, TOTAL) for _ in range(3)] == ["", "", ""]


@pytest.mark.parametrize("wall_seconds", [21.0, 11.0])
def test_the_closing_table_tells_seconds_by_the_clock_if_seeds_trained_side_by_side(
    wall_seconds: float, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    result = SimpleNamespace(
        status="finished", final_returns={9: 1.0, 10: 3.0}, timesteps=40_000,
        seconds=Seconds(26.0, 4.0), seconds_now=Seconds(16.0, 4.0), wall_seconds=wall_seconds,
    )  # fmt: skip
    display.closing_table(result, 2.0, tmp_path, 40_000)  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    told = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in lines)
    assert told["compilation"] == "4.0 s"
    assert told["training"] == "26.0 s (1,538 steps/s with evaluations)"
    together = "11.0 s elapsed; the times above are sums over seeds"
    assert told.get("together") == (together if wall_seconds < 18 else None)


@pytest.mark.parametrize("status", ["finished", "interrupted"])
def test_the_closing_table_says_if_the_run_was_stopped(status, tmp_path, capsys) -> None:
    result: Any = SimpleNamespace(
        status=status, final_returns={9: 185.5}, timesteps=10_240, seconds=Seconds(1.0, 1.0),
        seconds_now=Seconds(1.0, 1.0), wall_seconds=2.0,
    )  # fmt: skip
    display.closing_table(result, 2.0, tmp_path, 100_000)
    rows = [re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines()]
    stopped = [
        ["return so far", "185.5 (one seed)"],
        ["stopped at", "10,240 of 100,000 steps"],
    ]
    finished = [["final return", "185.5 (one seed)"]]
    wanted, count = (stopped, 2) if status == "interrupted" else (finished, 1)
    assert rows[:count] == wanted
    assert rows[count][0] == "start-up"


# Rich would read the first as a style and fail at the second.
STRANGE = ("runs/[dev]/a[/b]", "runs/my run")


@pytest.fixture(params=STRANGE)
def folder(request, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(request.param)


def said(capsys) -> str:
    return str(capsys.readouterr().err).replace("\n", " ")


@pytest.mark.parametrize("command", ["train", "sweep", "tune"])
def test_the_command_that_continues_can_be_pasted(command, folder, capsys) -> None:
    shows = {"train": display.interrupted, "tune": tune_display.interrupted}
    shows["sweep"] = lambda path: sweep_display.interrupted(3, 8, path)
    shows[command](folder)
    words = shlex.split(said(capsys).partition("continue with: ")[2])
    assert words == ["arlbench", command, "--resume", str(folder)]


def test_a_study_that_its_user_can_continue_says_how(folder, capsys) -> None:
    folder.mkdir(parents=True)
    (folder / "study.json").touch()
    with pytest.raises(TunerError), tune_display.continuable(folder, shown=True):
        raise TunerError("wrong")
    assert shlex.split(said(capsys))[-2:] == ["--resume", str(folder)]


def test_headers_show_any_folder(folder, capsys) -> None:
    settings = resolve(PROBLEM.env_spec, {}, tuned=False, n_total_timesteps=2000)
    with RunFolder(folder, settings) as run:
        display.header(run)
    sweep_display.header(make_experiment(), 0, folder)
    study = {"problem": PROBLEM, "tuner": "random", "seeds": (0,), "folder": folder}
    tune_display.header(study, Space(PROBLEM, {}))
    assert said(capsys).count(f"folder: {folder} ") == 3


def test_closing_tables_show_any_folder(folder, capsys, monkeypatch) -> None:
    no_results: Any = SimpleNamespace(configs=[])
    outcome: Any = SimpleNamespace(members_trained=0)
    monkeypatch.setattr(sweep_display, "best_table", lambda *_: ["best"])
    sweep_display.closing_table(no_results, outcome, [folder / "a.png"])
    assert f"drawn: a.png in {folder}\n" in capsys.readouterr().out
