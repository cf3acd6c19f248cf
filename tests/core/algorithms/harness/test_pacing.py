"""Segments keep the host waiting for about the intended time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.algorithms.harness.pacing import SEGMENT_SECONDS, Pacer


@given(
    st.lists(st.floats(0, 100), max_size=20),
    st.integers(1, 10**9),
)
def test_a_segment_has_at_least_one_iteration_and_at_most_what_remains(seconds, remaining):
    pacer = Pacer()
    for took in seconds:
        n = pacer.next_segment(remaining)
        assert 1 <= n <= remaining
        pacer.took(n, took)
    assert 1 <= pacer.next_segment(remaining) <= remaining


@pytest.mark.parametrize("seconds_per_iteration", [2**-20, 2**-10, 2**-6, 2**-3])
def test_segments_soon_take_the_time_they_should(seconds_per_iteration):
    pacer = Pacer()
    for _ in range(10):
        n = pacer.next_segment(10**12)
        pacer.took(n, n * seconds_per_iteration)
    # Powers of two, so that the division is exact: 2**-2 seconds have this many iterations.
    assert SEGMENT_SECONDS == 2**-2
    assert pacer.next_segment(10**12) == 2**-2 / seconds_per_iteration


def test_an_iteration_that_takes_too_long_is_a_segment_of_its_own():
    pacer = Pacer()
    pacer.took(pacer.next_segment(100), 1000.0)
    assert pacer.next_segment(100) == 1


def test_one_fast_segment_makes_the_next_at_most_eight_times_as_long():
    pacer = Pacer(seconds=1.0)
    first = pacer.next_segment(10**9)
    pacer.took(first, 0.0)
    second = pacer.next_segment(10**9)
    assert second == 8 * first
    pacer.took(second, 0.0)
    assert pacer.next_segment(10**9) == 8 * second


def test_it_recovers_from_one_odd_measurement():
    pacer = Pacer(seconds=1.0)
    pacer.took(8, 60.0)
    assert pacer.next_segment(10**9) == 1
    pacer.took(1, 0.01)
    assert pacer.next_segment(10**9) == 64
    pacer.took(64, 0.64)
    assert pacer.next_segment(10**9) == 100


def test_a_short_rest_of_a_run_does_not_shorten_the_next_segments_for_good():
    pacer = Pacer(seconds=1.0)
    pacer.took(1000, 1.0)
    assert pacer.next_segment(3) == 3
    pacer.took(3, 0.003)
    assert pacer.next_segment(10**9) == 64
    pacer.took(64, 0.064)
    assert pacer.next_segment(10**9) == 512
