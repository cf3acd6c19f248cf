"""The time that members take, with compilation counted separately."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from arlbench.core.algorithms.measured import Seconds
from arlbench.core.stopwatch import process_clock

#: Returns the time now, and the time spent on compilation so far.
Clock = Callable[[], tuple[float, float]]


def _clock() -> tuple[float, float]:
    return time.perf_counter(), process_clock().seconds


def _between(begin: tuple[float, float], end: tuple[float, float]) -> Seconds:
    # Compilation in other threads is reported when it ends, and may have begun before ``begin``.
    whole = end[0] - begin[0]
    compiling = min(end[1] - begin[1], whole)
    return Seconds(whole - compiling, compiling)


class Stopwatch:
    """Splits the time since it was made into training and compilation."""

    def __init__(self, clock: Clock = _clock) -> None:
        self._clock = clock
        self._begin = clock()

    @property
    def seconds(self) -> Seconds:
        """The time since it was made."""
        return _between(self._begin, self._clock())


class SharedSeconds:
    """Divides time among the members that train together, until each of them ends.

    Args:
        n_members: The number of members.
        clock: The clock to read.
    """

    def __init__(self, n_members: int, clock: Clock = _clock) -> None:
        self._clock = clock
        self._last = clock()
        self._seconds = np.zeros((n_members, len(Seconds._fields)))

    def lap(self, training: np.ndarray) -> None:
        """Divides the time since the last lap among the members that were training, ``[M]``."""
        now = self._clock()
        lap, self._last = _between(self._last, now), now
        self._seconds[training] += np.array(lap) / max(int(training.sum()), 1)

    def of(self, index: int) -> Seconds:
        """The time of one member so far."""
        return Seconds(*map(float, self._seconds[index]))
