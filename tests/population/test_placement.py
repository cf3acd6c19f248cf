"""Placement is decided in one place, according to a table."""

from __future__ import annotations

import pytest

from arlbench.errors import ConfigurationError
from arlbench.population.placement import choose_placement


@pytest.mark.parametrize(
    ("asked", "uses_host", "on_cpu", "placement"),
    [
        ("auto", False, True, "sequential"),
        ("auto", False, False, "batched"),
        ("auto", True, True, "sequential"),
        ("auto", True, False, "sequential"),
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
    assert choose_placement(asked, uses_host, on_cpu) == placement


@pytest.mark.parametrize("on_cpu", [True, False])
def test_environments_in_python_are_not_batched(on_cpu: bool) -> None:
    with pytest.raises(ConfigurationError, match="an environment steps in Python; leave placement"):
        choose_placement("batched", True, on_cpu)


def test_a_placement_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'auto', 'sequential' or 'batched', not 'spread'"):
        choose_placement("spread", False, True)
