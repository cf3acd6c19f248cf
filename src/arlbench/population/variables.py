"""Checks the environment variables of populations before anything is trained or written."""

from __future__ import annotations

from arlbench.core.checks import whole_from_environment
from arlbench.population.break_even import BREAK_EVEN_VARIABLE
from arlbench.population.workers import CORES_VARIABLE


def check_variables() -> None:
    """Checks the environment variables of populations, also those that this machine does not use.

    Raises:
        ConfigurationError: If one is not a whole number of at least 1.
    """
    for name in (CORES_VARIABLE, BREAK_EVEN_VARIABLE):
        whole_from_environment(name)
