"""Environments that step in Python, called from within a compiled program."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Callable, Hashable, Sequence
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
from arlbench.core.environments import faults
from arlbench.core.environments.actions import action_dtype
from arlbench.core.environments.adapters import host_spaces
from arlbench.core.environments.adapters.adapting import Interface, LibraryEnvironment
from arlbench.core.environments.adapters.host_rows import Rows
from arlbench.core.environments.adapters.host_trial import misfit
from arlbench.core.environments.adapters.host_values import MisfitError
from arlbench.core.environments.adapters.instances import INSTANCES, MAX_INSTANCES, Instance
from arlbench.core.environments.environment import Timestep
from arlbench.core.environments.faults import raised_by
from arlbench.core.environments.spec import EnvSpec
from arlbench.core.environments.vectorised import Episodes, SingleStep
from arlbench.errors import ArlbenchError, ConfigurationError

# This keeps the copies for training and for evaluations, and the same number again.
_MAX_COPIES = MAX_INSTANCES // 4

#: A function of arrays to fill, and arrays to read.
Fill = Callable[..., None]


class Handles(NamedTuple):
    """References to the copies.

    The environments themselves are in this process and have only a current state: once a step
    was taken from a state, it cannot be stepped again.

    Attributes:
        instance: Numbers of the copies' instances, int32 ``[n_envs]``.
        clock: Steps and resets of each instance so far, int32 ``[n_envs]``.
    """

    instance: jax.Array
    clock: jax.Array


class _Begun(NamedTuple):
    """The result of a reset on the host; leaves ``[n_envs, ...]``."""

    instance: Any
    clock: Any
    obs: Any


class _Stepped(NamedTuple):
    """The result of a step on the host; leaves ``[n_envs, ...]``."""

    obs: Any
    final_observation: Any
    reward: Any
    terminated: Any
    truncated: Any


class Declared(NamedTuple):
    """What an environment declares, with its original dtypes.

    Attributes:
        observation_space: The space of one copy's observation.
        action_dtype: The dtype of actions that its space samples.
    """

    observation_space: spaces.Space
    action_dtype: np.dtype


class HostEnvironment(LibraryEnvironment):
    """``n_envs`` copies of an environment with gymnasium's interface.

    Every episode begins with its own seed, which is derived from the step's key. So results
    depend only on keys and actions, as in a compiled environment, if the environment follows
    gymnasium's rule that a seed determines its episode.
    """

    kind = "host"

    def __init__(
        self,
        spec: EnvSpec,
        interface: Interface,
        declared: Declared,
        evaluated_in_place: bool = False,
    ) -> None:
        """Makes the environment with this spec.

        Args:
            spec: The spec of the environment.
            interface: What an agent has to know.
            declared: What its instances declare.
            evaluated_in_place: Whether never more than ``n_envs`` instances exist. Then a
                reset takes over instances that are in use.

        Raises:
            ConfigurationError: If its seed is not a whole number from 0 to 2**32 - 1, or if
                ``n_envs`` is larger than the number of copies that can be kept.
        """
        if spec.n_envs > _MAX_COPIES:
            raise ConfigurationError(
                f"{spec.name} steps in Python, where n_envs can be at most {_MAX_COPIES}, not "
                f"{spec.n_envs}."
            )
        seed = None if spec.seed is None else seed_in_range(spec.seed)
        super().__init__(dataclasses.replace(spec, seed=seed), interface)
        self.evaluated_in_place = evaluated_in_place
        self._seed = np.uint32(seed or 0)
        self._rows = Rows(declared.observation_space)
        self._action_dtype = declared.action_dtype
        self._is_index = isinstance(interface.action_space, spaces.Discrete)

    @abc.abstractmethod
    def make_instance(self, copy: int) -> gymnasium.Env:
        """Makes a copy. A finite set of actions counts from 0."""

    @abc.abstractmethod
    def instance_kind(self, copy: int) -> Hashable:
        """A value that is equal for instances that can replace each other as this copy."""

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        begun = faults.answered(lambda: self._call_reset(self._seeds(rng)))
        return Episodes.begun(Handles(begun.instance, begun.clock), self.n_envs), begun.obs

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        handles = env_state.env_state
        actions = jnp.asarray(action, action_dtype(self.action_space))
        seeds = self._seeds(rng)
        stepped = faults.answered(lambda: self._call_step(*handles, actions, seeds))
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
        """A picture of a copy, uint8 ``[height, width, 3]``; None, the default, if it has none."""
        return None

    def _seeds(self, rng: chex.PRNGKey) -> jax.Array:
        return jax.random.bits(rng, (self.n_envs,), jnp.uint32) + self._seed

    # Made once, because outside of a program JAX compiles once for each function object.
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
        staged = self._rows.staged(rows)
        i, own = 0, list[int]()
        try:
            for i, seed in enumerate(seeds.tolist()):
                number, instance = self._take(i, own)
                own.append(number)
                self._rows.write(staged, i, instance.reset(seed))
                out.instance[i], out.clock[i] = number, instance.clock
            self._rows.finish(staged, rows)
        except Exception as error:
            raise self._fault(error, i, "at a reset") from None

    def _take(self, copy: int, own: list[int]) -> tuple[int, Instance]:
        return INSTANCES.take(
            self.instance_kind(copy),
            lambda: self.make_instance(copy),
            own if self.evaluated_in_place else None,
        )

    def _fill_step(
        self,
        out: _Stepped,
        instance: np.ndarray,
        clock: np.ndarray,
        action: np.ndarray,
        seed: np.ndarray,
    ) -> None:
        rows, final_rows = jax.tree.leaves(out.obs), jax.tree.leaves(out.final_observation)
        staged = self._rows.staged(final_rows)
        copies = list(map(INSTANCES.present, instance.tolist(), clock.tolist()))
        actions = action.astype(self._action_dtype)
        # A copy, because an environment may keep its action, but the array belongs to JAX.
        each = actions if self._is_index else map(np.array, actions)
        i, begun = 0, []
        try:
            for i, (copy, act, key) in enumerate(zip(copies, each, seed.tolist(), strict=True)):
                outcome = copy.step(act, key)
                self._rows.write(staged, i, outcome.final_observation)
                out.reward[i] = outcome.reward
                out.terminated[i], out.truncated[i] = outcome.terminated, outcome.truncated
                if outcome.first_observation is not None:
                    begun.append((i, outcome.first_observation))
            self._rows.finish(staged, final_rows)
            for row, final in zip(rows, final_rows, strict=True):
                row[...] = final
            self._write_begun(rows, staged, begun)
        except Exception as error:
            raise self._fault(error, i, "at step {}", copies) from None

    def _write_begun(
        self, rows: list[np.ndarray], staged: list[np.ndarray], begun: list[tuple[int, Any]]
    ) -> None:
        """Replaces the last observations of ended episodes by the first ones of the next."""
        if not begun:
            return
        fresh = [array.copy() for array in staged]
        for i, obs in begun:
            self._rows.write(fresh, i, obs)
        self._rows.finish(fresh, rows)

    def _fault(
        self, error: Exception, copy: int, when: str, copies: Sequence[Instance] = ()
    ) -> Exception:
        """The exception to raise for an error in a copy."""
        if isinstance(error, ArlbenchError):
            return error
        if isinstance(error, MisfitError) and error.copy is not None:
            copy = error.copy
        n_steps = copies[copy].n_steps if copies else 0
        when = f"{when.format(n_steps)} (copy {copy})"
        if isinstance(error, MisfitError):
            return misfit(self.env_name, when, error)
        return raised_by(self.env_name, when, error)


def _fill_release(_: Any, instance: np.ndarray, clock: np.ndarray) -> None:
    INSTANCES.release(
        number
        for number, now in zip(instance.tolist(), clock.tolist(), strict=True)
        if INSTANCES.is_present(number, now)
    )


def _called(fill: Fill, shapes: Any) -> Callable[..., Any]:
    """A traceable function that calls ``fill`` on the host, once for each execution.

    Calls are ordered only by their arguments and results. JAX's ordered callbacks use a token
    instead, and take ten times as long.
    """

    def with_buffers(_: Any, out: Any, *given: Any) -> None:
        with faults.remembered():
            fill(*jax.tree.map(np.asarray, (out, *given)))

    def with_copies(*given: Any) -> Any:
        out = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), shapes)
        with faults.remembered():
            fill(out, *map(np.asarray, given))
        return out

    in_place = buffer_callback(with_buffers, shapes, has_side_effect=True)

    @jax.custom_batching.custom_vmap
    def call(*args: jax.Array) -> Any:
        # On an accelerator, buffers are in its own memory, where Python cannot write.
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
