"""Environments that step in Python, called from within a compiled program."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax.experimental import io_callback
from jax.experimental.buffer_callback import buffer_callback

from arlbench.core.checks import seed_in_range
from arlbench.core.environments.actions import action_dtype
from arlbench.core.environments.adapters import host_spaces
from arlbench.core.environments.adapters.adapting import (
    Interface,
    LibraryEnvironment,
    without_copies,
)
from arlbench.core.environments.adapters.instances import INSTANCES, MAX_INSTANCES
from arlbench.core.environments.environment import Timestep
from arlbench.core.environments.spec import EnvSpec
from arlbench.core.environments.vectorised import Episodes, SingleStep
from arlbench.errors import ConfigurationError

# So that those to learn in and those to be evaluated in are kept, and as many again.
_MAX_COPIES = MAX_INSTANCES // 4

#: Takes arrays to fill, and arrays to read.
Fill = Callable[..., None]


class Handles(NamedTuple):
    """Where the copies are to be found.

    The environments themselves are in this process, and each has one present: a state from
    which a step was taken cannot be stepped again.

    Attributes:
        instance: Numbers of the copies' instances, int32 ``[n_envs]``.
        clock: Steps and resets of each instance until now, int32 ``[n_envs]``.
    """

    instance: jax.Array
    clock: jax.Array


class _Begun(NamedTuple):
    """What a reset on the host gives; leaves ``[n_envs, ...]``."""

    instance: Any
    clock: Any
    obs: Any


class _Stepped(NamedTuple):
    """What a step on the host gives; leaves ``[n_envs, ...]``."""

    obs: Any
    final_observation: Any
    reward: Any
    terminated: Any
    truncated: Any


class HostEnvironment(LibraryEnvironment):
    """``n_envs`` copies of an environment with gymnasium's interface.

    Every episode begins from a seed of its own, which comes from the step's key. So what
    happens is a function of keys and actions alone, as it is where everything is compiled,
    as long as the environment keeps to gymnasium's rule that a seed decides its episode.
    """

    kind = "host"

    def __init__(self, spec: EnvSpec, interface: Interface) -> None:
        """An environment whose spec is ``spec``.

        Raises:
            ConfigurationError: If its seed is not a whole number from 0 to 2**32 - 1, or
                there would be more copies than are kept.
        """
        if spec.n_envs > _MAX_COPIES:
            raise ConfigurationError(
                f"{spec.name} steps in Python, where n_envs can be at most {_MAX_COPIES}, not "
                f"{spec.n_envs}."
            )
        seed = None if spec.seed is None else seed_in_range(spec.seed)
        super().__init__(dataclasses.replace(spec, seed=seed), interface)
        self._instance_kind = without_copies(spec)
        self._seed = np.uint32(seed or 0)
        composed = isinstance(interface.observation_space, spaces.Dict | spaces.Tuple)
        self._is_one_array = not composed
        self._is_index = isinstance(interface.action_space, spaces.Discrete)

    @abc.abstractmethod
    def make_instance(self) -> gymnasium.Env:
        """One copy; where actions are a finite set they count from 0."""

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        begun = self._call_reset(self._seeds(rng))
        return Episodes.begun(Handles(begun.instance, begun.clock), self.n_envs), begun.obs

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        handles = env_state.env_state
        actions = jnp.asarray(action, action_dtype(self.action_space))
        stepped = self._call_step(*handles, actions, self._seeds(rng))
        after = handles._replace(clock=handles.clock + 1)
        info = env_state.info(
            SingleStep(
                after,
                stepped.final_observation,
                stepped.reward,
                stepped.terminated,
                stepped.truncated,
            )
        )
        done = stepped.terminated | stepped.truncated
        return Episodes.after(after, info), (stepped.obs, stepped.reward, done, info)

    def is_present(self, env_state: Any) -> bool:
        pairs = zip(*(numbers.tolist() for numbers in env_state.env_state), strict=True)
        return all(INSTANCES.is_present(*pair) for pair in pairs)

    def release(self, env_state: Any) -> None:
        self._call_release(*env_state.env_state)

    def render(self, env_state: Any) -> np.ndarray:
        first = INSTANCES.present(*(int(numbers[0]) for numbers in env_state.env_state))
        picture = self.draw(first.env)
        return super().render(env_state) if picture is None else picture

    def draw(self, env: gymnasium.Env) -> np.ndarray | None:
        """A picture of a copy, uint8 ``[height, width, 3]``; by default there is none."""
        return None

    def _seeds(self, rng: chex.PRNGKey) -> jax.Array:
        return jax.random.bits(rng, (self.n_envs,), jnp.uint32) + self._seed

    # Made once: JAX compiles what is called outside of a program once for each function.
    @functools.cached_property
    def _call_reset(self) -> Callable[..., Any]:
        numbers = self._array(jnp.int32)
        return _called(self._fill_reset, _Begun(numbers, numbers, self._observations))

    @functools.cached_property
    def _call_step(self) -> Callable[..., Any]:
        flags = self._array(jnp.bool_)
        obs, reward = self._observations, self._array(jnp.float32)
        return _called(self._fill_step, _Stepped(obs, obs, reward, flags, flags))

    @functools.cached_property
    def _call_release(self) -> Callable[..., Any]:
        return _called(_fill_release, ())

    @property
    def _observations(self) -> Any:
        return host_spaces.shapes(self.observation_space, self.n_envs)

    def _array(self, dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((self.n_envs,), dtype)

    def _fill_reset(self, out: _Begun, seeds: np.ndarray) -> None:
        rows = jax.tree.leaves(out.obs)
        for i, seed in enumerate(seeds.tolist()):
            number, instance = INSTANCES.take(self._instance_kind, self.make_instance)
            self._write(rows, i, instance.reset(seed))
            out.instance[i], out.clock[i] = number, instance.clock

    def _fill_step(
        self,
        out: _Stepped,
        instance: np.ndarray,
        clock: np.ndarray,
        action: np.ndarray,
        seed: np.ndarray,
    ) -> None:
        rows, final_rows = jax.tree.leaves(out.obs), jax.tree.leaves(out.final_observation)
        begun = []
        # An environment may keep its action, and the array is not its own.
        actions = action.tolist() if self._is_index else map(np.array, action)
        copies = zip(instance.tolist(), clock.tolist(), actions, seed.tolist(), strict=True)
        for i, (number, now, act, key) in enumerate(copies):
            outcome = INSTANCES.present(number, now).step(act, key)
            self._write(final_rows, i, outcome.final_observation)
            out.reward[i] = outcome.reward
            out.terminated[i], out.truncated[i] = outcome.terminated, outcome.truncated
            if outcome.first_observation is not None:
                begun.append((i, outcome.first_observation))
        for row, final in zip(rows, final_rows, strict=True):
            row[...] = final
        for i, obs in begun:
            self._write(rows, i, obs)

    def _write(self, rows: list[np.ndarray], i: int, obs: Any) -> None:
        """Writes one observation into row ``i`` of every array."""
        if self._is_one_array:
            rows[0][i] = obs
            return
        for row, leaf in zip(rows, host_spaces.leaves(self.observation_space, obs), strict=True):
            row[i] = leaf


def _fill_release(_: Any, instance: np.ndarray, clock: np.ndarray) -> None:
    INSTANCES.release(
        number
        for number, now in zip(instance.tolist(), clock.tolist(), strict=True)
        if INSTANCES.is_present(number, now)
    )


def _called(fill: Fill, shapes: Any) -> Callable[..., Any]:
    """A traceable function that has ``fill`` called on the host, once for each execution.

    Calls follow each other as their arguments and results do, for they are not ordered
    otherwise: that would cost a token, and ten times the time.
    """

    def with_buffers(_: Any, out: Any, *given: Any) -> None:
        fill(*jax.tree.map(np.asarray, (out, *given)))

    def with_copies(*given: Any) -> Any:
        out = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), shapes)
        fill(out, *map(np.asarray, given))
        return out

    in_place = buffer_callback(with_buffers, shapes, has_side_effect=True)

    @jax.custom_batching.custom_vmap
    def call(*args: jax.Array) -> Any:
        # On an accelerator buffers are in its memory, where Python cannot write.
        if jax.default_backend() == "cpu":
            return in_place(*args)
        return io_callback(with_copies, shapes, *args)

    @call.def_vmap
    def refuse(*_: Any) -> Any:
        raise ConfigurationError(
            "An environment that steps in Python cannot be batched by jax.vmap; use "
            "arlbench.population.train_population, or jax.lax.map."
        )

    return call
