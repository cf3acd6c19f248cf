"""What runs on the other side of Ray: an actor that trains one member at a time.

Ray's calls to the actor are short, because the member trains in another thread. This module
imports neither JAX nor Ray, so that settings can be made before JAX is imported.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arlbench.population.ray_versions import Versions, how_to_find_versions

if TYPE_CHECKING:
    from arlbench.population.members import MemberTask
    from arlbench.population.messages import Answer, Setup
    from arlbench.population.travelling import Parcel


class Trainer:
    """Trains members in a thread, and keeps its messages until they are fetched.

    Args:
        environ: Environment variables that results depend on.
        search_path: Where the sender finds modules; folders that exist here are added.
    """

    def __init__(self, environ: Mapping[str, str], search_path: Sequence[str]) -> None:
        os.environ.update(environ)
        known = set(sys.path)
        sys.path += [path for path in search_path if path not in known and os.path.isdir(path)]
        # None ends the current member; everything else is a packed task.
        self._inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._outbox = _Outbox()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def start(self) -> Versions:
        """The versions of packages on this machine; the answer shows that the actor exists."""
        return how_to_find_versions()()

    def exchange(self, task: bytes | None, stop: bool, wait_seconds: float) -> list[bytes]:
        """Takes a packed task or a request to stop; waits for messages, and returns them packed.

        Raises:
            EOFError: If the thread has ended.
        """
        if task is not None or stop:
            self._inbox.put(task)
        messages = self._outbox.take(wait_seconds)
        if not messages and not self._thread.is_alive():
            raise EOFError
        return [pickle.dumps(message) for message in messages]

    def _serve(self) -> None:
        from arlbench.population.messages import Failed
        from arlbench.population.worker import ignore_known_warnings

        ignore_known_warnings()
        while True:
            if (packed := self._inbox.get()) is not None:
                try:
                    self._outbox.put(*self._trained(*pickle.loads(packed)))
                except Exception as error:
                    self._outbox.put(Failed.of(error))

    def _trained(
        self, setup: Setup, task: MemberTask, parcels: tuple[Parcel, ...]
    ) -> tuple[Parcel | Answer, ...]:
        """Trains a member; returns its last checkpoints, and then its answer."""
        from arlbench.population.messages import Failed, Notice
        from arlbench.population.sequential import Listener
        from arlbench.population.travelling import Lodging
        from arlbench.population.worker import answer

        with contextlib.closing(Lodging(task, parcels)) as lodging:

            def on_progress(progress: Any) -> bool:
                self._outbox.put(*lodging.news())
                self._outbox.put_latest(progress)
                # Only an idle worker receives a task, so any message is a request to stop.
                return not self._inbox.empty()

            def on_notice(sentence: str) -> None:
                self._outbox.put(Notice(lodging.at_home(sentence)))

            last = answer(setup, lodging.task, Listener(on_progress, on_notice))
            if isinstance(last, Failed):
                last = last._replace(message=lodging.at_home(last.message))
            return *lodging.news(), last


class _Outbox:
    """Messages that wait to be fetched."""

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._latest: list[Any] = []
        self._changed = threading.Condition()

    def put(self, *messages: Any) -> None:
        """Adds messages, and wakes the call that waits for them."""
        with self._changed:
            if messages:
                self._messages += [*self._latest, *messages]
                self._latest = []
                self._changed.notify_all()

    def put_latest(self, progress: Any) -> None:
        """Adds a message that replaces the previous one of its kind, and wakes no call."""
        with self._changed:
            self._latest = [progress]

    def take(self, wait_seconds: float) -> list[Any]:
        """Waits for messages from :meth:`put`; returns all messages."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages, wait_seconds)
            taken = [*self._messages, *self._latest]
            self._messages, self._latest = [], []
        return taken
