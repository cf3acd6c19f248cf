"""Whether a population is faster on the cores, by hand and within limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.population.speeds import (
    Resources,
    Speeds,
    Workload,
    break_even,
    cores_are_faster,
    fitted,
    rough_seconds_on_cores,
)

#: On the accelerator n members take 100 + n; on 16 cores they take 50 each, 16 at a time.
SPEEDS = Speeds(overhead=100.0, member=1.0, core=50.0, network_bytes=1_000.0)


def alike(n_members: int, n_programs: int = 1, network_bytes: float = 1_000.0) -> Workload:
    """Members of each program that have equal work."""
    return Workload([[1.0] * n_members] * n_programs, network_bytes)


@pytest.mark.parametrize(
    ("workload", "cores", "devices", "faster"),
    [
        # 2 * 50 < 100 + 32, but 3 * 50 > 100 + 33.
        (alike(32), 16, 1, True),
        (alike(33), 16, 1, False),
        # Two programs, each of which takes 100 + 24: 3 * 50 < 2 * 124.
        (alike(24, 2), 16, 1, True),
        # 2 * 50 on 20 cores, and 100 + 40 on one device.
        (alike(40), 20, 1, True),
        # 6 * 50 on 42 cores; 100 + 251 on one device, and 100 + 251 / 2 on two.
        (alike(251), 42, 1, True),
        (alike(251), 42, 2, False),
        # One core: 2 * 50 < 102, but 3 * 50 > 103.
        (alike(2), 1, 1, True),
        (alike(3), 1, 1, False),
        # A core takes twice as long, and so does each member on the accelerator: 100 < 100 + 2 * n.
        (alike(16, network_bytes=2_000.0), 16, 1, True),
        (alike(17, network_bytes=2_000.0), 16, 1, False),
        # A core takes 650 even for one, and the accelerator 100 + 13 * n, however many cores.
        (alike(1, network_bytes=13_000.0), 64, 1, False),
        (alike(42, network_bytes=13_000.0), 64, 1, False),
        (alike(43, network_bytes=13_000.0), 64, 1, True),
        # Smaller networks count as those that were measured.
        (alike(32, network_bytes=10.0), 16, 1, True),
        (alike(33, network_bytes=0.0), 16, 1, False),
        # Nothing is to be trained.
        (alike(0, 0), 16, 1, False),
    ],
)
def test_what_is_faster_by_hand(workload: Workload, cores: int, devices: int, faster: bool) -> None:
    assert cores_are_faster(SPEEDS, workload, Resources(cores, devices)) is faster


def test_members_of_different_lengths_wait_for_the_longest_in_a_batch_only() -> None:
    # 100 * (100 + 100) in a batch; on the cores the 99 short ones end long before the long one.
    one_long = Workload([[100.0] + [1.0] * 99], 1_000.0)
    assert cores_are_faster(SPEEDS, one_long, Resources(16, 1))
    assert not cores_are_faster(SPEEDS, alike(100), Resources(16, 1))


@given(
    costs=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=9), min_size=1, max_size=3),
    cores=st.integers(1, 8),
)
def test_the_core_that_ends_last_is_within_its_limits(costs: list[list[int]], cores: int) -> None:
    """Longest first takes at least the mean and the longest, and at most their sum."""
    members = [cost for of_one in costs for cost in of_one]
    least = max(*members, sum(members) / cores)
    most = sum(members) / cores + max(members)
    for limit, faster in ((least * 0.99, False), (most * 1.01, True)):
        # The batch takes the limit, whatever its members.
        speeds = Speeds(limit / sum(max(of_one) for of_one in costs), 0.0, 1.0, 1.0)
        assert cores_are_faster(speeds, Workload(costs, 1.0), Resources(cores, 1)) is faster


@pytest.mark.parametrize(
    ("cores", "devices", "number"),
    [
        # 100 + 47 > 50 * 47 / 16 = 146.9, and 100 + 48 < 50 * 48 / 16 = 150.
        (16, 1, 48),
        # Two devices take half as long for each member.
        (16, 2, 39),
        # One core takes 50 per member, for which the accelerator takes 100 + n: 3 * 50 > 103.
        (1, 1, 3),
        # A further member takes 1 on the accelerator, and 50 / 50 on the cores.
        (50, 1, math.inf),
        (64, 1, math.inf),
    ],
)
def test_the_number_by_hand(cores: int, devices: int, number: float) -> None:
    assert break_even(SPEEDS, Resources(cores, devices)) == number


def test_a_line_through_two_timings() -> None:
    # 10 for any number, and 0.5 for each member.
    assert fitted((20, 20.0), (100, 60.0)) == (10.0, 0.5)


def test_timings_that_are_disturbed_are_not_negative() -> None:
    assert fitted((20, 30.0), (100, 20.0)) == (30.0, 0.0)
    assert fitted((20, 1.0), (100, 100.0)) == (0.0, 99.0 / 80.0)


@pytest.mark.parametrize(
    ("changed", "plausible"),
    [
        ({}, True),
        ({"overhead": 0.0, "member": 0.0}, True),
        ({"core": 0.0}, False),
        ({"member": -1.0}, False),
        ({"network_bytes": 0.0}, False),
        ({"overhead": math.nan}, False),
        ({"core": math.inf}, False),
    ],
)
def test_what_can_be_speeds(changed: dict[str, float], plausible: bool) -> None:
    assert SPEEDS._replace(**changed).plausible is plausible


@pytest.mark.parametrize(
    ("workload", "cores", "seconds"),
    [
        # A unit takes 2 microseconds, and 33 members make 3 turns on 16 cores.
        (Workload([[1e6] * 33], 18_440), 16, 6.0),
        # The longest members come first: 5 and 3 + 2 units on two cores.
        (Workload([[2e6, 5e6], [3e6]], 1_000), 2, 10.0),
        # Networks of four times the usual size.
        (Workload([[1e6]], 2**17), 8, 8.0),
        (Workload([], 0.0), 8, 0.0),
    ],
)
def test_rough_seconds_follow_from_work_and_size(
    workload: Workload, cores: int, seconds: float
) -> None:
    assert rough_seconds_on_cores(workload, Resources(cores, 1)) == pytest.approx(seconds)
