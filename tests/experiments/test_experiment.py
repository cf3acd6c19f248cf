"""An experiment is checked once, complete, identified by its problem, and can grow."""

from __future__ import annotations

import json
from importlib import metadata

import jax
import numpy as np
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.errors import ConfigurationError
from arlbench.experiments.experiment import (
    FORMAT_VERSION,
    Experiment,
    changed_versions,
    seed_range,
    versions_now,
)
from fake_training import PROBLEM, make_experiment


def test_seeds_may_be_an_array() -> None:
    seeds = make_experiment(seeds=np.arange(3)).seeds
    assert seeds == (0, 1, 2)
    assert all(type(seed) is int for seed in seeds)
    with pytest.raises(ConfigurationError, match="seeds of an experiment must not be empty"):
        make_experiment(seeds=np.arange(0))


def test_configurations_are_completed() -> None:
    config = make_experiment().configs[0]
    assert config.keys() == PROBLEM.declarations.keys()
    assert config["learning_rate"] == 1e-5
    assert config["hidden_size"] == 64


def test_json_and_back_is_the_same_experiment_to_the_last_bit() -> None:
    experiment = make_experiment(configs=({"learning_rate": 1 / 3}, {"gamma": 0.1 + 0.2}))
    text = experiment.to_json()
    again = Experiment.from_mapping(json.loads(text))
    assert again == experiment
    assert again.to_json() == text
    assert again.first_difference(experiment) == ""
    assert json.loads(text)["format_version"] == FORMAT_VERSION
    assert len(text.splitlines()[-5:]) == 5
    assert text.count('{"buffer') == 2, "a configuration a line"


def test_equal_in_what_is_active_is_equal() -> None:
    without = {"use_target_network": False}
    one, other = (make_experiment(configs=(without | more,)) for more in ({}, {"tau": 0.3}))
    assert one == other
    assert one.grown_by(other) is one
    active = make_experiment(configs=({"use_target_network": True, "tau": 0.3},))
    assert active.configs[0]["tau"] == 0.3
    assert len(one.grown_by(active).configs) == 2


def test_what_the_problem_fixes_is_in_every_configuration() -> None:
    fixed = PROBLEM.replace(hpo_config={"gamma": 0.5}, nas_config={"hidden_size": 8})
    experiment = make_experiment(problem=fixed, configs=({"tau": 0.5}, {"gamma": 0.25}))
    found = [(config["gamma"], config["hidden_size"]) for config in experiment.configs]
    assert found == [(0.5, 8), (0.25, 8)]


def test_members_are_every_configuration_with_every_seed() -> None:
    experiment = make_experiment(n_configs=2, n_seeds=2)
    assert list(experiment.members) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert experiment.n_members == 4


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"configs": ()}, "configs of an experiment must not be empty"),
        ({"seeds": ()}, "seeds of an experiment must not be empty"),
        ({"seeds": (1, 1)}, "given twice"),
        ({"seeds": (-1,)}, "Seeds must be whole numbers"),
        ({"n_total_timesteps": 0}, "n_total_timesteps must be a positive whole number"),
        ({"n_eval_steps": 1.5}, "n_eval_steps must be"),
        ({"n_eval_episodes": -1}, "n_eval_episodes must be"),
        ({"configs": ({"gama": 0.9},)}, "Did you mean 'gamma'"),
        ({"configs": ({"gamma": 2},)}, "gamma must be between 0 and 1"),
    ],
)
def test_impossible_experiments_are_refused(change, named) -> None:
    with pytest.raises(ConfigurationError, match=named):
        make_experiment(**change)


def test_an_evaluation_environment_given_and_derived_is_one_problem() -> None:
    derived = make_experiment(eval_env_spec=EnvSpec("gymnax", "CartPole-v1", n_envs=4))
    assert make_experiment().first_difference(derived) == ""


def test_seeds_are_counted_from_the_first() -> None:
    assert seed_range(3, 2) == (3, 4)
    assert seed_range(2**32 - 1, 1) == (2**32 - 1,)
    assert seed_range(3, 2.0) == (3, 4)
    for first, count in ((-1, 1), (2**32 - 1, 2), (0, 0), (0, 10_001), (0.5, 1), (0, 1.5)):
        with pytest.raises(ConfigurationError, match="eeds"):
            seed_range(first, count)


def test_the_device_is_recorded_with_the_versions() -> None:
    versions = versions_now(EnvSpec("gymnax", "CartPole-v1", 1))
    assert versions["device"] == jax.local_devices()[0].device_kind
    assert versions["gymnax"] == metadata.version("gymnax")
    # Environments in Python are trained on the CPU, whatever else there is.
    assert versions_now(EnvSpec("gymnasium", "CartPole-v1", 1))["device"] == "cpu"


def test_versions_that_changed_are_a_sentence() -> None:
    now = {"jax": "2", "numpy": "1"}
    assert changed_versions({"jax": "2", "numpy": "1"}, now) == ""
    assert changed_versions({"jax": "1", "gone": "3"}, now) == (
        "Started with jax 1 (now 2), gone 3 (now absent): results may differ."
    )
