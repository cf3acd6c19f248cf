"""Environments of the Craftax library (https://github.com/MichaelTMatthews/Craftax)."""

from __future__ import annotations

import contextlib
import functools
import importlib
import numbers
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import chex
import jax
import numpy as np
from craftax.craftax_env import make_craftax_env_from_name
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
    without_copies,
)
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.spec import EnvSpec
from arlbench.core.environments.vectorised import SingleStep
from arlbench.core.promotion import leniently
from arlbench.errors import ConfigurationError

# Pixels for each block in pictures, which is the original size of the library's textures.
_BLOCK_SIZE = 16

_TIME_LIMIT = "max_timesteps"
_MAP_SIZE = "map_size"

# The noise that shapes the landscape has a resolution of a sixteenth of the map.
_SMALLEST_MAP = 16


class _Variant(NamedTuple):
    """Facts about an environment that the library does not declare.

    Attributes:
        renderer: The module that draws it.
        highest: The highest value of an observation.
    """

    renderer: str
    highest: float


_CLASSIC = "craftax.craftax_classic.renderer"
_FULL = "craftax.craftax.renderer"

_VARIANTS = {
    "Craftax-Classic-Symbolic-v1": _Variant(_CLASSIC, 1.0),
    "Craftax-Classic-Pixels-v1": _Variant(_CLASSIC, 1.0),
    # The library declares 1, but players become stronger: an enchantment is 2, mana up to 2.1.
    "Craftax-Symbolic-v1": _Variant(_FULL, np.inf),
    "Craftax-Pixels-v1": _Variant(_FULL, 1.0),
}


class _Task(NamedTuple):
    """The library's part of an environment: an object without state, and its settings."""

    env: Any
    params: Any
    interface: Interface


class CraftaxEnvironment(AdaptedEnvironment):
    """``n_envs`` copies of a Craftax environment."""

    def __init__(self, spec: EnvSpec, task: _Task) -> None:
        super().__init__(spec, task.interface)
        self._env, self._params = task.env, task.params

    @in_library
    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        obs, env_state = self._env.reset_env(rng, self._params)
        return env_state, obs

    @in_library
    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        obs, after, reward, done, _ = self._env.step_env(rng, env_state, action, self._params)
        # The library ends an episode at death, victory or the time limit. With the time set to 0,
        # it cannot be the limit.
        terminated = self._env.is_terminal(after.replace(timestep=0), self._params)
        return SingleStep(after, obs, reward, terminated, done & ~terminated)

    @leniently
    def render_one(self, env_state: Any) -> np.ndarray:
        picture = _draw(_VARIANTS[self.env_name].renderer)(env_state)
        return enlarged(np.clip(np.asarray(picture), 0, 255).astype(np.uint8), 2)


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    Raises:
        UnknownEnvironmentError: If the environment does not exist.
        ConfigurationError: If a setting is unknown or refused.
    """
    check_name(spec, _VARIANTS)
    return CraftaxEnvironment(spec, _task(without_copies(spec)))


def list_environments() -> list[EnvListing]:
    """All environments of Craftax."""
    specs = [EnvSpec("craftax", name) for name in _VARIANTS]
    return [listing(spec, _task(spec).interface) for spec in specs]


@functools.lru_cache(maxsize=256)
def _task(spec: EnvSpec) -> _Task:
    variant = _VARIANTS[spec.name]
    with _textures_as_needed(variant.renderer):
        env = make_craftax_env_from_name(spec.name, auto_reset=False)
        params, sizes = _numbers(env.default_params), _numbers(env.default_static_params())
        check_settings(spec, {**params, **sizes, _MAP_SIZE: None})
        check_at_least_one(spec, _TIME_LIMIT)
        settings = {**spec.env_kwargs, **_map_size(spec)}
        with refusals(spec):
            changed = {key: value for key, value in settings.items() if key not in params}
            if changed:
                env = type(env)(env.default_static_params().replace(**changed))
            changed = {key: value for key, value in settings.items() if key in params}
            task = _with_interface(env, env.default_params.replace(**changed), variant)
            if spec.env_kwargs:
                try_out(CraftaxEnvironment(spec, task))
    return task


def _with_interface(env: Any, params: Any, variant: _Variant) -> _Task:
    shape = env.observation_space(params).shape
    space = spaces.Box(0.0, variant.highest, shape, np.float32)
    actions: spaces.Space = spaces.Discrete(int(env.num_actions))
    return _Task(env, params, Interface(actions, space, int(params.max_timesteps)))


def _numbers(settings: Any) -> dict[str, Any]:
    """The settings that are single numbers, with their values."""
    return {key: x for key, x in vars(settings).items() if isinstance(x, numbers.Number)}


def _map_size(spec: EnvSpec) -> dict[str, tuple[int, int]]:
    """Height and width of the map, if they are set."""
    if _MAP_SIZE not in spec.env_kwargs:
        return {}
    size = spec.env_kwargs[_MAP_SIZE]
    if (
        not isinstance(size, list | tuple)
        or [type(side) for side in size] != [int, int]
        or any(side < _SMALLEST_MAP or side % _SMALLEST_MAP for side in size)
    ):
        raise ConfigurationError(
            f"{_MAP_SIZE} of {spec.name} must be a height and a width, both multiples of "
            f"{_SMALLEST_MAP}, not {size!r}."
        )
    return {_MAP_SIZE: (size[0], size[1])}


@functools.lru_cache(maxsize=2)
def _draw(renderer: str) -> Callable[[Any], jax.Array]:
    """A compiled function that draws a state, as floats ``[height, width, 3]`` up to 255."""
    with _textures_as_needed(renderer):
        module: Any = importlib.import_module(renderer)
        return jax.jit(module.make_craftax_pixel_renderer(_BLOCK_SIZE))


class _Textures:
    """Textures of one size by name, made when the first one is used."""

    def __init__(self, renderer: str, size: int) -> None:
        self._renderer, self._size = renderer, size

    def __getitem__(self, name: str) -> jax.Array:
        return self._all[name]

    @functools.cached_property
    def _all(self) -> dict[str, jax.Array]:
        module: Any = importlib.import_module(self._renderer)
        # They are requested while a program is traced, but must be concrete values.
        with jax.ensure_compile_time_eval():
            return module.load_all_textures_given_size(self._size)


class _Sizes:
    """Textures by size in pixels."""

    def __init__(self, renderer: str) -> None:
        self._renderer = renderer

    def __getitem__(self, size: int) -> _Textures:
        return _Textures(self._renderer, size)


@contextlib.contextmanager
def _textures_as_needed(renderer: str) -> Iterator[None]:
    """Objects that are made within the context create their textures only when they draw.

    Otherwise the library spends a minute making textures of three sizes, hundreds of megabytes,
    stores them in a file next to its code, and prints messages.
    """
    module: Any = importlib.import_module(renderer)
    original = module.load_all_textures
    module.load_all_textures = lambda: _Sizes(renderer)
    try:
        yield
    finally:
        module.load_all_textures = original
