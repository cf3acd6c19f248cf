"""Many runs from one compilation: every configuration with every seed, on every core."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from arlbench.population.workers import use_cores

if TYPE_CHECKING:
    from arlbench.population.members import (
        MemberResult,
        PopulationProgress,
        PopulationResult,
    )
    from arlbench.population.state import PopulationState
    from arlbench.population.training import train_population

__all__ = [
    "MemberResult",
    "PopulationProgress",
    "PopulationResult",
    "PopulationState",
    "train_population",
    "use_cores",
]

_HOMES = {
    "MemberResult": "members",
    "PopulationProgress": "members",
    "PopulationResult": "members",
    "PopulationState": "state",
    "train_population": "training",
}


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use, so that workers can start before JAX is imported."""
    if name not in _HOMES:
        raise AttributeError(f"module 'arlbench.population' has no attribute '{name}'")
    return getattr(importlib.import_module(f"arlbench.population.{_HOMES[name]}"), name)
