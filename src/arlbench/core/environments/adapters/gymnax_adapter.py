"""Environments of the gymnax library (https://github.com/RobertTLange/gymnax)."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import Any, NamedTuple

import chex
import jax
import numpy as np
from gymnasium import spaces

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
    unusable,
    without_copies,
)
from arlbench.core.environments.adapters.pygame_drawing import drawn_by_pygame
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.spec import EnvSpec
from arlbench.core.environments.vectorised import SingleStep
from arlbench.core.lazy_imports import deferred
from arlbench.core.promotion import leniently

# gymnax imports plotting libraries for its visualisers, which take longer than importing JAX.
with deferred("seaborn", "matplotlib.pyplot", "matplotlib.animation", "scipy.stats"):
    import gymnax
    from gymnax.environments.spaces import gymnax_space_to_gym_space

_TIME_LIMIT = "max_steps_in_episode"

_NEEDS_DOWNLOAD = {
    "MNISTBandit-bsuite": "it downloads the MNIST images when it is made",
}


class _Task(NamedTuple):
    """The gymnax part of an environment: an object without state, and its settings."""

    env: Any
    params: Any
    action_space: spaces.Space
    observation_space: spaces.Space

    @property
    def interface(self) -> Interface:
        return Interface(self.action_space, self.observation_space, _time_limit(self.params))


class GymnaxEnvironment(AdaptedEnvironment):
    """``n_envs`` copies of a gymnax environment."""

    def __init__(self, spec: EnvSpec, task: _Task) -> None:
        super().__init__(spec, task.interface)
        self._env, self._params = task.env, task.params

    @in_library
    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        obs, env_state = self._env.reset_env(rng, self._params)
        return env_state, obs

    @in_library
    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        obs, env_state, reward, terminated, _ = self._env.step_env(
            rng, env_state, action, self._params
        )
        truncated = self._env.is_truncated(env_state, self._params)
        return SingleStep(env_state, obs, reward, terminated, truncated)

    def render_one(self, env_state: Any) -> np.ndarray:
        # Importing either of these takes seconds.
        from gymnax.visualize import vis_gym  # noqa: PLC0415
        from gymnax.visualize.visualizer import Visualizer  # noqa: PLC0415

        if self.env_name in vis_gym.SUPPORTED_GYM_ENVS:
            return drawn_by_pygame(
                self.env_name,
                "classic-control",
                lambda: vis_gym.render_gym_frame(self.env_name, env_state, self._params),
            )
        # Made without its constructor, which would open a window.
        visualizer = Visualizer.__new__(Visualizer)
        visualizer.env, visualizer.env_params = self._env, self._params
        visualizer.state_seq = [env_state]
        visualizer.fig, visualizer.ax = new_figure(6.0, 5.0)
        visualizer.init()
        return as_picture(visualizer.fig) if hasattr(visualizer, "im") else super().render_one(None)


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    Raises:
        UnknownEnvironmentError: If the environment does not exist in gymnax, or needs a download.
        ConfigurationError: If a setting is unknown or refused.
    """
    check_name(spec, gymnax.registered_envs)
    if spec.name in _NEEDS_DOWNLOAD:
        raise unusable(spec.name, _NEEDS_DOWNLOAD[spec.name])
    return GymnaxEnvironment(spec, _task(without_copies(spec)))


# gymnax compiles methods for each object that it makes, and JAX keeps all of them.
@functools.lru_cache(maxsize=256)
@leniently
def _task(spec: EnvSpec) -> _Task:
    env, params = _make_with_settings(spec)
    return _Task(
        env,
        params,
        gymnax_space_to_gym_space(env.action_space(params)),
        _as_returned(gymnax_space_to_gym_space(env.observation_space(params)), env, params),
    )


def list_environments() -> list[EnvListing]:
    """All gymnax environments, with the reason if one cannot be used."""
    return [_describe(name) for name in gymnax.registered_envs]


def _describe(name: str) -> EnvListing:
    if name in _NEEDS_DOWNLOAD:
        return EnvListing("gymnax", name, unusable=_NEEDS_DOWNLOAD[name])
    env, params = gymnax.make(name)
    interface = Interface(
        gymnax_space_to_gym_space(env.action_space(params)),
        gymnax_space_to_gym_space(env.observation_space(params)),
        _time_limit(params),
    )
    return listing(EnvSpec("gymnax", name), interface)


def _time_limit(params: Any) -> int | None:
    return int(getattr(params, _TIME_LIMIT, 0)) or None


def _make_with_settings(spec: EnvSpec) -> tuple[Any, Any]:
    """Splits the settings between the constructor and the environment's parameters."""
    env, params = gymnax.make(spec.name)
    constructor = {
        name
        for name, parameter in inspect.signature(type(env).__init__).parameters.items()
        if name != "self" and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
    fields = {field.name for field in dataclasses.fields(params)}
    check_settings(spec, dict.fromkeys(constructor | fields))
    check_at_least_one(spec, _TIME_LIMIT)
    for_constructor = {k: v for k, v in spec.env_kwargs.items() if k in constructor}
    with refusals(spec):
        if for_constructor:
            env, params = gymnax.make(spec.name, **for_constructor)
        params = params.replace(**{k: v for k, v in spec.env_kwargs.items() if k in fields})
        jax.eval_shape(lambda key: _try_out(env, params, key), jax.random.key(0))
    return env, params


def _try_out(env: Any, params: Any, rng: chex.PRNGKey) -> Any:
    """Traces a reset and a step, which fails if a setting makes no sense."""
    _, env_state = env.reset(rng, params)
    return env.step(rng, env_state, env.action_space(params).sample(rng), params)


def _as_returned(space: spaces.Space, env: Any, params: Any) -> spaces.Space:
    """The space with the actual shape and dtype of observations."""
    obs, _ = jax.eval_shape(lambda key: env.reset(key, params), jax.random.key(0))
    if isinstance(space, spaces.Box) and (space.dtype != obs.dtype or space.shape != obs.shape):
        low, high = float(space.low.min()), float(space.high.max())
        return spaces.Box(low, high, obs.shape, obs.dtype.type)
    return space
