"""Compiled programs that call environments in Python."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax.experimental import io_callback
from jax.experimental.buffer_callback import buffer_callback

from arlbench.core.environments import faults
from arlbench.core.environments.actions import action_dtype
from arlbench.core.environments.adapters import host_spaces
from arlbench.core.environments.adapters.adapting import Interface, LibraryEnvironment
from arlbench.core.environments.adapters.host_rows import Rows
from arlbench.core.environments.adapters.instances import MAX_INSTANCES, Instances
from arlbench.core.environments.environment import Timestep
from arlbench.core.environments.spec import EnvSpec
from arlbench.core.environments.vectorised import Episodes, SingleStep
from arlbench.errors import ConfigurationError, EnvironmentFaultError

# A quarter, so that there is room for the copies of two trainings and of their evaluations.
_MAX_COPIES = MAX_INSTANCES // 4

#: A function of arrays to fill, and arrays to read.
Fill = Callable[..., None]


class Handles(NamedTuple):
    """References to the copies.

    The environments themselves are in this process and have only a current state: once a step
    has been taken from a state, no other step can be taken from it.

    Attributes:
        instance: Numbers of the copies' instances, int32 ``[n_envs]``. Copies that step together
            in one instance have the same number.
        clock: Steps and resets of each instance so far, int32 ``[n_envs]``.
    """

    instance: jax.Array
    clock: jax.Array


class Begun(NamedTuple):
    """The result of a reset on the host; leaves ``[n_envs, ...]``."""

    instance: Any
    clock: Any
    obs: Any


class Stepped(NamedTuple):
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


class SteppedInPython(LibraryEnvironment):
    """``n_envs`` copies of an environment that steps in Python.

    Subclasses fill arrays on the host; this class calls them from within compiled programs.

    Attributes:
        instances: The instances that states refer to.
    """

    kind = "host"
    instances: Instances[Any]

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
            interface: What an agent must know.
            declared: What one copy declares.
            evaluated_in_place: Whether at most ``n_envs`` copies may exist, so that a reset takes
                over copies that are in use.

        Raises:
            ConfigurationError: If ``n_envs`` is larger than the number of copies that can be kept.
        """
        if spec.n_envs > _MAX_COPIES:
            raise ConfigurationError(
                f"{spec.name} steps in Python, where n_envs can be at most {_MAX_COPIES}, not "
                f"{spec.n_envs}."
            )
        super().__init__(spec, interface)
        self._seed = np.uint32(spec.seed or 0)
        self.evaluated_in_place = evaluated_in_place
        self._rows = Rows(declared.observation_space)
        self._action_dtype = declared.action_dtype

    @abc.abstractmethod
    def fill_reset(self, out: Begun, seeds: np.ndarray) -> None:
        """Starts an episode in every copy; ``seeds`` are uint32 ``[n_envs]``."""

    @abc.abstractmethod
    def fill_step(
        self,
        out: Stepped,
        instance: np.ndarray,
        clock: np.ndarray,
        action: np.ndarray,
        seed: np.ndarray,
    ) -> None:
        """Steps every copy.

        If an episode ends, the next one begins with the copy's ``seed``, where the library allows
        this. Arrays are ``[n_envs, ...]``.
        """

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
        return all(self.instances.is_present(*pair) for pair in pairs)

    def release(self, env_state: Any) -> None:
        self._call_release(*env_state.env_state)

    def _seeds(self, rng: chex.PRNGKey) -> jax.Array:
        return jax.random.bits(rng, (self.n_envs,), jnp.uint32) + self._seed

    # Made once, because outside of a program JAX compiles once for each function object.
    @functools.cached_property
    def _call_reset(self) -> Callable[..., Any]:
        return _called(self.fill_reset, self.reset_shapes)

    @functools.cached_property
    def _call_step(self) -> Callable[..., Any]:
        return _called(self.fill_step, self.step_shapes)

    @functools.cached_property
    def _call_release(self) -> Callable[..., Any]:
        return _called(self._fill_release, ())

    @property
    def reset_shapes(self) -> Begun:
        """Shapes and dtypes of what a reset returns."""
        numbers = self._array(jnp.int32)
        return Begun(numbers, numbers, self._observations)

    @property
    def step_shapes(self) -> Stepped:
        """Shapes and dtypes of what a step returns."""
        flags, obs = self._array(jnp.bool_), self._observations
        return Stepped(obs, obs, self._array(jnp.float32), flags, flags)

    @property
    def _observations(self) -> Any:
        return host_spaces.shapes(self.observation_space, self.n_envs)

    def _array(self, dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((self.n_envs,), dtype)

    def _fill_release(self, _: Any, instance: np.ndarray, clock: np.ndarray) -> None:
        pairs = set(zip(instance.tolist(), clock.tolist(), strict=True))
        self.instances.release(
            number for number, now in pairs if self.instances.is_present(number, now)
        )


def empty(shapes: Any) -> Any:
    """New arrays of these shapes and dtypes, with any content."""
    return jax.tree.map(lambda x: np.empty(x.shape, x.dtype), shapes)


def too_long(name: str) -> EnvironmentFaultError:
    """The error if an evaluation resets some copies that can only be reset together."""
    return EnvironmentFaultError(
        f"An episode of {name} was too long for an evaluation, and its copies can only be reset "
        "together; give it a time limit, such as max_episode_steps."
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
        out = empty(shapes)
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
