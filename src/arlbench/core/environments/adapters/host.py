"""Environments that step in Python, called from within a compiled program."""

from __future__ import annotations

import abc
from collections.abc import Hashable, Sequence
from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.adapters.host_calls import (
    Begun,
    Stepped,
    SteppedInPython,
    too_long,
)
from arlbench.core.environments.adapters.host_trial import misfit
from arlbench.core.environments.adapters.host_values import MisfitError
from arlbench.core.environments.adapters.instances import INSTANCES, Instance
from arlbench.core.environments.faults import raised_by
from arlbench.errors import ArlbenchError, RenderingError


class HostEnvironment(SteppedInPython):
    """``n_envs`` copies of an environment with gymnasium's interface.

    Every episode begins with its own seed, which is derived from the step's key. So results
    depend only on keys and actions, as in a compiled environment, if the environment follows
    gymnasium's rule that a seed determines its episode.
    """

    instances = INSTANCES
    # The number of the first copy; another process may have those before it.
    first_copy = 0

    @abc.abstractmethod
    def make_instance(self, copy: int) -> gymnasium.Env:
        """Makes a copy, whose discrete actions must count from 0."""

    @abc.abstractmethod
    def instance_kind(self, copy: int) -> Hashable:
        """A value that is equal for all instances that can serve as this copy."""

    def render(self, env_state: Any) -> np.ndarray:
        first = INSTANCES.present(*(int(numbers[0]) for numbers in env_state.env_state))
        picture = self.draw(first.env)
        if picture is None:
            raise RenderingError(
                f"{self.env_name} cannot be drawn; its metadata['render_modes'] must contain "
                "'rgb_array', and its method render must return a picture."
            )
        return picture

    def draw(self, env: gymnasium.Env) -> np.ndarray | None:
        """A picture of a copy, uint8 ``[height, width, 3]``; None if it cannot be drawn."""
        return None

    def fill_reset(self, out: Begun, seeds: np.ndarray) -> None:
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
            INSTANCES.release(own)
            raise self._fault(error, i, "at a reset") from None

    def _take(self, copy: int, own: list[int]) -> tuple[int, Instance]:
        return INSTANCES.take(
            self.instance_kind(copy),
            lambda: self.make_instance(copy),
            own if self.evaluated_in_place else None,
        )

    def fill_step(
        self,
        out: Stepped,
        instance: np.ndarray,
        clock: np.ndarray,
        action: np.ndarray,
        seed: np.ndarray,
    ) -> None:
        rows, final_rows = jax.tree.leaves(out.obs), jax.tree.leaves(out.final_observation)
        staged = self._rows.staged(final_rows)
        copies = self._copies(instance.tolist(), clock.tolist())
        actions = action.astype(self._action_dtype)
        # A copy, because an environment may keep its action, but the array belongs to JAX.
        each = actions if isinstance(self.action_space, spaces.Discrete) else map(np.array, actions)
        i, begun, when = 0, [], "at step {}"
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
            when = "in the reset after step {}"
            self._write_begun(rows, staged, begun)
        except Exception as error:
            raise self._fault(error, i, when, copies) from None

    def _copies(self, numbers: list[int], clocks: list[int]) -> list[Instance]:
        """The instances of a state.

        Raises:
            EnvironmentFaultError: If only some copies were reset, although a reset takes over all.
            StaleEnvironmentError: If this state is not the current one.
        """
        if self.evaluated_in_place:
            are_present = list(map(INSTANCES.is_present, numbers, clocks))
            if any(are_present) and not all(are_present):
                raise too_long(self.env_name)
        return list(map(INSTANCES.present, numbers, clocks))

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
        when = f"{when.format(n_steps)} (copy {self.first_copy + copy})"
        if isinstance(error, MisfitError):
            return misfit(self.env_name, when, error)
        return raised_by(self.env_name, when, error)
