"""The base classes of wrappers."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import chex
import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.environment import Environment, Timestep
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import ConfigurationError

# Environments derive keys from a step's key with numbers that count up from 0; wrappers count
# down from this number.
_LAST_NUMBER = 2**32 - 1


class Wrapper(Environment):
    """Passes everything through; subclasses override what they change.

    Two wrappers are equal if they have the same class, wrap equal environments and have equal
    ``settings``. When a copy ends its episode, the wrapped environment resets it. A wrapper with
    its own state has to reset this state for the copies that are ``done``.

    Attributes:
        spec_name: The name of this class in an ``EnvSpec``, which subclasses do not inherit.
            Environments of a class without a name do not have a spec.
        training_only: Whether the wrapper is meant for training only and is not a part of the
            task; ``evaluation_spec`` leaves it out.
        keeps_observations: Whether observations are exactly those of the wrapped environment, so
            that they consist of the same frames; see ``Environment.stacked_frames``.
        env: The wrapped environment.
        settings: Names and values, sorted by name.
    """

    spec_name: ClassVar[str | None] = None
    training_only: ClassVar[bool] = False
    keeps_observations: ClassVar[bool] = False

    def __init__(self, env: Environment, **settings: Any) -> None:
        """Wraps ``env``; ``settings`` are hashable values that distinguish this wrapper."""
        if not isinstance(env, Environment):
            raise ConfigurationError(
                f"{type(self).__name__} wraps an Environment, such as make_env returns, not a "
                f"{type(env).__name__}."
            )
        spec = _spec_of(type(self), env, settings)
        super().__init__(env.env_name, env.n_envs, spec, env.max_episode_steps)
        self.env = env
        self.settings = tuple(sorted(settings.items()))
        self._n_inside: int = env._n_inside + 1 if isinstance(env, Wrapper) else 0

    @property
    def kind(self) -> Any:  # type: ignore[override]
        return self.env.kind

    @property
    def evaluated_in_place(self) -> bool:  # type: ignore[override]
        return self.env.evaluated_in_place

    @property
    def stacked_frames(self) -> int | None:  # type: ignore[override]
        return self.env.stacked_frames if self.keeps_observations else None

    @property
    def frame_axis(self) -> int:  # type: ignore[override]
        return self.env.frame_axis

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return self.env.reset(rng)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        return self.env.step(env_state, action, rng)

    def inner_state(self, env_state: Any) -> Any:
        """The state of the wrapped environment; wrappers with their own state override this."""
        return env_state

    def is_present(self, env_state: Any) -> bool:
        return self.env.is_present(self.inner_state(env_state))

    def release(self, env_state: Any) -> None:
        self.env.release(self.inner_state(env_state))

    def render(self, env_state: Any) -> np.ndarray:
        return self.env.render(self.inner_state(env_state))

    @property
    def action_space(self) -> spaces.Space:
        return self.env.action_space

    @property
    def observation_space(self) -> spaces.Space:
        return self.env.observation_space

    def identity(self) -> Any:
        return (self.env, self.settings)

    def own_key(self, rng: chex.PRNGKey) -> chex.PRNGKey:
        """A key unlike those that the other wrappers and the environment derive from ``rng``.

        The wrapped environment gets ``rng`` itself, so it has the same random numbers as without
        the wrapper.
        """
        return jax.random.fold_in(rng, np.uint32(_LAST_NUMBER - self._n_inside))


class ObservationWrapper(Wrapper):
    """Replaces each observation by a function of it."""

    def __init__(self, env: Environment, space: spaces.Space, **settings: Any) -> None:
        """Wraps ``env``; the new observations are in ``space``."""
        super().__init__(env, **settings)
        self._observation_space = space

    @abc.abstractmethod
    def change(self, obs: Any) -> Any:
        """The new observations for given ones, leaves ``[n_envs, ...]``."""

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        env_state, obs = self.env.reset(rng)
        return env_state, self.change(obs)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        env_state, (obs, reward, done, info) = self.env.step(env_state, action, rng)
        final = self.change(info["final_observation"])
        return env_state, (self.change(obs), reward, done, {**info, "final_observation": final})

    @property
    def observation_space(self) -> spaces.Space:
        return self._observation_space


def _spec_of(cls: type[Wrapper], env: Environment, settings: Mapping[str, Any]) -> EnvSpec | None:
    # A subclass behaves differently, so it does not inherit the name.
    name = vars(cls).get("spec_name")
    return None if name is None or env.spec is None else env.spec.wrapped(name, settings)
