"""Environments of the Jumanji library (https://github.com/instadeepai/jumanji)."""

from __future__ import annotations

import collections
import dataclasses
import functools
import inspect
import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

import chex
import jax
import numpy as np
from gymnasium import spaces
from jumanji import registration, specs
from jumanji.environments.routing.tsp.env import TSP
from jumanji.viewer import MatplotlibViewer

from arlbench.core.environments.adapters.adapting import (
    AdaptedEnvironment,
    Interface,
    as_picture,
    check_at_least_one,
    check_name,
    check_settings,
    in_library,
    listing,
    new_figure,
    refusals,
    try_out,
    unusable,
    without_copies,
)
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.spec import EnvSpec
from arlbench.core.environments.vectorised import SingleStep
from arlbench.core.promotion import leniently

_TIME_LIMIT = "time_limit"

# More steps than any run can count in int32.
_NEVER = int(np.iinfo(np.int32).max)

# An entry of observations. The library's bounds exclude the last step, or are infinite.
_STEP_COUNT = "step_count"

# An entry of observations that may be lower than the library declares: -1 before the first city.
_LOWEST = {TSP: {"position": -1}}

_DOWNLOAD = "it downloads its levels when it is made"
_REWARDS = "each of its agents has its own reward"

_UNUSABLE = {
    "Connector-v3": _REWARDS,
    "LevelBasedForaging-v0": _REWARDS,
    "SearchAndRescue-v0": _REWARDS,
    "Sokoban-v0": _DOWNLOAD,
}

# In inches, each of which has 100 pixels; the library uses twice this size.
_PICTURE_SIZE = (5.0, 5.0)


class _Task(NamedTuple):
    """The library's part of an environment: objects without state.

    Attributes:
        env: The environment.
        untimed: The same with a time limit that is never reached; without a time limit, the
            environment itself.
        interface: What an agent must know about it.
    """

    env: Any
    untimed: Any
    interface: Interface


class JumanjiEnvironment(AdaptedEnvironment):
    """``n_envs`` copies of a jumanji environment, with named tuples of observations as dicts."""

    def __init__(self, spec: EnvSpec, task: _Task) -> None:
        super().__init__(spec, task.interface)
        self._env, self._untimed = task.env, task.untimed

    @in_library
    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        env_state, timestep = self._env.reset(rng)
        return env_state, _as_dict(timestep.observation)

    @in_library
    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        after, timestep = self._env.step(env_state, action)
        # The library reports most time limits as terminations. An episode has terminated if it also
        # ends without the limit. The compiler merges the two steps, which differ in one comparison.
        _, untimed = self._untimed.step(env_state, action)
        terminated = untimed.last() & (timestep.discount == 0.0)
        truncated = timestep.last() & ~terminated
        obs = _as_dict(timestep.observation)
        return SingleStep(after, obs, timestep.reward, terminated, truncated)

    @leniently
    def render_one(self, env_state: Any) -> np.ndarray:
        viewers = [x for x in vars(self._env).values() if isinstance(x, MatplotlibViewer)]
        if not viewers:
            return super().render_one(env_state)
        return _off_screen(viewers[0]).render(env_state)


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    Raises:
        UnknownEnvironmentError: If the environment does not exist, needs a download, or has
            several agents with their own rewards.
        ConfigurationError: If a setting is unknown or refused.
    """
    check_name(spec, _names())
    if spec.name in _UNUSABLE:
        raise unusable(spec.name, _UNUSABLE[spec.name])
    return JumanjiEnvironment(spec, _task(without_copies(spec)))


def list_environments() -> list[EnvListing]:
    """All environments of jumanji, with the reason if one cannot be used."""
    return [_describe(name) for name in _names()]


def _names() -> list[str]:
    return sorted(registration.registered_environments())


@functools.lru_cache(maxsize=256)
def _task(spec: EnvSpec) -> _Task:
    env = untimed = _make(spec.name)
    settings = _settings(env)
    check_settings(spec, settings)
    check_at_least_one(spec, *settings.keys() & {_TIME_LIMIT})
    with refusals(spec):
        if spec.env_kwargs:
            env = untimed = _make(spec.name, **spec.env_kwargs)
        if _TIME_LIMIT in settings:
            untimed = _make(spec.name, **{**spec.env_kwargs, _TIME_LIMIT: _NEVER})
        time_limit = int(env.time_limit) if _TIME_LIMIT in settings else None
        actions = _array_space(env.action_spec)
        interface = Interface(actions, _space(env, time_limit), time_limit)
        task = _Task(env, untimed, interface)
        if spec.env_kwargs:
            try_out(JumanjiEnvironment(spec, task))
    return task


def _make(name: str, **settings: Any) -> Any:
    return registration.make(name, **settings)


def _settings(env: Any) -> Mapping[str, Any]:
    """The constructor's arguments that can be written as JSON, with their defaults."""
    parameters = inspect.signature(type(env)).parameters
    return {
        key: parameter.default
        for key, parameter in parameters.items()
        if key == _TIME_LIMIT or isinstance(parameter.default, numbers.Number)
    }


def _describe(name: str) -> EnvListing:
    if name in _UNUSABLE:
        return EnvListing("jumanji", name, unusable=_UNUSABLE[name])
    spec = EnvSpec("jumanji", name)
    return listing(spec, _task(spec).interface)


def _as_dict(value: Any) -> Any:
    """The fields of named tuples as the entries of a dict."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: _as_dict(part) for key, part in value._asdict().items()}
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: _as_dict(getattr(value, field.name)) for field in fields}
    return value


def _space(env: Any, time_limit: int | None) -> spaces.Space:
    """The space of an environment's observations."""
    space = _space_of(env.observation_spec)
    if isinstance(space, spaces.Dict):
        if _STEP_COUNT in space.spaces and time_limit is not None:
            space[_STEP_COUNT] = spaces.Box(0, time_limit, (), np.int32)
        for key, lowest in _LOWEST.get(type(env), {}).items():
            space[key] = spaces.Discrete(int(space[key].n) - lowest, start=lowest)  # type: ignore[attr-defined]
    return space


def _space_of(spec: specs.Spec) -> spaces.Space:
    """The gymnasium space of what ``spec`` describes."""
    if isinstance(spec, specs.Array):
        return _array_space(spec)
    parts = {
        key: _space_of(part) for key, part in vars(spec).items() if isinstance(part, specs.Spec)
    }
    # Dict sorts the keys of any dict except an ordered one.
    return spaces.Dict(collections.OrderedDict(parts))


def _array_space(spec: specs.Array) -> spaces.Space:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "b":
        return spaces.MultiBinary(spec.shape)
    if not isinstance(spec, specs.BoundedArray):
        return _unbounded(spec.shape, dtype)
    low, high = (np.broadcast_to(x, spec.shape) for x in (spec.minimum, spec.maximum))
    if not np.issubdtype(dtype, np.integer):
        return spaces.Box(low, high, spec.shape, dtype.type)
    if spec.shape == ():
        return spaces.Discrete(int(high - low) + 1, start=int(low))
    return spaces.MultiDiscrete(high - low + 1, dtype.type, start=low)


def _unbounded(shape: tuple[int, ...], dtype: np.dtype) -> spaces.Box:
    if np.issubdtype(dtype, np.integer):
        return spaces.Box(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype.type)
    return spaces.Box(-np.inf, np.inf, shape, dtype.type)


def _off_screen(viewer: Any) -> Any:
    """The viewer, drawing on new figures without windows."""
    viewer._get_fig_ax = lambda *_, **__: new_figure(*_PICTURE_SIZE, layout="constrained")
    viewer._display = as_picture
    return viewer
