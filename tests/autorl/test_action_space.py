"""Hyperparameters as actions: sampling, membership and changes."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.autorl.action_space import Choice, HyperparameterSpace, changes, inactive
from arlbench.core.algorithms.dqn import DQN
from arlbench.errors import ConfigurationError

SPACE = DQN.get_hpo_config_space()
DEFAULTS = dict(SPACE.get_default_configuration())
CONDITIONAL = {"tau", "target_update_interval"}


def test_samples_hold_what_is_active_and_are_actions() -> None:
    space = HyperparameterSpace(SPACE, seed=0)
    samples = [space.sample() for _ in range(40)]
    for sample in samples:
        expected = set(SPACE) if sample["use_target_network"] else set(SPACE) - CONDITIONAL
        assert sample.keys() == expected
        assert space.contains(sample)
        assert changes(sample, SPACE, DEFAULTS).keys() == expected
    assert {sample["use_target_network"] for sample in samples} == {True, False}


def test_a_seed_gives_the_same_samples() -> None:
    one, other = HyperparameterSpace(SPACE, seed=3), HyperparameterSpace(SPACE, seed=3)
    assert [one.sample() for _ in range(3)] == [other.sample() for _ in range(3)]


def test_a_part_of_the_hyperparameters_is_an_action_too() -> None:
    space = HyperparameterSpace(SPACE)
    assert space.contains({})
    assert space.contains({"gamma": 0.9, "buffer_batch_size": 32})
    assert not space.contains({"gamma": 2.0})
    assert not space.contains({"buffer_batch_size": 5})
    assert not space.contains({"unknown": 1})
    assert not space.contains({"learning_rate": "abc"})
    assert not space.contains({"train_freq": 1.5})
    assert not space.contains({"buffer_prio_sampling": 1})
    assert not space.contains({"buffer_prio_sampling": np.array([1, 2])})
    # It is ignored, so this is a valid action.
    assert space.contains({"use_target_network": False, "tau": 0.5})
    assert space.contains({"tau": 0.5})
    assert not space.contains([0.9])


def test_ranges_are_those_of_the_search_space() -> None:
    space = HyperparameterSpace(SPACE)
    assert (space["gamma"].low, space["gamma"].high) == (0.8, 1.0)
    assert space["train_freq"].dtype == np.int64
    assert space["buffer_batch_size"].values == (4, 8, 16, 32, 64)


def test_a_choice_is_one_of_its_values() -> None:
    choice = Choice((4, 8), seed=0)
    assert {choice.sample() for _ in range(20)} == {4, 8}
    assert choice.contains(np.int64(8))
    assert not choice.contains(0)
    assert repr(choice) == "Choice(4, 8)"
    assert choice == Choice([4, 8])
    assert choice != Choice([4])


def test_what_is_searched_on_a_logarithmic_scale_is_sampled_so() -> None:
    rates = [HyperparameterSpace(SPACE, seed=i)["learning_rate"].sample() for i in range(400)]
    # Half of the decades from 1e-6 to 0.1 lie below 10**-3.5.
    assert 0.4 < np.mean(np.array(rates) < 10**-3.5) < 0.6


def test_none_leaves_a_hyperparameter_as_it_is() -> None:
    given = {"gamma": None, "use_target_network": False, "tau": None}
    assert changes(given, SPACE, DEFAULTS) == {"use_target_network": False}


@pytest.mark.parametrize(
    "value",
    [0.9, np.float32(0.9), np.array(0.9), jnp.float32(0.9)],
    ids=["python", "scalar", "array", "jax"],
)
def test_numbers_of_any_kind_become_plain_ones(value: Any) -> None:
    given = changes({"gamma": value}, SPACE, DEFAULTS)["gamma"]
    assert type(given) is float
    assert given == pytest.approx(0.9)


def test_what_is_inactive_is_ignored() -> None:
    without_target = {**DEFAULTS, "use_target_network": False}
    assert changes({"tau": 0.5, "gamma": 0.9}, SPACE, without_target) == {"gamma": 0.9}
    assert changes({"tau": 0.5, "use_target_network": False}, SPACE, DEFAULTS) == {
        "use_target_network": False
    }
    both = {"tau": 0.5, "use_target_network": True}
    assert changes(both, SPACE, without_target) == both
    assert inactive(SPACE, without_target) == sorted(CONDITIONAL)
    assert inactive(SPACE, DEFAULTS) == []


def test_an_architecture_choice_is_not_an_action() -> None:
    with pytest.raises(ConfigurationError, match=r"hidden_size is an architecture.*nas_config"):
        changes({"hidden_size": 32}, SPACE, DEFAULTS, DQN.architecture_choices())
