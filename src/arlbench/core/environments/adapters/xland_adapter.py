"""Environments of the XLand-MiniGrid library (https://github.com/dunnolab/xland-minigrid)."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import chex
import jax
import numpy as np
from gymnasium import spaces
from xminigrid import registration
from xminigrid.core.constants import NUM_COLORS, NUM_TILES

from arlbench.core.environments.adapters.adapting import (
    AdaptedEnvironment,
    Interface,
    check_at_least_one,
    check_name,
    check_settings,
    in_library,
    listing,
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
from arlbench.errors import ConfigurationError

# A field whose values cannot be JSON.
_RULES = "ruleset"

# This setting only changes the kind of picture.
_PICTURE = "render_mode"

# The library needs an odd number of at least this, but does not check it.
_SMALLEST_VIEW = 3

_NEEDS_RULES = "its goal is set by a ruleset, and none is set by default"


class _Task(NamedTuple):
    """The library's part of an environment: an object without state, and its settings."""

    env: Any
    params: Any
    interface: Interface


class XLandEnvironment(AdaptedEnvironment):
    """``n_envs`` copies of an XLand-MiniGrid environment."""

    def __init__(self, spec: EnvSpec, task: _Task) -> None:
        super().__init__(spec, task.interface)
        self._env, self._params = task.env, task.params

    @in_library
    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        timestep = self._env.reset(self._params, rng)
        return timestep, timestep.observation

    @in_library
    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        timestep = self._env.step(self._params, env_state, action)
        terminated = timestep.last() & (timestep.discount == 0.0)
        truncated = timestep.last() & ~terminated
        return SingleStep(timestep, timestep.observation, timestep.reward, terminated, truncated)

    @leniently
    def render_one(self, env_state: Any) -> np.ndarray:
        return self._env.render(self._params, jax.device_get(env_state))


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    Raises:
        UnknownEnvironmentError: If the environment does not exist or does not have a goal.
        ConfigurationError: If a setting is unknown or refused.
    """
    check_name(spec, registration.registered_environments())
    task = _task(without_copies(spec))
    if _needs_rules(task.params):
        raise unusable(spec.name, _NEEDS_RULES)
    return XLandEnvironment(spec, task)


def list_environments() -> list[EnvListing]:
    """All environments of XLand-MiniGrid, with the reason if one cannot be used."""
    return [_describe(name) for name in registration.registered_environments()]


@functools.lru_cache(maxsize=256)
def _task(spec: EnvSpec) -> _Task:
    _, defaults = _make(spec.name)
    names = {field.name for field in dataclasses.fields(defaults)} - {_RULES, _PICTURE}
    check_settings(spec, {name: getattr(defaults, name) for name in names})
    check_at_least_one(spec, "max_steps")
    _check_view(spec)
    with refusals(spec):
        env, params = _make(spec.name, **spec.env_kwargs)
        shape = env.observation_shape(params)
        actions: spaces.Space = spaces.Discrete(int(env.num_actions(params)))
        interface = Interface(actions, _cells(shape), params.max_steps)
        task = _Task(env, params, interface)
        if spec.env_kwargs:
            try_out(XLandEnvironment(spec, task))
    return task


def _check_view(spec: EnvSpec) -> None:
    size = spec.env_kwargs.get("view_size", _SMALLEST_VIEW)
    if size < _SMALLEST_VIEW or size % 2 == 0:
        raise ConfigurationError(
            f"view_size of {spec.name} must be an odd number of at least {_SMALLEST_VIEW}, "
            f"so that the agent is in the middle, not {size}."
        )


def _make(name: str, **settings: Any) -> tuple[Any, Any]:
    return registration.make(name, **settings)


def _cells(shape: tuple[int, int, int]) -> spaces.MultiDiscrete:
    """The space of cells, each a kind of tile and a colour."""
    return spaces.MultiDiscrete(np.broadcast_to([NUM_TILES, NUM_COLORS], shape), dtype=np.uint8)


def _describe(name: str) -> EnvListing:
    spec = EnvSpec("xland", name)
    task = _task(spec)
    if _needs_rules(task.params):
        return EnvListing("xland", name, unusable=_NEEDS_RULES)
    return listing(spec, task.interface)


def _needs_rules(params: Any) -> bool:
    return hasattr(params, _RULES)
