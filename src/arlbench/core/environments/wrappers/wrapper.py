"""The bases of everything that changes an environment from outside."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import chex
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.environment import Environment, Timestep
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import ConfigurationError

# Environments make keys of a step's key by counting up from 0, wrappers by counting down from
# here.
_LAST_NUMBER = 2**32 - 1


class Wrapper(Environment):
    """Passes everything through; subclasses override what they change.

    Two wrappers are equal when they are of one class, wrap equal environments and were
    given equal ``settings``. A copy that ends its episode is reset by what is wrapped: a
    wrapper with a state of its own has to begin that anew where ``done``.

    Attributes:
        spec_name: What an ``EnvSpec`` calls this very class; the environments of a class
            without a name of its own have no spec.
        training_only: Whether this helps learning and is no part of the task;
            ``evaluation_spec`` leaves it out.
        env: What is wrapped.
        settings: Names and values, in the order of the names.
    """

    spec_name: ClassVar[str | None] = None
    training_only: ClassVar[bool] = False

    def __init__(self, env: Environment, **settings: Any) -> None:
        """Wraps ``env``; ``settings`` are hashable values that set this wrapper apart."""
        if not isinstance(env, Environment):
            raise ConfigurationError(
                f"{type(self).__name__} wraps an Environment, as make_env returns, not a "
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

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return self.env.reset(rng)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        return self.env.step(env_state, action, rng)

    def inner_state(self, env_state: Any) -> Any:
        """The state of what is wrapped; other than ``env_state`` where a wrapper has its own."""
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
        """A key apart from all that what is wrapped, or another wrapper, makes of ``rng``.

        What is wrapped gets ``rng`` itself, so its random numbers are those that it would
        have alone.
        """
        return jax.random.fold_in(rng, np.uint32(_LAST_NUMBER - self._n_inside))


class ObservationWrapper(Wrapper):
    """Shows other observations, each a function of the one it is made of."""

    def __init__(self, env: Environment, space: spaces.Space, **settings: Any) -> None:
        """Wraps ``env`` so that its observations are of ``space``."""
        super().__init__(env, **settings)
        self._observation_space = space

    @abc.abstractmethod
    def change(self, obs: Any) -> Any:
        """The observations to show for some, leaves ``[n_envs, ...]``."""

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


def select(mask: jax.Array, if_true: Any, if_false: Any) -> Any:
    """For each copy one tree or the other; ``mask`` is bool ``[n_envs]``."""

    def choose(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(jnp.expand_dims(mask, range(1, new.ndim)), new, old)

    return jax.tree.map(choose, if_true, if_false)


def _spec_of(cls: type[Wrapper], env: Environment, settings: Mapping[str, Any]) -> EnvSpec | None:
    # A subclass behaves in another way, so it does not inherit the name.
    name = vars(cls).get("spec_name")
    return None if name is None or env.spec is None else env.spec.wrapped(name, settings)
