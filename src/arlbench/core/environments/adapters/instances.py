"""Environments that live in this process, behind numbers that a compiled program can carry."""

from __future__ import annotations

import collections
import copy
import secrets
import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

import gymnasium

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
        free: Whether nobody needs its episode.
    """

    def __init__(self, env: gymnasium.Env, kind: Hashable) -> None:
        self.env = env
        self.kind = kind
        self.clock = 0
        self.free = False

    def reset(self, seed: int) -> Any:
        """Begins an episode; returns its first observation."""
        self.clock += 1
        return self.env.reset(seed=seed)[0]

    def step(self, action: Any, seed: int) -> HostStep:
        """One step, and where the episode ends the beginning of the next from ``seed``."""
        self.clock += 1
        obs, reward, terminated, truncated, _ = self.env.step(action)
        first = None
        if terminated or truncated:
            # An environment may give its own array, and write into it when it is reset.
            obs = copy.deepcopy(obs)
            first = self.env.reset(seed=seed)[0]
        cut_off = bool(truncated) and not terminated
        return HostStep(obs, float(reward), bool(terminated), cut_off, first)


class Instances:
    """Instances by their numbers. What was used longest ago makes room for new ones."""

    def __init__(self, limit: int = MAX_INSTANCES) -> None:
        self._limit = limit
        self._by_number: collections.OrderedDict[int, Instance] = collections.OrderedDict()
        self._next_number = secrets.randbelow(_FIRST_NUMBERS)
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._by_number)

    def take(self, kind: Hashable, make: Callable[[], gymnasium.Env]) -> tuple[int, Instance]:
        """A free instance of this kind, or a new one, and its number."""
        with self._lock:
            free = (n for n, i in self._by_number.items() if i.free and i.kind == kind)
            number = next(free, self._next_number)
            if number == self._next_number:
                self._by_number[number] = Instance(make(), kind)
                self._next_number += 1
            instance = self._by_number[number]
            instance.free = False
            self._by_number.move_to_end(number)
            while len(self._by_number) > self._limit:
                self._by_number.popitem(last=False)[1].env.close()
            return number, instance

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
