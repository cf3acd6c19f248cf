"""Environments in this process, identified by numbers that a compiled program can store."""

from __future__ import annotations

import collections
import contextlib
import copy
import secrets
import threading
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import gymnasium

from arlbench.core.environments.adapters.host_values import (
    MAX_REWARD,
    first_observation,
    flag_of,
    parts_of_step,
    reward_of,
)
from arlbench.errors import StaleEnvironmentError

#: At most this many are kept; the least recently used are closed.
MAX_INSTANCES = 1024

# Numbers start at a random value, so that states of other processes are not mistaken for ours.
_FIRST_NUMBERS = 2**30


class HostStep(NamedTuple):
    """The result of a step of one environment.

    Attributes:
        final_observation: The observation after the step, before any reset.
        reward: A number.
        terminated: Whether the task ended.
        truncated: Whether the episode was cut off, for example by a time limit.
        first_observation: The first observation of the next episode; None if the episode continues.
    """

    final_observation: Any
    reward: float
    terminated: bool
    truncated: bool
    first_observation: Any


class Instance:
    """One environment, which starts the next episode by itself.

    Attributes:
        env: The environment.
        kind: Equal for instances that can replace each other.
        clock: Steps and resets so far, which identify the instance's current state.
        n_steps: Steps since the last call of :meth:`reset`.
        free: Whether its episode is not needed any more.
    """

    def __init__(self, env: gymnasium.Env, kind: Hashable) -> None:
        self.env = env
        self.kind = kind
        self.clock = 0
        self.n_steps = 0
        self.free = False

    def reset(self, seed: int) -> Any:
        """Starts an episode, and returns its first observation.

        Raises:
            MisfitError: If the environment returns wrong values.
        """
        self.clock += 1
        self.n_steps = 0
        return first_observation(self.env.reset(seed=seed))

    def step(self, action: Any, seed: int) -> HostStep:
        """Takes one step; if the episode ends, starts the next one with ``seed``.

        Raises:
            MisfitError: If the environment returns wrong values.
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
            # An environment may return its own array, and overwrite it when it is reset.
            obs = copy.deepcopy(obs)
            first = first_observation(self.env.reset(seed=seed))
        return HostStep(obs, reward, terminated, truncated and not terminated, first)


class Held(Protocol):
    """An instance: what is kept of an environment, with its clock; see :class:`Instance`."""

    env: Any
    kind: Hashable
    clock: int
    free: bool


T = TypeVar("T", bound=Held)


class Instances(Generic[T]):
    """Instances by number. New instances replace the least recently used.

    Args:
        instance: Makes an instance of an environment and its kind.
        limit: At most this many are kept.
    """

    def __init__(self, instance: Callable[[Any, Hashable], T], limit: int = MAX_INSTANCES) -> None:
        self._instance = instance
        self._limit = limit
        self._by_number: collections.OrderedDict[int, T] = collections.OrderedDict()
        self._next_number = secrets.randbelow(_FIRST_NUMBERS)
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._by_number)

    def take(
        self,
        kind: Hashable,
        make: Callable[[], Any],
        own: Collection[int] | None = None,
    ) -> tuple[int, T]:
        """A free instance of this kind, or a new one, and its number.

        Args:
            kind: The required kind.
            make: Makes a new instance.
            own: None if further instances may be made. Otherwise the numbers of instances that
                must not be taken; of all others the oldest is taken, even if it is in use, so that
                results do not depend on free ones that earlier environments have left.
        """
        with self._lock:
            number = self._found(kind, own)
            if number is None:
                number = self._add(make(), kind)
            instance = self._by_number[number]
            instance.free = False
            self._by_number.move_to_end(number)
            return number, instance

    def keep(self, kind: Hashable, env: Any) -> None:
        """Keeps an environment that was made for another purpose, as a free instance."""
        with self._lock:
            self._by_number[self._add(env, kind)].free = True

    def _found(self, kind: Hashable, own: Collection[int] | None) -> int | None:
        alike = [(number, i) for number, i in self._by_number.items() if i.kind == kind]
        if own is not None:
            return min((number for number, _ in alike if number not in own), default=None)
        return next((number for number, instance in alike if instance.free), None)

    def _add(self, env: Any, kind: Hashable) -> int:
        number = self._next_number
        self._next_number += 1
        self._by_number[number] = self._instance(env, kind)
        while len(self._by_number) > self._limit:
            self._by_number.popitem(last=False)[1].env.close()
        return number

    def present(self, number: int, clock: int) -> T:
        """The instance of this number, whose clock must have this value.

        Raises:
            StaleEnvironmentError: If it was stepped further, or does not exist any more.
        """
        with self._lock:
            if not self.is_present(number, clock):
                raise StaleEnvironmentError(
                    "This state of an environment on the host is not its current one: a step was "
                    "taken from it already, or the environment was closed. Continue from the state "
                    "that the last step returned, or reset the environment."
                )
            self._by_number.move_to_end(number)
            return self._by_number[number]

    def is_present(self, number: int, clock: int) -> bool:
        """Whether the instance exists, and its clock has this value."""
        instance = self._by_number.get(number)
        return instance is not None and not instance.free and instance.clock == clock

    def release(self, numbers: Iterable[int]) -> None:
        """Marks these instances as free."""
        with self._lock:
            for number in numbers:
                if number in self._by_number:
                    self._by_number[number].free = True

    def discard(self, number: int) -> None:
        """Closes an instance that failed, so that it is never used again."""
        with self._lock:
            found = self._by_number.pop(number, None)
        if found is not None:
            # The failure itself is what the user must see.
            with contextlib.suppress(Exception):
                found.env.close()


#: The instances of this process that are single environments.
INSTANCES = Instances(Instance)
