"""Time that at least one report covers, counted once."""

from __future__ import annotations

import jax
import pytest
from jax._src import monitoring

from arlbench.core.stopwatch import CompilationClock, process_clock


def n_listeners() -> int:
    """The number of listeners to JAX's reports of durations."""
    return len(monitoring.get_event_duration_listeners())


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], 0.0),
        ([(5.0, 2.0)], 2.0),
        # Two separate intervals: [3, 5] and [6, 7].
        ([(5.0, 2.0), (7.0, 1.0)], 3.0),
        # [3, 4] and [4, 5] lie within [2, 6], which is reported last.
        ([(4.0, 1.0), (5.0, 1.0), (6.0, 4.0)], 4.0),
        # [1, 4] and [3, 6] overlap: [1, 6].
        ([(4.0, 3.0), (6.0, 3.0)], 5.0),
    ],
)
def test_overlapping_reports_count_once(reports, expected) -> None:
    with CompilationClock() as clock:
        for end, duration in reports:
            clock.add(end, duration)
    assert clock.seconds == pytest.approx(expected)


def test_a_compilation_is_noticed() -> None:
    with CompilationClock() as clock:
        assert clock.seconds == 0.0
        jax.jit(lambda x: x * 3.25 + 1)(2.0)
        assert clock.seconds > 0.0


def test_a_closed_clock_stands_still() -> None:
    before = n_listeners()
    with CompilationClock() as clock:
        assert n_listeners() == before + 1
    assert n_listeners() == before
    clock.close()
    jax.jit(lambda x: x * 4.25 + 1)(2.0)
    assert clock.seconds == 0.0


def test_a_clock_is_closed_when_an_error_ends_its_block() -> None:
    before = n_listeners()
    with pytest.raises(RuntimeError), CompilationClock():
        raise RuntimeError
    assert n_listeners() == before


def test_the_clock_of_the_process_is_one() -> None:
    clock, before = process_clock(), n_listeners()
    assert process_clock() is clock
    assert n_listeners() == before
