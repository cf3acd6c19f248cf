"""Objectives: values computed by hand, directions, and new objectives."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import pytest

from arlbench.autorl import StepResult, objectives, register_objective
from arlbench.autorl.objectives import find_objectives, objective_values
from arlbench.errors import ConfigurationError, MissingExtraError
from schedules import begun_env, tiny_env
from step_results import make_result

# The last evaluation has returns of 4, 10 and 16; the means are 2 and 10.
BY_HAND = {
    "reward_mean": 10.0,
    "reward_std": math.sqrt((36 + 0 + 36) / 3),
    "reward_auc": 6.0,
    "runtime": 1.5,
    "emissions": 2e-6,
}
MINIMISED = {"reward_std", "runtime", "emissions"}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a test register objectives that the next test does not see."""
    monkeypatch.setattr(objectives, "_objectives", dict(objectives._objectives))


def value(name: str, direction: str, result: StepResult) -> float:
    return objective_values([objectives._objectives[name]], result, direction)[name]


def test_every_objective_is_worked_out_here() -> None:
    assert objectives._objectives.keys() == BY_HAND.keys()


@pytest.mark.parametrize("name", BY_HAND)
def test_the_sign_follows_what_is_asked_for(name: str) -> None:
    upper = -BY_HAND[name] if name in MINIMISED else BY_HAND[name]
    assert value(name, "upper", make_result()) == pytest.approx(upper)
    assert value(name, "lower", make_result()) == pytest.approx(-upper)


@pytest.mark.parametrize(
    ("timesteps", "area"),
    [
        ([50, 100], 6.0),
        ([30, 100], (2 * 30 + 10 * 70) / 100),
        ([0, 40], 10.0),
        ([0, 0], 6.0),
    ],
    ids=["equal", "unequal", "one without a length", "none has a length"],
)
def test_the_area_under_the_curve_weighs_intervals_by_their_lengths(
    timesteps: list[int], area: float
) -> None:
    result = make_result(timesteps=np.array(timesteps))
    assert value("reward_auc", "upper", result) == pytest.approx(area)


@pytest.mark.parametrize("name", ["reward_mean", "reward_std", "reward_auc"])
def test_what_was_not_reached_has_no_value(name: str) -> None:
    returns = np.array([[1.0, 2.0], [np.nan, np.nan]], np.float32)
    assert math.isnan(value(name, "upper", make_result(returns=returns, diverged_at=70)))


def test_several_objectives_come_by_name_in_the_order_asked_for() -> None:
    env = begun_env(objectives=["runtime", "reward_auc", "reward_mean"])
    _, values, _, _, info = env.step({})
    frame = info["train_info_df"]
    assert list(values) == ["runtime", "reward_auc", "reward_mean"]
    assert values["runtime"] == -info["train_seconds"]
    assert values["reward_auc"] == pytest.approx(frame["returns"].mean())


def test_a_new_objective_takes_three_lines(registry: None) -> None:
    @register_objective("worst_return")
    def worst_return(result: StepResult) -> float:
        return float(result.returns[-1].min())

    assert value("worst_return", "lower", make_result()) == -4.0
    # A notebook cell may run again, but another function must not take the name.
    register_objective("worst_return")(worst_return)
    with pytest.raises(ConfigurationError, match="'worst_return' is already registered"):
        register_objective("worst_return")(lambda result: 0.0)


def test_an_objective_that_fails_is_named(registry: None) -> None:
    @register_objective("broken")
    def broken(result: StepResult) -> float:
        return 1 / 0

    with pytest.raises(ZeroDivisionError) as caught:
        value("broken", "upper", make_result())
    assert caught.value.__notes__ == ["This was raised by the objective 'broken'."]


class Meter:
    """Counts how often it was entered and left."""

    entered = left = 0

    def __enter__(self) -> Any:
        Meter.entered += 1
        return lambda: 7.0 if Meter.left == Meter.entered else math.nan

    def __exit__(self, *_: object) -> None:
        Meter.left += 1


def test_a_meter_is_read_after_each_training(registry: None) -> None:
    @register_objective("metered", maximise=False, meter=Meter)
    def metered(result: StepResult) -> float:
        return result.measured["metered"]

    env = begun_env(objectives=["metered"])
    _, values, *_ = env.step({})
    assert values == {"metered": -7.0}
    assert (Meter.entered, Meter.left) == (2, 2)


def test_an_objective_says_what_it_misses(registry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "codecarbon" else find_spec(name, *rest),
    )
    with pytest.raises(MissingExtraError, match=r"needs codecarbon.*'arlbench\[emissions\]'"):
        tiny_env(objectives=["emissions"])


def test_emissions_are_measured_around_the_training() -> None:
    pytest.importorskip("codecarbon")
    _, values, *_ = begun_env(objectives=["emissions"]).step({})
    # Some power for a fraction of a second: more than 0, less than a gram.
    assert -1e-3 < values["emissions"] < 0


def test_the_names_are_known() -> None:
    assert [o.name for o in find_objectives(["runtime", "reward_mean"])] == [
        "runtime",
        "reward_mean",
    ]
