"""Compiled environments as users write them: a correct one, and some with a single fault."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.environments import Environment, SingleStep, Timestep, VectorisedEnvironment


class Tube(VectorisedEnvironment):
    """A ball that wind moves; an episode has five steps, with a reward of ``reward`` in each."""

    action_space = spaces.Discrete(2)
    observation_space = spaces.Box(-9.0, 9.0, (2,), np.float32)

    def __init__(self, n_envs: int, wind: float = 0.1, reward: float | str = 1.0) -> None:
        super().__init__("Tube", n_envs, max_episode_steps=5)
        self.wind = wind
        self.reward = float(reward)

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        place = jax.random.uniform(rng)
        return (place, jnp.int32(0)), self.observe(place, 0)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        place, n_steps = env_state
        return self.after(place + self.wind * (2 * action - 1), n_steps + 1)

    def after(self, place: jax.Array, n_steps: jax.Array) -> Any:
        state = (place, n_steps)
        return SingleStep(state, self.observe(*state), self.reward, False, n_steps == 5)

    def observe(self, place: Any, n_steps: Any) -> jax.Array:
        return jnp.stack([place, jnp.float32(n_steps)])

    def render_one(self, env_state: Any) -> np.ndarray:
        return np.full((16, 16, 3), 10 * int(env_state[1]), np.uint8)


class Inherited(VectorisedEnvironment):
    """Without a constructor of its own."""

    action_space = Tube.action_space
    observation_space = spaces.Discrete(3)

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return jnp.int32(0), jnp.int32(0)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        return SingleStep(env_state, env_state, 0.0, False, False)


class PassesOn(Inherited):
    """Passes on everything that it does not know."""

    def __init__(self, *args: Any, size: int = 3, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.size = size


class TakesMore(Inherited):
    """Takes positional arguments that nobody gives, and no name."""

    def __init__(self, n_envs: int, *more: Any) -> None:
        super().__init__("more", n_envs)


class NamesItself(Inherited):
    """Has its own name."""

    def __init__(self, size: int = 3, **kwargs: Any) -> None:
        super().__init__("my name", **kwargs)
        self.size = size


class AllAtOnce(Environment):
    """Steps all copies itself; what a step returns besides the state is given."""

    action_space = Tube.action_space
    observation_space = spaces.Box(-9.0, 9.0, (1,), np.float32)
    flags = ("terminated", "truncated")
    shape: tuple[int, ...] = (3,)
    kind_of_flags: Any = bool
    final: Any = None

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        zeros = jnp.zeros((self.n_envs, 1))
        return zeros, zeros

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        done = jnp.zeros(self.n_envs, self.kind_of_flags)
        final = env_state if self.final is None else self.final
        info = {"final_observation": final, **dict.fromkeys(self.flags, done)}
        return env_state, (env_state, jnp.zeros(self.shape), done, info)
