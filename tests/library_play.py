"""Plays environments with the libraries' own public functions, to compare adapters with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Case(NamedTuple):
    """An environment with a time limit that random actions sometimes reach and sometimes not.

    Attributes:
        time_limit: The time limit; None if the library has none.
        n_steps: The number of vector steps in which all kinds of ends occur.
    """

    framework: str
    name: str
    settings: Mapping[str, Any]
    time_limit: int | None
    n_steps: int

    def __str__(self) -> str:
        return f"{self.framework}-{self.name}"


#: Those in which an agent is also trained come first.
CASES = [
    Case("gymnax", "CartPole-v1", {"max_steps_in_episode": 20}, 20, 100),
    Case("xland", "MiniGrid-EmptyRandom-5x5", {"max_steps": 12}, 12, 100),
    Case("navix", "Navix-Empty-5x5-v0", {"max_steps": 25}, 25, 100),
    Case("jumanji", "Snake-v1", {"time_limit": 7}, 7, 100),
    Case("gymnax", "Breakout-MinAtar", {"max_steps_in_episode": 12}, 12, 100),
    Case("xland", "MiniGrid-DoorKey-5x5", {"max_steps": 90}, 90, 1000),
    Case("navix", "Navix-DoorKey-5x5-v0", {"max_steps": 90}, 90, 1000),
    Case("jumanji", "Game2048-v1", {}, None, 400),
    Case("jumanji", "Maze-v0", {"time_limit": 7}, 7, 200),
    Case(
        "craftax",
        "Craftax-Classic-Symbolic-v1",
        {"map_size": [16, 16], "max_timesteps": 35, "spawn_zombie_base_chance": 1.0},
        35,
        100,
    ),
]
TRAINED = [CASES[0], *CASES[2:4]]

# Programs that run only once or twice, and need not be fast.
QUICKLY_COMPILED = {"xla_backend_optimization_level": 0}


class Seen(NamedTuple):
    """The result of a library's step, leaves ``[...]``, or of many, ``[n_steps, n_envs, ...]``."""

    obs: Any
    reward: jax.Array
    terminated: jax.Array
    truncated: jax.Array
    time: jax.Array


class Library(NamedTuple):
    """One copy of an environment, with the library's own functions.

    Attributes:
        reset: ``key -> (state, obs)``
        step: ``(state, action, key) -> (state, Seen)``
        restore: The library's state, from the adapter's state.
    """

    reset: Callable[[Any], tuple[Any, Any]]
    step: Callable[[Any, Any, Any], tuple[Any, Seen]]
    restore: Callable[[Any], Any] = lambda env_state: env_state


def gymnax_library(case: Case) -> Library:
    import gymnax

    env, params = gymnax.make(case.name)
    params = params.replace(**case.settings)

    def step(state: Any, action: Any, key: Any) -> Any:
        _, after, reward, terminated, truncated, info = env.step(key, state, action, params)
        obs = info["final_observation"]
        return after, Seen(obs, reward, terminated, truncated & ~terminated, state.time + 1)

    return Library(lambda key: env.reset(key, params)[::-1], step)


def xland_library(case: Case) -> Library:
    import xminigrid

    env, params = xminigrid.make(case.name, **case.settings)

    def reset(key: Any) -> Any:
        timestep = env.reset(params, key)
        return timestep, timestep.observation

    def step(state: Any, action: Any, key: Any) -> Any:
        after = env.step(params, state, action)
        terminated, truncated = after.last() & (after.discount == 0), after.last()
        truncated &= after.discount == 1
        seen = Seen(after.observation, after.reward, terminated, truncated, after.state.step_num)
        return after, seen

    return Library(reset, step)


def navix_library(case: Case) -> Library:
    import navix

    env = navix.make(case.name, **case.settings)

    def reset(key: Any) -> Any:
        timestep = env.reset(key)
        return timestep, timestep.observation

    def step(state: Any, action: Any, key: Any) -> Any:
        after = env.step(state, action)
        terminated, truncated = after.is_termination(), after.is_truncation()
        return after, Seen(after.observation, after.reward, terminated, truncated, after.t)

    def restore(env_state: Any) -> Any:
        cache = navix.rendering.cache.RenderingCache.init(env_state.state.grid)
        state = env_state.state.replace(cache=cache)
        return env_state.replace(state=state, observation=env.observation_fn(state))

    return Library(reset, step, restore)


def jumanji_library(case: Case) -> Library:
    import jumanji

    env = jumanji.make(case.name, **case.settings)
    # With its own limit, which episodes of a case never reach.
    unhurried = jumanji.make(case.name)

    def reset(key: Any) -> Any:
        state, timestep = env.reset(key)
        return state, as_dict(timestep.observation)

    def step(state: Any, action: Any, key: Any) -> Any:
        after, timestep = env.step(state, action)
        terminated = unhurried.step(state, action)[1].last()
        truncated = timestep.last() & ~terminated
        obs = as_dict(timestep.observation)
        return after, Seen(obs, timestep.reward, terminated, truncated, after.step_count)

    return Library(reset, step)


def craftax_library(case: Case) -> Library:
    from craftax.craftax_env import make_craftax_env_from_name

    env = make_craftax_env_from_name(case.name, auto_reset=False)
    settings = dict(case.settings)
    sizes = env.default_static_params().replace(map_size=tuple(settings.pop("map_size")))
    env, params = type(env)(sizes), env.default_params.replace(**settings)

    def step(state: Any, action: Any, key: Any) -> Any:
        obs, after, reward, done, _ = env.step(key, state, action, params)
        dead = after.player_health <= 0
        return after, Seen(obs, reward, dead, done & ~dead, after.timestep)

    return Library(lambda key: env.reset(key, params)[::-1], step)


LIBRARIES = {
    "gymnax": gymnax_library,
    "xland": xland_library,
    "navix": navix_library,
    "jumanji": jumanji_library,
    "craftax": craftax_library,
}


def as_dict(obs: Any) -> Any:
    """The fields of a jumanji observation."""
    fields = getattr(obs, "_fields", None) or getattr(obs, "__dataclass_fields__", None)
    return obs if fields is None else {key: as_dict(getattr(obs, key)) for key in fields}


def keys_of_a_step(key: Any, n_envs: int) -> tuple[Any, Any]:
    """The keys for each copy's step, and for its reset if its episode ends."""
    pairs = jax.vmap(jax.random.split)(jax.random.split(key, n_envs))
    return pairs[:, 0], pairs[:, 1]


def follow(library: Library, env_state: Any, actions: Any, keys: Any) -> tuple[Seen, Any]:
    """Plays actions ``[n_steps, n_envs]`` from the adapter's states.

    Returns:
        The result of each step, and the first observations of episodes that started.
    """

    def choose(done: Any, fresh: Any, after: Any) -> Any:
        def rows(x: Any, y: Any) -> Any:
            return jnp.where(done.reshape(done.shape + (1,) * (x.ndim - 1)), x, y)

        return jax.tree.map(rows, fresh, after)

    def step(state: Any, given: Any) -> Any:
        action, key = given
        step_keys, reset_keys = keys_of_a_step(key, action.shape[0])
        after, seen = jax.vmap(library.step)(state, action, step_keys)
        fresh, beginning = jax.vmap(library.reset)(reset_keys)
        after = choose(seen.terminated | seen.truncated, fresh, after)
        after = jax.tree.map(as_carried, after, state)
        return after, (seen, beginning)

    def as_carried(x: Any, like: Any) -> Any:
        return x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x.astype(like.dtype)

    with jax.numpy_rank_promotion("allow"):
        state = jax.vmap(library.restore)(env_state)
        return jax.lax.scan(step, state, (actions, keys))[1]
