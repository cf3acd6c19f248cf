"""Another algorithm is tuned, without a change to any file of the package."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from arlbench.core.algorithms import registry
from arlbench.core.algorithms.registry import register_algorithm
from arlbench.core.problem import Problem
from arlbench.tuning import Space, load, tune
from probe_framework import walk

WORDS = {
    "step_size": "1e-3..1", "fades": "true,false", "least_exploration": "0..0.2",
    "sweep_length": "1..4",
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_ALGORITHMS", dict(registry._ALGORITHMS))
        register_algorithm("tabular_q", "tabular_q", "TabularQ")
        yield


def problem() -> Problem:
    length = {"n_total_timesteps": 144, "n_eval_steps": 9, "n_eval_episodes": 2}
    return Problem(walk(), algorithm="tabular_q", hpo_config={"discount": 0.9}, **length)


def test_its_conditions_are_followed() -> None:
    space = Space(problem(), WORDS)
    assert space.conditions == {"least_exploration": ("fades", True)}
    assert space.complete({"fades": False, "least_exploration": 0.1})["least_exploration"] == 0.0


@pytest.mark.thorough
def test_promoted_trials_are_those_that_were_trained_at_once(tmp_path) -> None:
    given = {"words": WORDS, "n_trials": 22, "seeds": (3, 5), "test_seeds": (100,)}
    continued = tune(problem(), "hyperband", folder=tmp_path / "continued", **given)
    restarted = tune(problem(), "hyperband", folder=tmp_path / "again", restart=True, **given)
    assert [r.trial for r in continued.results] == [r.trial for r in restarted.results]
    assert any(result.trial.continues is not None for result in continued.results)
    for one, other in zip(continued.results, restarted.results, strict=True):
        np.testing.assert_array_equal(one.returns[:, -1], other.returns[:, -1])
    assert continued.timesteps < restarted.timesteps


@pytest.mark.parametrize("exploit", ["state", "network"])
def test_its_populations_evolve(tmp_path, exploit) -> None:
    settings = {"n_members": 6, "n_steps": 3, "exploit": exploit}
    outcome = tune(
        problem(), "pbt", words=WORDS, seeds=(3,), test_seeds=(), folder=tmp_path,
        tuner_settings=settings,
    )  # fmt: skip
    assert outcome.status == "finished"
    sources = load(tmp_path).trials["network_of"]
    assert sources.notna().any() == (exploit == "network")
