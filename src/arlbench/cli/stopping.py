"""Runs work in its own thread, so that Ctrl-C works while something compiles."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Generic, NoReturn, TypeVar

import typer

Result = TypeVar("Result")

#: How long the work may take to notice a request to stop, in seconds.
GRACE_SECONDS = 0.8

#: How long it may then take to save what it has, unless its progress would be lost otherwise.
SAVING_SECONDS = 120.0

_POLL_SECONDS = 0.05


class StoppableWork(Generic[Result]):
    """Runs a function until it is done, or until the user stops it.

    Args:
        work: The function.
        on_wait: Called if the work takes longer than ``GRACE_SECONDS`` to stop. It may then take as
            long as it needs, because its progress would be lost otherwise; a second signal ends the
            wait. None for work that saves nothing, or only what has ended: it must notice the
            request within ``GRACE_SECONDS``.

    Attributes:
        stop: Set when the work should save what it has and return.
        begun: Set when the work has progress that it can save.
        noticed: Set by the work when it has noticed the request and begins to save.
        signal: The number of the signal that requested the stop; 0 before.
    """

    def __init__(
        self, work: Callable[[], Result], on_wait: Callable[[], None] | None = None
    ) -> None:
        self.stop = threading.Event()
        self.noticed = threading.Event()
        self.begun = threading.Event()
        self.signal = 0
        self._work = work
        self._on_wait = on_wait
        # Set when the user does not wait until the work has saved its progress.
        self._insisted = threading.Event()
        self._handlers: dict[int, Any] = {}
        self._result: list[Result] = []
        self._error: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Starts the work; until it has finished, Ctrl-C and SIGTERM ask it to stop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._ask_to_stop)
        self._thread.start()

    def finish(self) -> Result | None:
        """Waits for the result; None if the work did not stop in time.

        Raises:
            BaseException: Whatever the work raised.
        """
        try:
            self._wait_until(self.stop.is_set)
            self._thread.join(GRACE_SECONDS)
            # Signals so close together are one request: some launchers pass on the Ctrl-C that the
            # terminal sends to the command too.
            self._insisted.clear()
            self._wait_for_saving()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        if self._error:
            raise self._error[0]
        return self._result[0] if self._result else None

    def _wait_for_saving(self) -> None:
        """Waits while the work saves, at most until the user insists on leaving."""
        if self._on_wait is not None and self.begun.is_set():
            if self._thread.is_alive():
                self._on_wait()
            self._wait_until(self._insisted.is_set)
        elif self.noticed.is_set():
            latest = time.monotonic() + SAVING_SECONDS
            self._wait_until(lambda: self._insisted.is_set() or time.monotonic() > latest)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits until the work is done or the condition holds."""
        while self._thread.is_alive() and not condition():
            self._thread.join(_POLL_SECONDS)

    def leave(self, at_once: bool) -> NoReturn:
        """Ends the process with the exit code of a command that a signal stopped.

        Args:
            at_once: Whether the thread did not stop. It is then compiling or playing, which nothing
                can interrupt, and has nothing to save, or the user does not want to wait for it.
        """
        code = 128 + self.signal
        if at_once:
            # This leaves without writing what is still in the buffers.
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(code)
        raise typer.Exit(code)

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:
            self._error.append(error)

    def wants_to_stop(self) -> bool:
        """Whether the work should save and return; the work calls this now and then."""
        self.begun.set()
        if self.stop.is_set():
            self.noticed.set()
        return self.stop.is_set()

    def _ask_to_stop(self, number: int, _: FrameType | None) -> None:
        if self.stop.is_set():
            self._insisted.set()
            return
        self.signal = number
        self.stop.set()
