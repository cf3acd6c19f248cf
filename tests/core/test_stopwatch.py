"""Time that at least one report covers, counted once."""

from __future__ import annotations

import pytest

from arlbench.core.stopwatch import CompilationClock


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], 0.0),
        ([(5.0, 2.0)], 2.0),
        # Two apart: [3, 5] and [6, 7].
        ([(5.0, 2.0), (7.0, 1.0)], 3.0),
        # [3, 4] and [4, 5] lie within [2, 6], which is reported last.
        ([(4.0, 1.0), (5.0, 1.0), (6.0, 4.0)], 4.0),
        # [1, 4] and [3, 6] overlap: [1, 6].
        ([(4.0, 3.0), (6.0, 3.0)], 5.0),
    ],
)
def test_overlapping_reports_count_once(reports, expected) -> None:
    clock = CompilationClock()
    for end, duration in reports:
        clock.add(end, duration)
    assert clock.seconds == pytest.approx(expected)


def test_a_compilation_is_noticed() -> None:
    import jax

    clock = CompilationClock()
    assert clock.seconds == 0.0
    jax.jit(lambda x: x * 3.25 + 1)(2.0)
    assert clock.seconds > 0.0
