"""The smallest population that is faster on an accelerator, by hand and by trying all."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.population.speeds import Amounts, Speeds, break_even, fitted

#: On the accelerator n members take 100 + n; on 16 cores they take 50 * n / 16, but at least 50.
SPEEDS = Speeds(overhead=100.0, member=1.0, core=50.0, network_bytes=1_000.0)
AMOUNTS = Amounts(cores=16, devices=1, programs=1, network_bytes=1_000.0)


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        # 100 + 47 > 50 * 47 / 16 = 146.9, and 100 + 48 < 50 * 48 / 16 = 150.
        ({}, 48),
        # Each of two programs takes 100.
        ({"programs": 2}, 95),
        # Two devices take half as long for each member.
        ({"devices": 2}, 39),
        # One core takes 50 per member, for which the accelerator takes 100 + n: 3 * 50 > 103.
        ({"cores": 1}, 3),
        # A core takes twice as long, and so does each member on the accelerator: 100 + 2 * n.
        ({"network_bytes": 2_000.0}, 24),
        # A core takes 250 even for one, and the accelerator 100 + 16 * 5 for as many as cores.
        ({"network_bytes": 5_000.0}, 1),
        # Smaller networks count as those that were measured.
        ({"network_bytes": 10.0}, 48),
        ({"network_bytes": 0.0}, 48),
        # A further member takes 1 on the accelerator, and 50 / 50 on the cores.
        ({"cores": 50}, math.inf),
        ({"cores": 64}, math.inf),
    ],
)
def test_the_number_by_hand(changed: dict[str, float], number: float) -> None:
    assert break_even(SPEEDS, AMOUNTS._replace(**changed)) == number


@given(
    overhead=st.integers(0, 400),
    member=st.integers(0, 20),
    core=st.integers(1, 400),
    cores=st.integers(1, 40),
)
def test_from_the_number_on_the_accelerator_is_never_slower(
    overhead: int, member: int, core: int, cores: int
) -> None:
    speeds = Speeds(overhead, member, core, 1.0)
    number = break_even(speeds, Amounts(cores, 1, 1, 1.0))

    def is_faster(n: int) -> bool:
        # n / (overhead + n * member) >= min(n, cores) / core, in whole numbers
        return n * core >= min(n, cores) * (overhead + n * member)

    every = range(1, 3_000)
    slower = [n for n in every if not is_faster(n)]
    if number == 1:
        # Fewer members than cores are faster, too.
        assert slower == []
    elif math.isinf(number) or number > every[-1]:
        assert slower[-1] == every[-1]
    else:
        assert slower[-1] == number - 1


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
