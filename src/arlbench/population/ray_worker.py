"""This process's side of an actor, with the methods of a worker process on this machine."""

from __future__ import annotations

import collections
import contextlib
import pickle
from collections.abc import Callable
from typing import Any, Protocol

from arlbench.errors import CheckpointError
from arlbench.population.members import MemberTask
from arlbench.population.messages import Failed, Notice, Setup, Stop
from arlbench.population.ray_versions import Versions
from arlbench.population.travelling import SAVING, Parcel, keep, sent_with

# How long a call to an actor waits for messages. Progress can wait that long.
_WAIT_SECONDS = 0.5


class Flag(Protocol):
    """Says that waiting is not useful any more."""

    def is_set(self) -> bool: ...


class RayWorker:
    """One actor, which trains members elsewhere.

    Args:
        ray: The module.
        start_actor: Starts an actor.
        check: Called with the versions that it has; raises if they differ.

    Attributes:
        alive: Whether it may be used; True until it is found to be dead.
    """

    def __init__(
        self, ray: Any, start_actor: Callable[[], Any], check: Callable[[Versions], None]
    ) -> None:
        self._ray = ray
        self._check = check
        self._actor = start_actor()
        self._started = self._actor.start.remote()
        self._task: MemberTask | None = None
        self._inbox: collections.deque[Any] = collections.deque()
        self.is_ready = False
        self.alive = True

    def wait_until_ready(self, stop: Flag) -> bool:
        """Waits until the actor has been started somewhere; False if ``stop`` came first.

        Raises:
            EOFError: If it cannot be started.
            ConfigurationError: If it is on a machine with other versions of packages.
        """
        while not self.is_ready:
            if stop.is_set():
                return False
            with self._watched():
                done, _ = self._ray.wait([self._started], timeout=_WAIT_SECONDS)
                if done:
                    self._check(self._ray.get(self._started))
                    self.is_ready = True
            self._require_life()
        return True

    def wait_for_message(self, stop: Flag) -> bool:
        """Waits until it has sent something or ended; False if ``stop`` is set first."""
        while not self._inbox and self.alive:
            if stop.is_set():
                return False
            self._exchange()
        return True

    def send(self, message: tuple[Setup, MemberTask] | Stop) -> None:
        """Sends a request to stop, or a task with the checkpoints from which it begins."""
        if isinstance(message, Stop):
            self._exchange(stop=True, wait_seconds=0.0)
            return
        setup, task = message
        self._task = task
        try:
            parcels = sent_with(task)
        except CheckpointError as error:
            self._inbox.append(Failed.of(error))
            return
        self._exchange(pickle.dumps((setup.elsewhere(), task, parcels)), wait_seconds=0.0)

    def receive(self) -> Any:
        """Waits for a message. Checkpoints are written to their folders, and not returned.

        Raises:
            EOFError: If the worker has ended.
        """
        while True:
            while not self._inbox:
                self._require_life()
                self._exchange()
            message = self._inbox.popleft()
            if isinstance(message, Parcel):
                message = self._kept(message)
            if message is not _NOTHING:
                return message

    def close(self) -> None:
        """Ends the actor, and what it is training."""
        self.alive = False
        # If the cluster is gone, then so is the actor.
        with contextlib.suppress(Exception):
            self._ray.kill(self._actor)

    def _kept(self, parcel: Parcel) -> Any:
        """Writes a checkpoint into its folder; returns a message if that fails."""
        assert self._task is not None
        try:
            keep(parcel, self._task)
        except CheckpointError as error:
            if parcel.purpose == SAVING:
                return Notice(f"{error} Earlier checkpoints are complete.")
            # Its other messages will not be read.
            self.close()
            return Failed.of(error)
        return _NOTHING

    def _exchange(
        self, task: bytes | None = None, stop: bool = False, wait_seconds: float = _WAIT_SECONDS
    ) -> None:
        with self._watched():
            call = self._actor.exchange.remote(task, stop, wait_seconds)
            self._inbox += [pickle.loads(message) for message in self._ray.get(call)]

    @contextlib.contextmanager
    def _watched(self) -> Any:
        """Notices that the actor has ended, or that the cluster cannot be reached."""
        try:
            yield
        except (self._ray.exceptions.RayError, ConnectionError):
            self.alive = False

    def _require_life(self) -> None:
        if not self.alive:
            raise EOFError


_NOTHING = object()
