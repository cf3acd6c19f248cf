"""Environments of the Navix library (https://github.com/epignatelli/navix)."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.adapters.adapting import (
    AdaptedEnvironment,
    Interface,
    check_at_least_one,
    check_name,
    check_settings,
    enlarged,
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
from arlbench.errors import ConfigurationError, did_you_mean

with warnings.catch_warnings():
    # navix imports agents, and they a library that asks JAX for names it is about to drop.
    warnings.simplefilter("ignore", DeprecationWarning)
    import navix
from navix import observations
from navix.entities import EntityIds
from navix.rendering.cache import RenderingCache
from navix.rendering.registry import PALETTE

# The library draws 8 pixels a cell.
_ENLARGEMENT = 4

_N_TAGS = int(EntityIds.PLAYER) + 1
_N_COLOURS = len(PALETTE.as_string())
_N_DIRECTIONS = 4
_N_DOOR_STATES = 3  # open, closed, locked

# What the first person sees beyond the edge of the grid.
_OUTSIDE = 100


def _symbols(shape: tuple[int, ...]) -> spaces.MultiDiscrete:
    # The last is the direction of the player, or the state of a door.
    return spaces.MultiDiscrete(
        np.broadcast_to([_N_TAGS, _N_COLOURS, _N_DIRECTIONS], shape), dtype=np.uint8
    )


def _symbols_around(shape: tuple[int, ...]) -> spaces.MultiDiscrete:
    # The player is not drawn, and its number is the highest.
    return spaces.MultiDiscrete(
        np.broadcast_to([_N_TAGS - 1, _N_COLOURS, _N_DOOR_STATES], shape), dtype=np.uint8
    )


def _tags(shape: tuple[int, ...]) -> spaces.MultiDiscrete:
    return _from_minus_one(shape, _N_TAGS - 1)


def _tags_around(shape: tuple[int, ...]) -> spaces.MultiDiscrete:
    return _from_minus_one(shape, _OUTSIDE)


def _from_minus_one(shape: tuple[int, ...], highest: int) -> spaces.MultiDiscrete:
    """Categories of which -1 is a wall."""
    start = np.full(shape, -1, np.int32)
    return spaces.MultiDiscrete(np.full(shape, highest + 2, np.int32), np.int32, start=start)


def _picture(shape: tuple[int, ...]) -> spaces.Box:
    return spaces.Box(0, 255, shape, np.uint8)


class _View(NamedTuple):
    """A function of the state that gives the observation, and the space of its values."""

    function: Callable[[Any], jax.Array]
    space: Callable[[tuple[int, ...]], spaces.Space]


# The spaces that navix itself declares have the shapes, but not the values.
_VIEWS = {
    "symbolic": _View(observations.symbolic, _symbols),
    "symbolic_first_person": _View(observations.symbolic_first_person, _symbols_around),
    "categorical": _View(observations.categorical, _tags),
    "categorical_first_person": _View(observations.categorical_first_person, _tags_around),
    "rgb": _View(observations.rgb, _picture),
    "rgb_first_person": _View(observations.rgb_first_person, _picture),
}

# Settings by name, each with a value of its kind. Time limits are the library's, if none is given.
_SETTINGS = {"max_steps": 100, "observation_fn": "symbolic", "penalty_coeff": 0.0}

# How navix spelled it before version 4, and what it is called in the version that is installed.
_MISSPELLED = "penality_coeff"
_HAS_BOTH_SPELLINGS = "penalty_coeff" in getattr(navix.Environment, "__dataclass_fields__", {})
_PENALTY = "penalty_coeff" if _HAS_BOTH_SPELLINGS else _MISSPELLED

# Classes of environments that cannot be used, by name.
_UNUSABLE = {"Playground": "nothing that happens in it is ever rewarded"}
if not _HAS_BOTH_SPELLINGS:
    _UNUSABLE["KeyCorridor"] = (
        "its goal is a ball, which in this version of navix can be neither reached nor picked up, "
        "so there is never a reward"
    )


class _Task(NamedTuple):
    """The library's part of an environment, an object without state."""

    env: Any
    interface: Interface


class NavixEnvironment(AdaptedEnvironment):
    """``n_envs`` copies of a navix environment; a state is its timestep without pictures."""

    def __init__(self, spec: EnvSpec, task: _Task) -> None:
        super().__init__(spec, task.interface)
        self._env = task.env

    @in_library
    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        timestep = self._env.reset(rng)
        return _without_pictures(timestep), timestep.observation

    @in_library
    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        # A step after the end of an episode would only reset it. The base class has done that,
        # and a constant lets the compiler drop the reset, which batching would always run.
        under_way = env_state.replace(step_type=navix.StepType.TRANSITION)
        timestep = self._env.step(_with_pictures(under_way), action)
        return SingleStep(
            _without_pictures(timestep),
            timestep.observation,
            timestep.reward,
            timestep.is_termination(),
            timestep.is_truncation(),
        )

    @leniently
    def render_one(self, env_state: Any) -> np.ndarray:
        picture = observations.rgb(_with_pictures(env_state).state)
        return enlarged(np.asarray(picture), _ENLARGEMENT)


def _without_pictures(timestep: Any) -> Any:
    """Without the picture of the empty grid, which is most of a state, and the last view."""
    return timestep.replace(state=timestep.state.replace(cache=None), observation=None)


def _with_pictures(timestep: Any) -> Any:
    cache = RenderingCache.init(timestep.state.grid)
    return timestep.replace(state=timestep.state.replace(cache=cache))


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    Raises:
        UnknownEnvironmentError: If there is no such environment, or it has no reward.
        ConfigurationError: If a setting is unknown or refused.
    """
    check_name(spec, navix.registry())
    task = _task(without_copies(spec))
    if (reason := _why_unusable(task)) is not None:
        raise unusable(spec.name, reason)
    return NavixEnvironment(spec, task)


def list_environments() -> list[EnvListing]:
    """Every environment of navix, with the reason where it cannot be used."""
    return [_describe(name) for name in navix.registry()]


@functools.lru_cache(maxsize=256)
def _task(spec: EnvSpec) -> _Task:
    spec = _spelled(spec)
    check_settings(spec, _SETTINGS)
    check_at_least_one(spec, "max_steps")
    settings = dict(spec.env_kwargs)
    view = _view(spec, settings.pop("observation_fn", _SETTINGS["observation_fn"]))
    if "penalty_coeff" in settings:
        settings[_PENALTY] = settings.pop("penalty_coeff")
    with refusals(spec):
        env = navix.make(spec.name, observation_fn=view.function, **settings)
        actions: spaces.Space = spaces.Discrete(len(env.action_set))
        space = view.space(env.observation_space.shape)
        task = _Task(env, Interface(actions, space, env.max_steps))
        if spec.env_kwargs:
            try_out(NavixEnvironment(spec, task))
    return task


def _spelled(spec: EnvSpec) -> EnvSpec:
    """The spec with the name of every setting as navix has spelled it since version 4."""
    settings = dict(spec.env_kwargs)
    if _MISSPELLED not in settings:
        return spec
    penalty = settings.pop(_MISSPELLED)
    if "penalty_coeff" in settings:
        raise ConfigurationError(
            f"{spec.name} has one setting for penalty_coeff and {_MISSPELLED}; give the first."
        )
    return dataclasses.replace(spec, env_kwargs={**settings, "penalty_coeff": penalty})


def _view(spec: EnvSpec, name: Any) -> _View:
    if not isinstance(name, str) or name not in _VIEWS:
        raise ConfigurationError(
            f"{spec.name} has no observation_fn {name!r}.{did_you_mean(name, _VIEWS)} "
            f"It has: {', '.join(_VIEWS)}."
        )
    return _VIEWS[name]


def _why_unusable(task: _Task) -> str | None:
    return _UNUSABLE.get(type(task.env).__name__)


def _describe(name: str) -> EnvListing:
    spec = EnvSpec("navix", name)
    task = _task(spec)
    if (reason := _why_unusable(task)) is not None:
        return EnvListing("navix", name, unusable=reason)
    return listing(spec, task.interface)
