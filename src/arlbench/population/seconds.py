"""How long members took, compilation counted by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from arlbench.core.algorithms.measured import Seconds
from arlbench.core.stopwatch import process_clock

#: The time now, and the time spent on compilation so far.
Clock = Callable[[], tuple[float, float]]


def _clock() -> tuple[float, float]:
    return time.perf_counter(), process_clock().seconds


class Stopwatch:
    """Splits the time since it was made into training and compilation."""

    def __init__(self, clock: Clock = _clock) -> None:
        self._clock = clock
        self._begin, self._compiled_before = clock()

    @property
    def seconds(self) -> Seconds:
        """The time since it was made."""
        now, compiled = self._clock()
        compiling = compiled - self._compiled_before
        return Seconds(max(now - self._begin - compiling, 0.0), compiling)


class SharedSeconds:
    """Divides time among the members that train together, until each one's end.

    Args:
        n_members: How many they are.
        clock: Where to read the time.
    """

    def __init__(self, n_members: int, clock: Clock = _clock) -> None:
        self._clock = clock
        self._watch = Stopwatch(clock)
        self._seconds = np.zeros((n_members, len(Seconds._fields)))

    def lap(self, training: np.ndarray) -> None:
        """Divides the time since the last lap among the members that were training, ``[M]``."""
        lap, self._watch = self._watch.seconds, Stopwatch(self._clock)
        self._seconds[training] += np.array(lap) / max(int(training.sum()), 1)

    def of(self, index: int) -> Seconds:
        """The time of one member so far."""
        return Seconds(*map(float, self._seconds[index]))
