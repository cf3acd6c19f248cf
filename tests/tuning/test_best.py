"""The test return of the best trial if learning diverged with some of the seeds of the test."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.cli import tune_repeats as display_of_repeats
from arlbench.cli.tune_display import best_table, summary
from arlbench.cli.tune_pictures import drawn_trials
from arlbench.report.study_pictures import draw_incumbent
from arlbench.tuning import compare, load
from arlbench.tuning.best import best_of_each, final_returns, lost_in_test
from arlbench.tuning.journal import Retrained
from fake_studies import FakePopulation, study


def diverging_from(first: int) -> Callable[..., Any]:
    """A stand-in for ``train_population`` in which seeds from ``first`` on diverge."""
    fake = FakePopulation()

    def train(problem: Any, configs: Any, seeds: Any, *, on_member: Any, **rest: Any) -> Any:
        def tell(member: Any) -> None:
            if seeds[member.seed_index] >= first:
                returns = np.full_like(member.returns, np.nan)
                member = member._replace(status="diverged", returns=returns, diverged_at=1)
            on_member(member)

        return fake(problem, configs, seeds, on_member=tell, **rest)

    return train


def made(folder: Path, first: int, tuner: str = "random", **settings: Any) -> Any:
    given = {"n_trials": 4, "test_seeds": (100, 101, 102), "train": diverging_from(first)}
    return study(folder, tuner, **{**given, **settings})


@pytest.mark.parametrize(("first", "lost"), [(200, 0), (102, 1), (100, 3)])
def test_it_is_the_mean_of_the_others_and_the_rest_is_said(tmp_path, first, lost) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = made(tmp_path / "a", first)
        found = load(tmp_path / "a")
        (best,) = best_of_each([found])
        comparison = compare([tmp_path / "a"])
        said = list(summary(found, outcome))
        tests = best_table(found, 80)[2].split()
        points = draw_incumbent(drawn_trials(found)).axes[0].lines[1:]
    assert lost_in_test(found) == (lost, 3)
    returns = found.tests[best.number].returns[: 3 - lost, -1]
    assert best.test == pytest.approx(returns.mean()) if lost < 3 else math.isnan(best.test)
    drawn = [point.get_ydata()[-1] for point in points]
    assert drawn == pytest.approx([best.test] if lost < 3 else [])
    assert np.isnan(comparison.table.loc["a", "test_return"]) == (lost == 3)
    note = f"the test return of a leaves out {lost} of 3 training runs, because learning diverged"
    assert comparison.notes == ((note,) if lost else ())
    assert "nan" not in " ".join([*tests, *said])
    sentence = f"has no final return with {lost} of 3 new seeds: learning diverged"
    assert any(sentence in line for line in said) == (lost > 0)
    assert any(f"with {3 - lost} other seed" in line for line in said) == (lost < 3)
    left_out = f"the test return leaves out {2 * lost} of 6 training runs"
    of_repeats = f"{left_out}, because learning diverged"
    assert display_of_repeats._about_lost([found] * 2) == ([of_repeats] if lost else [])


def test_a_schedule_that_ended_early_has_no_final_return(tmp_path) -> None:
    """With the seeds that did not diverge, it has the return in the middle of the schedule."""
    settings = {"n_members": 3, "n_steps": 4}
    made(tmp_path / "a", 102, "pbt", n_trials=None, tuner_settings=settings)
    found = load(tmp_path / "a")
    best = found.incumbents[-1]
    test = found.tests[best.number]
    assert test.returns.shape[1] < best.returns.shape[1]
    assert np.isfinite(test.returns[:2]).all()
    assert np.isnan(final_returns(best, test)).all()
    assert lost_in_test(found) == (3, 3)
    assert math.isnan(best_of_each([found])[0].test)
    assert np.isnan(compare([tmp_path / "a"]).table.loc["a", "test_return"])


def test_a_replay_in_which_learning_diverged_is_printed(tmp_path, capsys, monkeypatch) -> None:
    from arlbench.tuning import replaying
    from in_process import arlbench

    made(tmp_path / "a", 200)
    numbers: list[int] = []

    def run(prepared: Any, *_: Any, **__: Any) -> Retrained:
        numbers.append(prepared.number)
        returns = np.full((len(prepared.seeds), 9), 5.0)
        returns[1] = np.nan
        return Retrained(prepared.number, prepared.seeds, returns)

    monkeypatch.setattr(replaying.PreparedReplay, "run", run)
    words = ["tune", "--replay", tmp_path / "a", "--seeds", "2", "--seed", "300"]
    assert arlbench(*words, "--json") == 0
    printed = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert printed["final_returns"] == {"300": 5.0, "301": None}
    assert arlbench(*words) == 0
    shown = capsys.readouterr().out
    assert f"trial {numbers[0]}, trained again: final return 5.0 (one seed)" in shown
    assert "has no final return with 1 of 2 new seeds: learning diverged" in shown
