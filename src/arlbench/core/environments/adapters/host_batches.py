"""Environments in Python whose copies step together, in one call of their library."""

from __future__ import annotations

import abc
from collections.abc import Hashable
from typing import Any, NamedTuple

import jax
import numpy as np

from arlbench.core.environments.adapters.host_calls import (
    Begun,
    Stepped,
    SteppedInPython,
    too_long,
)
from arlbench.core.environments.adapters.host_trial import misfit
from arlbench.core.environments.adapters.host_values import (
    MAX_REWARD,
    MisfitError,
    impossible_reward,
)
from arlbench.core.environments.adapters.instances import Instances
from arlbench.core.environments.faults import raised_by
from arlbench.errors import ArlbenchError, EnvironmentFaultError, RenderingError

#: The most batches to keep: enough for training and evaluation in several environments.
_MAX_BATCHES = 16


class BatchStep(NamedTuple):
    """The result of a step of all copies.

    Attributes:
        obs: Observations for the next actions, after the reset of copies whose episode ended;
            leaves ``[n_envs, ...]``.
        final_observation: Observations after the step, before any reset.
        reward: ``[n_envs]``.
        terminated: Whether the task ended, bool ``[n_envs]``.
        truncated: Whether the episode was cut off, bool ``[n_envs]``.
    """

    obs: Any
    final_observation: Any
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class Batch(abc.ABC):
    """``n_envs`` copies that step together; when a copy's episode ends, the same step resets it."""

    @abc.abstractmethod
    def reset(self, seeds: np.ndarray) -> Any:
        """Starts an episode in every copy; returns the observations.

        Args:
            seeds: uint32 ``[n_envs]``.
        """

    @abc.abstractmethod
    def step(self, actions: np.ndarray, seeds: np.ndarray) -> BatchStep:
        """Steps every copy.

        Args:
            actions: ``[n_envs, ...]``.
            seeds: As in :meth:`reset`, for the next episodes of copies whose episode ends;
                libraries that cannot use them derive seeds from those of the reset.
        """

    def draw(self) -> np.ndarray | None:
        """A picture of the first copy, uint8 ``[height, width, 3]``; None if it cannot be drawn."""
        return None

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the library's environments."""


class BatchInstance:
    """A batch with its clock; see :class:`Instance`."""

    def __init__(self, env: Batch, kind: Hashable) -> None:
        self.env = env
        self.kind = kind
        self.clock = 0
        self.n_steps = 0
        self.free = False

    def reset(self, seeds: np.ndarray) -> Any:
        """Starts an episode in every copy; returns the observations."""
        self.clock += 1
        self.n_steps = 0
        return self.env.reset(seeds)

    def step(self, actions: np.ndarray, seeds: np.ndarray) -> BatchStep:
        """Steps every copy."""
        self.clock += 1
        self.n_steps += 1
        return self.env.step(actions, seeds)


#: The batches of this process.
BATCHES = Instances(BatchInstance, _MAX_BATCHES)


class BatchEnvironment(SteppedInPython):
    """``n_envs`` copies that step together in one call.

    Results depend only on keys and actions, if the library's episodes depend only on the seeds of
    the reset and on actions.
    """

    instances = BATCHES

    @abc.abstractmethod
    def make_batch(self) -> Batch:
        """Makes all copies, whose discrete actions must count from 0."""

    @abc.abstractmethod
    def batch_kind(self) -> Hashable:
        """A value that is equal for batches that can replace each other."""

    def render(self, env_state: Any) -> np.ndarray:
        handles = env_state.env_state
        found = self.instances.present(int(handles.instance[0]), int(handles.clock[0]))
        picture = found.env.draw()
        if picture is None:
            raise RenderingError(
                f"{self.env_name} cannot be drawn, because its copies step together; make it from "
                "a class of a single copy."
            )
        return picture

    def fill_reset(self, out: Begun, seeds: np.ndarray) -> None:
        number, own = None, () if self.evaluated_in_place else None
        try:
            number, instance = self.instances.take(self.batch_kind(), self.make_batch, own)
            self._write(out.obs, instance.reset(seeds))
        except Exception as error:
            raise self._fault(error, "at a reset", number) from None
        out.instance[:], out.clock[:] = number, instance.clock

    def fill_step(
        self,
        out: Stepped,
        instance: np.ndarray,
        clock: np.ndarray,
        action: np.ndarray,
        seed: np.ndarray,
    ) -> None:
        self._require_one_batch(instance, clock)
        found = self.instances.present(int(instance[0]), int(clock[0]))
        try:
            step = found.step(action.astype(self._action_dtype), seed)
            self._write(out.obs, step.obs)
            self._write(out.final_observation, step.final_observation)
            out.reward[:] = _checked(step.reward)
            out.terminated[:] = step.terminated
            out.truncated[:] = step.truncated & ~step.terminated
        except Exception as error:
            when = f"at step {found.n_steps}"
            raise self._fault(error, when, int(instance[0])) from None

    def _require_one_batch(self, instance: np.ndarray, clock: np.ndarray) -> None:
        """Raises if only some copies were reset, because a batch resets all of them together."""
        if (instance != instance[0]).any() or (clock != clock[0]).any():
            raise too_long(self.env_name)

    def _write(self, out: Any, obs: Any) -> None:
        rows = jax.tree.leaves(out)
        staged = self._rows.staged(rows)
        self._rows.write_all(staged, obs)
        self._rows.finish(staged, rows)

    def _fault(self, error: Exception, when: str, number: int | None) -> Exception:
        """The exception to raise for an error in a batch, which is closed."""
        if number is not None:
            self.instances.discard(number)
        if isinstance(error, ArlbenchError):
            return error
        if isinstance(error, MisfitError):
            where = "" if error.copy is None else f" (copy {error.copy})"
            return misfit(self.env_name, f"{when}{where}", error)
        return raised_by(self.env_name, when, error)


def _checked(rewards: np.ndarray) -> np.ndarray:
    """The rewards.

    Raises:
        MisfitError: If one is not a finite number that fits into 32 bits.
    """
    good = np.abs(rewards) <= MAX_REWARD
    if not good.all():
        copy = int(np.argmin(good))
        raise impossible_reward(rewards[copy], copy)
    return rewards


def death(copies: str, name: str, how: str = "") -> EnvironmentFaultError:
    """The error for a process that has ended, which stepped these copies of an environment."""
    return EnvironmentFaultError(
        f"The process that steps {copies} of {name} has died{how}; if memory ran out, use fewer "
        "copies (n_envs), then continue with 'arlbench train --resume'."
    )


def signed(seeds: np.ndarray) -> np.ndarray:
    """Seeds for libraries whose seeds are signed 32-bit numbers, int64 from 0 to 2**31 - 1."""
    return (seeds >> np.uint32(1)).astype(np.int64)
