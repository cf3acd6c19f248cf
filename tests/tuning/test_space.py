"""Where a study searches: what is active, what lies within, and points of the unit cube."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.tuning import Space
from fake_studies import FIXED, PROBLEM, space

WHOLE = Space(Problem(EnvSpec("gymnax", "CartPole-v1")))
POINTS = st.lists(
    st.floats(0, 1, exclude_max=True), min_size=len(WHOLE.names), max_size=len(WHOLE.names)
)


def test_what_is_not_named_is_searched_unless_the_problem_fixes_it() -> None:
    assert set(space().names) == {"learning_rate", "use_target_network", "tau"}
    published = set(PROBLEM.algorithm_class.get_hpo_config_space())
    assert published - set(Space(PROBLEM).names) == {"learning_starts", "buffer_size"}
    assert set(Space(PROBLEM).names) < published


def test_an_inactive_hyperparameter_has_its_default() -> None:
    chosen = {"learning_rate": 1e-3, "use_target_network": False, "tau": 0.5}
    config = space().complete(chosen)
    assert config["tau"] == 1.0
    assert space().active(config) == ("learning_rate", "use_target_network")
    assert config == space().complete({**chosen, "tau": 0.2})
    assert space().choice(config) == {"learning_rate": 1e-3, "use_target_network": False}


def test_priorities_count_only_if_sampling_is_prioritised() -> None:
    config = WHOLE.complete({"buffer_prio_sampling": False, "buffer_alpha": 0.5})
    assert config["buffer_alpha"] == 0.9
    assert "buffer_alpha" not in WHOLE.active(config)
    assert "buffer_alpha" in WHOLE.active({**config, "buffer_prio_sampling": True})


def test_what_can_have_no_effect_is_not_searched() -> None:
    uniform = Space(FIXED, {"gamma": "0.9..1", "buffer_alpha": "0.1..0.9"})
    assert uniform.names == ("gamma",)
    with pytest.raises(ConfigurationError, match="every hyperparameter that has an effect"):
        Space(FIXED, {"buffer_alpha": "0.1..0.9"})
    with pytest.raises(ConfigurationError, match="The space is empty"):
        Space(FIXED)


@given(POINTS)
def test_a_configuration_is_at_the_point_that_is_its_own(point) -> None:
    config = WHOLE.at(point)
    assert WHOLE.require(config) == config
    again = WHOLE.at(WHOLE.point_of(config))
    for name, value in config.items():
        assert again[name] == (pytest.approx(value) if isinstance(value, float) else value)


@given(POINTS)
def test_what_is_active_is_as_much_as_the_whole(point) -> None:
    config = WHOLE.at(point)
    assert WHOLE.complete(WHOLE.choice(config)) == config


CONDITIONAL = {
    name: declared for name, declared in WHOLE.problem.declarations.items() if declared.effect_if
}


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_value_is_fixed_where_it_has_an_effect(name: str) -> None:
    declared, (parent, value) = CONDITIONAL[name], CONDITIONAL[name].effect_if
    fixed = declared.type(declared.low + (declared.high - declared.low) / 3)
    assert fixed != declared.default
    choices = WHOLE.problem.declarations[parent].choices or (True, False)
    searched = Space(FIXED, {parent: list(choices), name: fixed, "learning_rate": "1e-5..1e-2"})
    found = set()
    for config in map(searched.draw, map(np.random.default_rng, range(30))):
        assert searched.require(config) == config
        assert searched.require(searched.choice(config)) == config
        found.add((config[parent] == value, config[name]))
    # What has no effect has its default, unless the published space has no condition for it.
    elsewhere = declared.default if declared.active_if else fixed
    assert found == {(True, fixed), (False, elsewhere)}
    with pytest.raises(ConfigurationError, match=f"the study fixes it at {fixed}"):
        searched.require({parent: value, name: declared.default})


def test_draws_are_those_of_the_generator() -> None:
    first, second = (WHOLE.draw(np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert first != WHOLE.draw(np.random.default_rng(4))


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"learning_rate": 0.5}, r"learning_rate is 0.5, outside the range 1e-05..0.01"),
        ({"gamma": 0.5, "learning_rate": 1e-3}, r"gamma is 0.5, and the study fixes it at 0.99"),
        ({"learning_rte": 0.5}, "Did you mean 'learning_rate'"),
        ({"learning_rate": float("nan")}, "finite"),
    ],
)
def test_what_lies_outside_is_named(config, complaint) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        space().require(config)
