"""The importance of hyperparameters: which trials count, and what is found in known functions."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arlbench.cli.tune_display import importance_lines
from arlbench.errors import MissingExtraError
from arlbench.tuning import Result, Trial, load
from arlbench.tuning.importance import importance_of
from fake_studies import quality, space, study

pytest.importorskip("optuna")


def drawn(n: int, score: Callable[[dict[str, Any]], float], fidelity: int = 900) -> list[Result]:
    """Random trials with their scores; configurations hold what is active."""
    rng = np.random.default_rng(0)
    where, results = space(), []
    for number in range(n):
        config = where.choice(where.draw(rng))
        trial = Trial(config, fidelity, number=number)
        none = np.zeros((1, 1))
        results.append(Result(trial, "finished", none, np.array([0]), score(config), 0, 0.0))
    return results


def found(results: list[Result]) -> Any:
    return importance_of(space(), {result.number: result for result in results})


def test_what_decides_the_score_is_important() -> None:
    by_rate = found(drawn(60, quality))
    assert next(iter(by_rate.shares)) == "learning_rate"
    assert by_rate.shares["learning_rate"] > 0.8
    assert sum(by_rate.shares.values()) == pytest.approx(1)
    assert (by_rate.n_trials, by_rate.fidelity) == (60, 900)
    by_choice = found(drawn(60, lambda config: float(config["use_target_network"])))
    assert next(iter(by_choice.shares)) == "use_target_network"


def test_one_that_is_not_always_active_is_judged_where_it_is() -> None:
    """Without a target network the score is in the middle, with one it is tau that decides."""
    results = drawn(80, lambda config: config.get("tau", 0.5))
    assert any("tau" not in result.trial.config for result in results)
    assert found(results).shares["tau"] > 0.5


def test_only_ranks_count() -> None:
    results = drawn(30, quality)
    assert found([r._replace(score=math.exp(r.score / 10)) for r in results]) == found(results)
    worst = sorted(results, key=lambda result: result.score)[:4]
    diverged = [r._replace(score=-math.inf) if r in worst[:1] else r for r in results]
    assert found(diverged) == found(results)


def test_trials_of_the_largest_fidelity_with_enough_of_them() -> None:
    short, long = drawn(12, quality, 100), drawn(9, quality, 300)
    few = drawn(7, quality, 900)
    every = [r._replace(trial=r.trial._replace(number=i)) for i, r in enumerate(short + long + few)]
    result = found(every)
    assert (result.n_trials, result.fidelity) == (9, 300)


def test_nothing_is_said_without_enough_to_say() -> None:
    assert found(drawn(7, quality)) is None
    assert found(drawn(8, quality)) is not None
    assert found(drawn(20, lambda config: 1.0)) is None
    assert found(drawn(20, lambda config: -math.inf)) is None
    # Members of a population were trained under several configurations.
    results = drawn(20, quality)
    evolved = results[-1].trial._replace(continues=0)
    assert found([*results[:-1], results[-1]._replace(trial=evolved)]) is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Any:
    at = tmp_path_factory.mktemp("studies") / "study"
    study(at, "random", n_trials=20, test_seeds=())
    return at


def test_a_study_knows_its_importance(folder) -> None:
    result = load(folder).importance()
    assert result is not None
    assert set(result.shares) == {"learning_rate", "use_target_network", "tau"}
    assert (result.n_trials, result.fidelity) == (20, 900)
    lines = importance_lines(load(folder), 80)
    assert lines[0].startswith("importance (20 trials of 900 timesteps): learning_rate ")
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 2


def test_without_optuna_the_closing_lines_have_none(folder, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert importance_lines(load(folder), 80) == []
    with pytest.raises(
        MissingExtraError, match=r"^Optuna, .*, is not installed; .*arlbench\[optuna\]"
    ):
        load(folder).importance()
