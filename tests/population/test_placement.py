"""Placement is decided in one place, according to a table."""

from __future__ import annotations

import pytest

from arlbench.errors import ConfigurationError
from arlbench.population.placement import choose_placement


def must_not_be_asked() -> bool:
    raise AssertionError("The answer does not depend on the speed of the cores.")


@pytest.mark.parametrize(
    ("asked", "uses_host", "on_cpu", "placement"),
    [
        ("auto", False, True, "sequential"),
        ("auto", True, True, "sequential"),
        ("auto", True, False, "cores"),
        ("cores", False, True, "sequential"),
        ("cores", True, True, "sequential"),
        ("cores", False, False, "cores"),
        ("cores", True, False, "cores"),
        ("sequential", False, True, "sequential"),
        ("sequential", False, False, "sequential"),
        ("sequential", True, False, "sequential"),
        ("mapped", False, False, "sequential"),
        ("mapped", True, True, "sequential"),
        ("batched", False, True, "batched"),
        ("batched", False, False, "batched"),
    ],
)
def test_members_are_placed(asked: str, uses_host: bool, on_cpu: bool, placement: str) -> None:
    assert choose_placement(asked, uses_host, on_cpu, must_not_be_asked) == placement


@pytest.mark.parametrize(("faster", "placement"), [(True, "cores"), (False, "batched")])
def test_on_an_accelerator_the_faster_placement_is_chosen(faster: bool, placement: str) -> None:
    assert choose_placement("auto", False, False, lambda: faster) == placement


@pytest.mark.parametrize("on_cpu", [True, False])
def test_environments_in_python_are_not_batched(on_cpu: bool) -> None:
    with pytest.raises(ConfigurationError, match="an environment steps in Python; leave placement"):
        choose_placement("batched", True, on_cpu, must_not_be_asked)


def test_a_placement_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'cores' or 'batched', not 'spread'"):
        choose_placement("spread", False, True, must_not_be_asked)
