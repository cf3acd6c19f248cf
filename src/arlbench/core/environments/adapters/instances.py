"""Environments that live in this process, behind numbers that a compiled program can carry."""

from __future__ import annotations

import collections
import copy
import secrets
import threading
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any, NamedTuple

import gymnasium

from arlbench.core.environments.adapters.host_values import (
    MAX_REWARD,
    first_observation,
    flag_of,
    parts_of_step,
    reward_of,
)
from arlbench.errors import StaleEnvironmentError

#: More are not kept; those that were used longest ago are closed.
MAX_INSTANCES = 1024

# Numbers begin anywhere, so that a state of another process is not taken for one of this.
_FIRST_NUMBERS = 2**30


class HostStep(NamedTuple):
    """What a step of one environment gave.

    Attributes:
        final_observation: Where it led, before any reset.
        reward: A number.
        terminated: Whether the task ended.
        truncated: Whether only the time did.
        first_observation: Of the next episode; None where this one goes on.
    """

    final_observation: Any
    reward: float
    terminated: bool
    truncated: bool
    first_observation: Any


class Instance:
    """One environment, which begins the next episode by itself.

    Attributes:
        env: The environment.
        kind: What instances share that can stand for each other.
        clock: Steps and resets so far. Whoever knows it knows the instance's present.
        n_steps: Steps since the last call of :meth:`reset`.
        free: Whether nobody needs its episode.
    """

    def __init__(self, env: gymnasium.Env, kind: Hashable) -> None:
        self.env = env
        self.kind = kind
        self.clock = 0
        self.n_steps = 0
        self.free = False

    def reset(self, seed: int) -> Any:
        """Begins an episode; returns its first observation.

        Raises:
            MisfitError: If the environment returns something else.
        """
        self.clock += 1
        self.n_steps = 0
        return first_observation(self.env.reset(seed=seed))

    def step(self, action: Any, seed: int) -> HostStep:
        """One step, and if the episode ends the beginning of the next from ``seed``.

        Raises:
            MisfitError: If the environment returns something else.
        """
        self.clock += 1
        self.n_steps += 1
        returned = self.env.step(action)
        try:
            obs, reward, terminated, truncated, _ = returned
        except (TypeError, ValueError):
            obs, reward, terminated, truncated = parts_of_step(returned)
        if not isinstance(reward, float) or not -MAX_REWARD <= reward <= MAX_REWARD:
            reward = reward_of(reward)
        if type(terminated) is not bool:
            terminated = flag_of("terminated", terminated)
        if type(truncated) is not bool:
            truncated = flag_of("truncated", truncated)
        first = None
        if terminated or truncated:
            # An environment may give its own array, and write into it when it is reset.
            obs = copy.deepcopy(obs)
            first = first_observation(self.env.reset(seed=seed))
        return HostStep(obs, reward, terminated, truncated and not terminated, first)


class Instances:
    """Instances by their numbers. What was used longest ago makes room for new ones."""

    def __init__(self, limit: int = MAX_INSTANCES) -> None:
        self._limit = limit
        self._by_number: collections.OrderedDict[int, Instance] = collections.OrderedDict()
        self._next_number = secrets.randbelow(_FIRST_NUMBERS)
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._by_number)

    def take(
        self,
        kind: Hashable,
        make: Callable[[], gymnasium.Env],
        own: Collection[int] | None = None,
    ) -> tuple[int, Instance]:
        """A free instance of this kind, or a new one, and its number.

        Args:
            kind: What it must be.
            make: Makes a new one.
            own: If there may be no more instances than there are, the numbers of those that
                are not to be taken: any other one is taken from whoever has it.
        """
        with self._lock:
            number = self._found(kind, own)
            if number is None:
                number = self._add(make(), kind)
            instance = self._by_number[number]
            instance.free = False
            self._by_number.move_to_end(number)
            return number, instance

    def keep(self, kind: Hashable, env: gymnasium.Env) -> None:
        """Keeps an environment that was made for something else, as a free instance."""
        with self._lock:
            self._by_number[self._add(env, kind)].free = True

    def _found(self, kind: Hashable, own: Collection[int] | None) -> int | None:
        alike = [(number, i) for number, i in self._by_number.items() if i.kind == kind]
        free = [number for number, instance in alike if instance.free]
        if free or own is None:
            return free[0] if free else None
        return next((number for number, _ in alike if number not in own), None)

    def _add(self, env: gymnasium.Env, kind: Hashable) -> int:
        number = self._next_number
        self._next_number += 1
        self._by_number[number] = Instance(env, kind)
        while len(self._by_number) > self._limit:
            self._by_number.popitem(last=False)[1].env.close()
        return number

    def present(self, number: int, clock: int) -> Instance:
        """The instance of this number, which must be where the clock says.

        Raises:
            StaleEnvironmentError: If it has gone on, or is no longer there.
        """
        with self._lock:
            if not self.is_present(number, clock):
                raise StaleEnvironmentError(
                    "This state of an environment on the host is not its present one: it was "
                    "stepped from there already, or closed. Go on from what the last step "
                    "returned, or reset it."
                )
            self._by_number.move_to_end(number)
            return self._by_number[number]

    def is_present(self, number: int, clock: int) -> bool:
        """Whether the instance is there, and where the clock says."""
        instance = self._by_number.get(number)
        return instance is not None and not instance.free and instance.clock == clock

    def release(self, numbers: Iterable[int]) -> None:
        """Lets others have these instances."""
        with self._lock:
            for number in numbers:
                if number in self._by_number:
                    self._by_number[number].free = True


#: Those of this process.
INSTANCES = Instances()
