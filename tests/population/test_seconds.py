"""Times of members, with clocks that give known readings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from arlbench.population.seconds import SharedSeconds, Stopwatch


def reading(*times: tuple[float, float]) -> Callable[[], tuple[float, float]]:
    """A clock with these readings: the time, and how much of it was compilation."""
    return iter(times).__next__


def test_compilation_is_counted_by_itself() -> None:
    watch = Stopwatch(reading((10.0, 3.0), (15.0, 5.0), (16.0, 5.0)))
    assert watch.seconds == (3.0, 2.0)
    assert watch.seconds == (4.0, 2.0)


def test_compilation_that_began_earlier_counts_at_most_the_time_since_then() -> None:
    watch = Stopwatch(reading((10.0, 3.0), (12.0, 9.0)))
    assert watch.seconds == (0.0, 2.0)


def test_time_is_divided_among_those_that_were_training() -> None:
    clock = reading((0.0, 0.0), (9.0, 3.0), (13.0, 3.0), (14.0, 3.0))
    seconds = SharedSeconds(3, clock)
    seconds.lap(np.array([True, True, True]))  # 6 seconds and 3 of compilation
    seconds.lap(np.array([True, False, True]))  # 4 seconds
    seconds.lap(np.array([True, False, False]))  # 1 second
    assert [seconds.of(i) for i in range(3)] == [(5.0, 1.0), (2.0, 1.0), (4.0, 1.0)]
    total = sum(sum(seconds.of(i)) for i in range(3))
    assert total == pytest.approx(14.0)
