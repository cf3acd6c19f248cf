"""Measures how the time of a run is spent."""

from __future__ import annotations

import functools
import time
from types import TracebackType
from typing import Self

import jax

_COMPILATION_PREFIX = "/jax/core/compile/"


class CompilationClock:
    """Measures how long JAX traces and compiles, from JAX's own reports.

    Reports overlap, because tracing one function traces others. The clock counts the time that
    is covered by at least one of them. It listens until it is closed, for example at the end of
    a ``with`` block.
    """

    def __init__(self) -> None:
        self._intervals: list[tuple[float, float]] = []
        self._is_open = True
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops listening permanently; the measured time is kept. Closing again does nothing."""
        if self._is_open:
            jax.monitoring.unregister_event_duration_listener(self._listen)
            self._is_open = False

    def _listen(self, event: str, duration_secs: float, **_: object) -> None:
        if event.startswith(_COMPILATION_PREFIX):
            self.add(time.perf_counter(), duration_secs)

    def add(self, end: float, duration: float) -> None:
        """Adds a report of ``duration`` seconds until ``end``; it may include earlier reports."""
        begin = end - duration
        while self._intervals and self._intervals[-1][0] >= begin:
            self._intervals.pop()
        if self._intervals:
            begin = max(begin, self._intervals[-1][1])
        self._intervals.append((begin, end))

    @property
    def seconds(self) -> float:
        """Seconds spent on compilation since this clock was made, until it was closed."""
        return sum(end - begin for begin, end in self._intervals)


@functools.cache
def process_clock() -> CompilationClock:
    """A shared clock that is never closed; intervals are differences of two readings."""
    return CompilationClock()
