"""Where the time of a run goes."""

from __future__ import annotations

import functools
import time
from types import TracebackType
from typing import Self

import jax

_COMPILATION_PREFIX = "/jax/core/compile/"


class CompilationClock:
    """Measures how long JAX traces and compiles, from its own reports.

    Reports overlap, because tracing one function traces others; what counts is the time
    that at least one of them covers. A clock listens until it is closed, as it is at the
    end of a ``with`` block.
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
        """Stops listening, for good; what was measured stays. Closing again does nothing."""
        if self._is_open:
            jax.monitoring.unregister_event_duration_listener(self._listen)
            self._is_open = False

    def _listen(self, event: str, duration_secs: float, **_: object) -> None:
        if event.startswith(_COMPILATION_PREFIX):
            self.add(time.perf_counter(), duration_secs)

    def add(self, end: float, duration: float) -> None:
        """Takes in a report that ended now; a later report may contain earlier ones."""
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
    """One clock that is never closed; a span of time is the difference of two readings."""
    return CompilationClock()
