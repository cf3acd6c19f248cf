"""The published interface: names, parameters, defaults, fields and their order."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, NamedTuple, get_args

import jax
import pytest
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState
from flax import linen as nn
from flax.training.train_state import TrainState

from arlbench.core.algorithms import dqn as package
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.dqn import DQN, dqn, models
from arlbench.core.running_statistics import RunningStatisticsState
from probes import same_bits, small_dqn, small_state

REQUIRED = inspect.Parameter.empty


class Signature(NamedTuple):
    """A published callable: its parameters with their defaults, and how it is bound."""

    parameters: dict[str, Any]
    kind: type | None = None


PUBLISHED_METHODS = {
    "__init__": Signature(
        {
            "self": REQUIRED,
            "hpo_config": REQUIRED,
            "env": REQUIRED,
            "eval_env": None,
            "deterministic_eval": True,
            "eval_eps": 0.05,
            "cnn_policy": False,
            "nas_config": None,
            "track_trajectories": False,
            "track_metrics": False,
        }
    ),
    "get_checkpoint_factory": Signature(
        {"runner_state": REQUIRED, "train_result": REQUIRED}, staticmethod
    ),
    "get_default_hpo_config": Signature({}, staticmethod),
    "get_default_nas_config": Signature({}, staticmethod),
    "get_hpo_config_space": Signature({"seed": None}, staticmethod),
    "get_nas_config_space": Signature({"seed": None}, staticmethod),
    "init": Signature(
        {
            "self": REQUIRED,
            "rng": REQUIRED,
            "buffer_state": None,
            "network_params": None,
            "target_params": None,
            "opt_state": None,
        }
    ),
    "predict": Signature(
        {
            "self": REQUIRED,
            "runner_state": REQUIRED,
            "obs": REQUIRED,
            "rng": REQUIRED,
            "deterministic": True,
        }
    ),
    "train": Signature(
        {
            "self": REQUIRED,
            "runner_state": REQUIRED,
            "buffer_state": REQUIRED,
            "n_total_timesteps": 1_000_000,
            "n_eval_steps": 100,
            "n_eval_episodes": 10,
        }
    ),
    "update": Signature(
        {
            "self": REQUIRED,
            "train_state": REQUIRED,
            "observations": REQUIRED,
            "is_weights": REQUIRED,
            "actions": REQUIRED,
            "next_observations": REQUIRED,
            "rewards": REQUIRED,
            "dones": REQUIRED,
        }
    ),
}

PUBLISHED_TUPLES = {
    "DQNMetrics": ("loss", "grads", "td_error"),
    "DQNRunnerState": (
        "rng",
        "train_state",
        "normalizer_state",
        "env_state",
        "obs",
        "global_step",
    ),
    "DQNState": ("runner_state", "buffer_state"),
    "DQNTrainingResult": ("eval_rewards", "trajectories", "metrics"),
    "Transition": ("done", "action", "reward", "obs", "info"),
}

PUBLISHED_MODULES = {
    "arlbench.core.algorithms.dqn": (
        "DQN",
        "DQNMetrics",
        "DQNRunnerState",
        "DQNState",
        "DQNTrainReturnT",
        "DQNTrainingResult",
    ),
    "arlbench.core.algorithms.dqn.dqn": (
        "DQN",
        "DQNMetrics",
        "DQNRunnerState",
        "DQNState",
        "DQNTrainState",
        "DQNTrainingResult",
        "Transition",
    ),
    "arlbench.core.algorithms.dqn.models": ("CNNQ", "MLPQ"),
}


@pytest.mark.parametrize("module", PUBLISHED_MODULES)
def test_a_module_offers_every_published_name(module: str) -> None:
    offered = vars(importlib.import_module(module))
    assert [name for name in PUBLISHED_MODULES[module] if name not in offered] == []


def test_the_package_re_exports_the_very_same_objects() -> None:
    for name in PUBLISHED_MODULES["arlbench.core.algorithms.dqn"]:
        assert getattr(package, name) is getattr(dqn, name)


def test_published_classes_live_in_the_published_package() -> None:
    for name in PUBLISHED_MODULES["arlbench.core.algorithms.dqn.dqn"]:
        home = getattr(dqn, name).__module__
        assert home.startswith("arlbench.core.algorithms.dqn.")
    assert DQN.__module__ == "arlbench.core.algorithms.dqn.dqn"
    assert models.MLPQ.__module__ == models.CNNQ.__module__ == "arlbench.core.algorithms.dqn.models"


@pytest.mark.parametrize("name", PUBLISHED_METHODS)
def test_a_method_has_the_published_parameters_first(name: str) -> None:
    published = PUBLISHED_METHODS[name]
    actual = list(inspect.signature(getattr(DQN, name)).parameters.values())
    leading = actual[: len(published.parameters)]
    assert [p.name for p in leading] == list(published.parameters)
    for parameter in leading:
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        assert parameter.default == published.parameters[parameter.name], parameter.name
    # Added parameters come last and have defaults.
    assert all(p.default is not REQUIRED for p in actual[len(leading) :])


@pytest.mark.parametrize("name", PUBLISHED_METHODS)
def test_a_method_is_bound_as_published(name: str) -> None:
    is_static = isinstance(inspect.getattr_static(DQN, name), staticmethod)
    assert is_static == (PUBLISHED_METHODS[name].kind is staticmethod)


def test_the_algorithm_is_an_algorithm_named_dqn() -> None:
    assert DQN.__bases__ == (Algorithm,)
    assert DQN.name == "dqn"


@pytest.mark.parametrize("name", PUBLISHED_TUPLES)
def test_a_named_tuple_has_the_published_fields_in_order(name: str) -> None:
    cls = getattr(dqn, name)
    assert cls.__bases__ == (tuple,)
    assert cls._fields == PUBLISHED_TUPLES[name]
    assert cls._field_defaults == {}


def test_training_returns_a_state_and_a_result() -> None:
    assert get_args(package.DQNTrainReturnT) == (dqn.DQNState, dqn.DQNTrainingResult)


def test_the_train_state_is_flaxs_with_a_target_network() -> None:
    assert dqn.DQNTrainState.__bases__ == (TrainState,)
    parameters = inspect.signature(dqn.DQNTrainState).parameters
    assert list(parameters) == ["step", "apply_fn", "params", "tx", "opt_state", "target_params"]
    assert [p.default for p in parameters.values()] == [REQUIRED] * 5 + [None]


def test_the_train_state_is_created_with_an_optimiser_state() -> None:
    create = dqn.DQNTrainState.create_with_opt_state
    assert create.__self__ is dqn.DQNTrainState
    parameters = inspect.signature(create).parameters
    keyword_only = [name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY]
    assert keyword_only == ["apply_fn", "params", "target_params", "tx", "opt_state"]
    assert list(parameters)[5:] == ["kwargs"]
    assert all(p.default is REQUIRED for p in parameters.values())


@pytest.mark.parametrize(("name", "hidden_size"), [("MLPQ", 64), ("CNNQ", 512)])
def test_a_network_is_a_flax_module_with_the_published_fields(name: str, hidden_size: int) -> None:
    network = getattr(models, name)
    assert network.__bases__ == (nn.Module,)
    parameters = inspect.signature(network).parameters
    defaults = {key: p.default for key, p in list(parameters.items())[:4]}
    assert list(parameters) == [
        "action_dim",
        "activation",
        "hidden_size",
        "discrete",
        "parent",
        "name",
    ]
    assert defaults == {
        "action_dim": REQUIRED,
        "activation": "tanh",
        "hidden_size": hidden_size,
        "discrete": True,
    }
    assert list(inspect.signature(network.__call__).parameters) == ["self", "x"]
    assert "setup" in vars(network)


def test_a_state_consists_of_the_published_types() -> None:
    state = small_state(small_dqn())
    assert isinstance(state, dqn.DQNState)
    assert isinstance(state.runner_state, dqn.DQNRunnerState)
    assert isinstance(state.runner_state.train_state, dqn.DQNTrainState)
    assert isinstance(state.runner_state.normalizer_state, RunningStatisticsState)
    assert isinstance(state.buffer_state, PrioritisedTrajectoryBufferState)


def test_a_train_state_can_be_replaced_in_part() -> None:
    train_state = small_state(small_dqn()).runner_state.train_state
    doubled = jax.tree.map(lambda x: 2 * x, train_state.params)
    replaced = train_state.replace(params=doubled)
    assert isinstance(replaced, dqn.DQNTrainState)
    assert same_bits(replaced.params, doubled)
    assert same_bits(replaced.target_params, train_state.target_params)
