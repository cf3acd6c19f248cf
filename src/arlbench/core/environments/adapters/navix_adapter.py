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
    # navix imports agents, which import a library that uses deprecated names of JAX.
    warnings.simplefilter("ignore", DeprecationWarning)
    import navix
from navix import observations
from navix.entities import EntityIds
from navix.rendering.cache import RenderingCache
from navix.rendering.registry import PALETTE

# The library draws 8 pixels for each cell.
_ENLARGEMENT = 4

_N_TAGS = int(EntityIds.PLAYER) + 1
_N_COLOURS = len(PALETTE.as_string())
_N_DIRECTIONS = 4
_N_DOOR_STATES = 3  # open, closed, locked

# The symbol in the first-person view for cells outside the grid.
_OUTSIDE = 100


def _symbols(shape: tuple[int, ...]) -> spaces.MultiDiscrete:
    # The last is the direction of the player, or the state of a door.
    return spaces.MultiDiscrete(
        np.broadcast_to([_N_TAGS, _N_COLOURS, _N_DIRECTIONS], shape), dtype=np.uint8
    )


def _symbols_around(shape: tuple[int, ...]) -> spaces.MultiDiscrete:
    # The player is not drawn, and it has the highest number.
    return spaces.MultiDiscrete(
        np.broadcast_to([_N_TAGS - 1, _N_COLOURS, _N_DOOR_STATES], shape), dtype=np.uint8
    )


def _tags(shape: tuple[int, ...]) -> spaces.MultiDiscrete:
    return _from_minus_one(shape, _N_TAGS - 1)


def _tags_around(shape: tuple[int, ...]) -> spaces.MultiDiscrete:
    return _from_minus_one(shape, _OUTSIDE)


def _from_minus_one(shape: tuple[int, ...], highest: int) -> spaces.MultiDiscrete:
    """Categories that start at -1, which is a wall."""
    start = np.full(shape, -1, np.int32)
    return spaces.MultiDiscrete(np.full(shape, highest + 2, np.int32), np.int32, start=start)


def _picture(shape: tuple[int, ...]) -> spaces.Box:
    return spaces.Box(0, 255, shape, np.uint8)


class _View(NamedTuple):
    """A function that computes the observation of a state, and the space of its values."""

    function: Callable[[Any], jax.Array]
    space: Callable[[tuple[int, ...]], spaces.Space]


# The spaces that navix itself declares have the right shapes, but not the right values.
_VIEWS = {
    "symbolic": _View(observations.symbolic, _symbols),
    "symbolic_first_person": _View(observations.symbolic_first_person, _symbols_around),
    "categorical": _View(observations.categorical, _tags),
    "categorical_first_person": _View(observations.categorical_first_person, _tags_around),
    "rgb": _View(observations.rgb, _picture),
    "rgb_first_person": _View(observations.rgb_first_person, _picture),
}

# Settings by name, each with a value of its type. Without max_steps, the library's limit holds.
_SETTINGS = {"max_steps": 100, "observation_fn": "symbolic", "penalty_coeff": 0.0}

# The spelling in navix before version 4, and the name in the installed version.
_MISSPELLED = "penality_coeff"
_HAS_BOTH_SPELLINGS = "penalty_coeff" in getattr(navix.Environment, "__dataclass_fields__", {})
_PENALTY = "penalty_coeff" if _HAS_BOTH_SPELLINGS else _MISSPELLED

# Classes of environments that cannot be used, by name.
_UNUSABLE = {"Playground": "it never gives a reward"}
if not _HAS_BOTH_SPELLINGS:
    _UNUSABLE["KeyCorridor"] = (
        "its goal is a ball, which cannot be reached or picked up in this version of navix, so it "
        "never gives a reward"
    )


class _Task(NamedTuple):
    """The library's part of an environment, an object without state."""

    env: Any
    interface: Interface


class NavixEnvironment(AdaptedEnvironment):
    """``n_envs`` copies of a navix environment; a state is a navix timestep without pictures."""

    def __init__(self, spec: EnvSpec, task: _Task) -> None:
        super().__init__(spec, task.interface)
        self._env = task.env

    @in_library
    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        timestep = self._env.reset(rng)
        return _without_pictures(timestep), timestep.observation

    @in_library
    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        # In navix, a step after the end of an episode only resets it. The base class has already
        # done that. This constant lets the compiler drop navix's reset, which batching would always
        # run.
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
    """The timestep without the picture of the empty grid, most of its size, and the last view."""
    return timestep.replace(state=timestep.state.replace(cache=None), observation=None)


def _with_pictures(timestep: Any) -> Any:
    cache = RenderingCache.init(timestep.state.grid)
    return timestep.replace(state=timestep.state.replace(cache=cache))


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    Raises:
        UnknownEnvironmentError: If the environment does not exist, or never gives a reward.
        ConfigurationError: If a setting is unknown or refused.
    """
    check_name(spec, navix.registry())
    task = _task(without_copies(spec))
    if (reason := _why_unusable(task)) is not None:
        raise unusable(spec.name, reason)
    return NavixEnvironment(spec, task)


def list_environments() -> list[EnvListing]:
    """All environments of navix, with the reason if one cannot be used."""
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
    """The spec with all settings spelled as in navix since version 4."""
    settings = dict(spec.env_kwargs)
    if _MISSPELLED not in settings:
        return spec
    penalty = settings.pop(_MISSPELLED)
    if "penalty_coeff" in settings:
        raise ConfigurationError(
            f"penalty_coeff and {_MISSPELLED} are one setting of {spec.name}; give only the first."
        )
    return dataclasses.replace(spec, env_kwargs={**settings, "penalty_coeff": penalty})


def _view(spec: EnvSpec, name: Any) -> _View:
    if not isinstance(name, str) or name not in _VIEWS:
        raise ConfigurationError(
            f"{spec.name} has no observation_fn {name!r}.{did_you_mean(name, _VIEWS)} "
            f"Known: {', '.join(_VIEWS)}."
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
