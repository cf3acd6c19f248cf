"""Runs work in its own thread, so that Ctrl-C works while something compiles."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Generic, NoReturn, TypeVar

import typer

Result = TypeVar("Result")

#: How long the work may take to notice a request to stop, in seconds.
GRACE_SECONDS = 0.8

#: How long it may then take to save what it has.
SAVING_SECONDS = 120.0

_POLL_SECONDS = 0.05


class StoppableWork(Generic[Result]):
    """Runs a function until it is done, or until the user stops it.

    Attributes:
        stop: Set when the work should save what it has and return.
        noticed: Set by the work when it has noticed the request and begins to save.
        signal: The number of the signal that requested the stop; 0 before.
    """

    def __init__(self, work: Callable[[], Result]) -> None:
        self.stop = threading.Event()
        self.noticed = threading.Event()
        self.signal = 0
        self._work = work
        self._result: list[Result] = []
        self._error: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Starts the work; from now on Ctrl-C and SIGTERM ask it to stop."""
        signal.signal(signal.SIGINT, self._ask_to_stop)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        self._thread.start()

    def finish(self) -> Result | None:
        """Waits for the result; None if the work did not stop in time.

        Raises:
            BaseException: Whatever the work raised.
        """
        while self._thread.is_alive() and not self.stop.is_set():
            self._thread.join(_POLL_SECONDS)
        self._thread.join(GRACE_SECONDS)
        if self.noticed.is_set():
            self._thread.join(SAVING_SECONDS)
        if self._error:
            raise self._error[0]
        return self._result[0] if self._result else None

    def leave(self, at_once: bool) -> NoReturn:
        """Ends the process with the exit code of a command that a signal stopped.

        Args:
            at_once: Whether the thread did not stop. It is then compiling or playing, which nothing
                can interrupt, and has nothing to save.
        """
        code = 128 + self.signal
        if at_once:
            os._exit(code)
        raise typer.Exit(code)

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:
            self._error.append(error)

    def wants_to_stop(self) -> bool:
        """Whether the work should save and return; the work calls this now and then."""
        if self.stop.is_set():
            self.noticed.set()
        return self.stop.is_set()

    def _ask_to_stop(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        self.stop.set()
