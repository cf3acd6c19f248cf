"""DQN's hyperparameters: the search spaces, what is valid, and what shapes the program.

A hyperparameter is *structural* where it changes array shapes or the graph; those are
in :class:`Structure`, a static argument of every compiled program. All others are
*traced*: they are in :class:`TracedHyperparameters`, ordinary inputs of the program, so
that changing one compiles nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from ConfigSpace import (
    Categorical,
    Configuration,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    Integer,
)

from arlbench.core.algorithms.dqn.models import ACTIVATIONS
from arlbench.core.checks import known_names
from arlbench.core.environments import Environment
from arlbench.errors import ConfigurationError, did_you_mean

_INT32_MAX = 2**31 - 1
_FLOAT32_MAX = float(np.finfo(np.float32).max)


def hpo_config_space(seed: int | None = None) -> ConfigurationSpace:
    """The hyperparameters and the ranges in which to search them."""
    space = ConfigurationSpace(name="DQNConfigSpace", seed=seed)
    use_target_network = Categorical("use_target_network", [True, False], default=True)
    tau = Float("tau", (0.01, 1.0), default=1.0)
    target_update_interval = Integer("target_update_interval", (1, 2000), default=1000)
    space.add(
        Integer("buffer_size", (1024, 10_000_000), default=1_000_000),
        Categorical("buffer_batch_size", [4, 8, 16, 32, 64], default=16),
        Categorical("buffer_prio_sampling", [True, False], default=False),
        Float("buffer_alpha", (0.01, 1.0), default=0.9),
        Float("buffer_beta", (0.01, 1.0), default=0.9),
        Float("buffer_epsilon", (1e-7, 1e-3), default=1e-6),
        Float("learning_rate", (1e-6, 0.1), default=3e-4, log=True),
        Float("gamma", (0.8, 1.0), default=0.99),
        tau,
        Float("initial_epsilon", (0.5, 1.0), default=1.0),
        Float("target_epsilon", (0.001, 0.2), default=0.05),
        Float("exploration_fraction", (0.005, 0.5), default=0.1),
        use_target_network,
        Integer("train_freq", (1, 256), default=4),
        Integer("gradient_steps", (1, 256), default=1),
        Integer("learning_starts", (0, 32768), default=1024),
        target_update_interval,
        Categorical("normalize_observations", [True, False], default=False),
        EqualsCondition(target_update_interval, use_target_network, True),
        EqualsCondition(tau, use_target_network, True),
    )
    return space


def nas_config_space(seed: int | None = None) -> ConfigurationSpace:
    """The architecture of the network and the ranges in which to search it."""
    space = ConfigurationSpace(name="DQNNASConfigSpace", seed=seed)
    space.add(
        Categorical("activation", list(ACTIVATIONS), default="tanh"),
        Integer("hidden_size", (1, 1024), default=64),
    )
    return space


@functools.cache
def entries(space: Callable[[], ConfigurationSpace]) -> Mapping[str, Any]:
    """The hyperparameters of a space by name; made once, because making a space is slow."""
    return dict(space())


class TracedHyperparameters(NamedTuple):
    """Hyperparameters that are inputs of the compiled program, each a scalar ``[]``.

    With a batch of members each field is ``[n_members]``. ``buffer_batch_size`` says which
    of the structure's batch sizes counts.
    """

    buffer_batch_size: Any
    buffer_size: Any
    buffer_alpha: Any
    buffer_beta: Any
    buffer_epsilon: Any
    learning_rate: Any
    gamma: Any
    tau: Any
    initial_epsilon: Any
    target_epsilon: Any
    exploration_fraction: Any
    use_target_network: Any
    train_freq: Any
    gradient_steps: Any
    learning_starts: Any
    target_update_interval: Any
    normalize_observations: Any


@dataclasses.dataclass(frozen=True)
class AgentStructure:
    """What shapes acting and evaluation. Equal agents share their compiled programs.

    Attributes:
        env: Where it learns.
        eval_env: Where it is evaluated.
        network: The network's class and its fields, which compare equal.
        images: Whether observations reach the network as images.
        deterministic_eval: Greedy evaluation; otherwise epsilon-greedy with ``eval_eps``.
        eval_eps: Probability of a random action in an evaluation that is not greedy.
    """

    env: Environment
    eval_env: Environment
    network: Any
    images: bool
    deterministic_eval: bool
    eval_eps: float


@dataclasses.dataclass(frozen=True)
class Structure:
    """What shapes training beyond the arrays that it is given.

    Attributes:
        agent: What shapes acting.
        batch_sizes: Transitions in one gradient step: every number that there is code for,
            in rising order.
        prioritised: Whether transitions are drawn by priority.
    """

    agent: AgentStructure
    batch_sizes: tuple[int, ...]
    prioritised: bool


class _Valid(NamedTuple):
    """What values of a hyperparameter are possible, wider than where to search."""

    convert: Callable[[str, Any], Any]
    lower: float = -math.inf
    upper: float = math.inf
    open_below: bool = False
    choices: tuple[Any, ...] = ()


def _to_bool(name: str, value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ConfigurationError(f"{name} must be True or False, not {value!r}.")


def _to_int(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ConfigurationError(f"{name} must be a whole number, not {value!r}.")


def _to_float(name: str, value: Any) -> float:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    # The program computes in 32 bits, so what counts is finite there.
    if is_number and abs(value) <= _FLOAT32_MAX:
        return float(value)
    raise ConfigurationError(f"{name} must be a finite number of 32 bits, not {_short(value)}.")


def _to_str(name: str, value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    raise ConfigurationError(f"{name} must be a word, not {value!r}.")


_COUNT = _Valid(_to_int, 1, _INT32_MAX)
_PROBABILITY = _Valid(_to_float, 0.0, 1.0)
_FLAG = _Valid(_to_bool)

_VALID: dict[str, _Valid] = {
    "buffer_size": _COUNT,
    "buffer_batch_size": _COUNT,
    "buffer_prio_sampling": _FLAG,
    "buffer_alpha": _PROBABILITY,
    "buffer_beta": _PROBABILITY,
    # A priority of exactly 0 would never be drawn again.
    "buffer_epsilon": _Valid(_to_float, 0.0, open_below=True),
    "learning_rate": _Valid(_to_float, 0.0, open_below=True),
    "gamma": _PROBABILITY,
    "tau": _PROBABILITY,
    "initial_epsilon": _PROBABILITY,
    "target_epsilon": _PROBABILITY,
    "exploration_fraction": _PROBABILITY,
    "use_target_network": _FLAG,
    "train_freq": _COUNT,
    "gradient_steps": _COUNT,
    "learning_starts": _Valid(_to_int, 0, _INT32_MAX),
    "target_update_interval": _COUNT,
    "normalize_observations": _FLAG,
    "activation": _Valid(_to_str, choices=ACTIVATIONS),
    "hidden_size": _COUNT,
}


def resolve(
    config: Configuration | Mapping[str, Any] | None,
    space: Mapping[str, Any],
    kind: str,
    current: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every value of the space: those given, else the current ones, else the defaults.

    Args:
        config: Given values; inactive ones may be missing or None.
        space: The space whose names and defaults count.
        kind: What an error calls an entry, such as "hyperparameter".
        current: Values that stay where none is given.

    Raises:
        ConfigurationError: If a name is unknown or a value impossible.
    """
    if config is not None and not isinstance(config, Mapping):
        raise ConfigurationError(
            f"A configuration must be a Configuration or a mapping, not a {type(config).__name__}."
        )
    given = {k: v for k, v in dict(config or {}).items() if v is not None}
    known_names(given, space, kind)
    return {
        name: check_value(name, {**(current or {}), **given}.get(name, entry.default_value))
        for name, entry in space.items()
    }


def check_value(name: str, value: Any) -> Any:
    """The value as bool, int, float or str, if the hyperparameter can have it."""
    valid = _VALID[name]
    if isinstance(value, np.generic):
        value = value.item()
    if valid.convert in (_to_bool, _to_str):
        return _one_of(name, valid.convert(name, value), valid.choices)
    return _in_range(name, value, valid)


def _one_of(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    if choices and value not in choices:
        raise ConfigurationError(
            f"{name} must be one of {', '.join(choices)}, not {value!r}."
            f"{did_you_mean(value, choices)}"
        )
    return value


def _in_range(name: str, value: Any, valid: _Valid) -> Any:
    converted = valid.convert(name, value)
    smallest = np.float32(converted) if isinstance(converted, float) else converted
    below = smallest <= valid.lower if valid.open_below else smallest < valid.lower
    if below or converted > valid.upper:
        raise ConfigurationError(f"{name} must be {_range_text(valid)}, not {_short(value)}.")
    return converted


def check_probability(name: str, value: Any) -> float:
    """The value as a float, if it lies between 0 and 1."""
    return _in_range(name, value, _PROBABILITY)


def check_positive(name: str, value: Any) -> float:
    """The value as a float, if it is finite and greater than 0."""
    return float(_in_range(name, value, _Valid(_to_float, 0.0, open_below=True)))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} characters)"


def _range_text(valid: _Valid) -> str:
    if valid.open_below:
        return f"greater than {valid.lower:g}"
    if valid.upper == _INT32_MAX:
        return f"at least {valid.lower:g} and at most {_INT32_MAX}"
    return f"between {valid.lower:g} and {valid.upper:g}"


def traced(config: Mapping[str, Any]) -> TracedHyperparameters:
    """The traced part of a resolved configuration, as NumPy scalars of fixed types."""
    dtypes = {bool: np.bool_, int: np.int32, float: np.float32}
    values = {name: config[name] for name in TracedHyperparameters._fields}
    return TracedHyperparameters(**{k: dtypes[type(v)](v) for k, v in values.items()})


# Measured on one core, in gradient steps of one transition: what a vector step costs,
# what a gradient step costs beside its batch, and how much more it costs by priority.
_VECTOR_STEP_COST = 10.0
_UPDATE_COST = 25.0
_PRIORITISED_FACTOR = 1.6


def estimated_cost(config: Mapping[str, Any], n_envs: int, n_total_timesteps: int | float) -> float:
    """The work of a training, in gradient steps of one transition; roughly."""
    vector_steps = n_total_timesteps / n_envs
    learning_steps = max(vector_steps - config["learning_starts"] / n_envs, 0.0)
    updates = learning_steps / config["train_freq"] * config["gradient_steps"]
    per_update = _UPDATE_COST + config["buffer_batch_size"]
    factor = _PRIORITISED_FACTOR if config["buffer_prio_sampling"] else 1.0
    return vector_steps * _VECTOR_STEP_COST + updates * per_update * factor
