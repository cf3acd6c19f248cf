"""Where the time of a run goes."""

from __future__ import annotations

import functools
import time

import jax

_COMPILATION_PREFIX = "/jax/core/compile/"


class CompilationClock:
    """Measures how long JAX traces and compiles, from its own reports.

    Reports overlap, because tracing one function traces others; what counts is the time
    that at least one of them covers.
    """

    def __init__(self) -> None:
        self._intervals: list[tuple[float, float]] = []
        jax.monitoring.register_event_duration_secs_listener(self._listen)

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
        """Seconds spent on compilation since this clock was made."""
        return sum(end - begin for begin, end in self._intervals)


@functools.cache
def process_clock() -> CompilationClock:
    """One clock for the whole process: JAX cannot forget a listener."""
    return CompilationClock()
