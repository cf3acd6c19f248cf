"""Many runs from one compilation: every configuration with every seed, on all cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arlbench.core.lazy_imports import public_names
from arlbench.population.workers import use_cores

if TYPE_CHECKING:
    from arlbench.population.members import (
        MemberId,
        MemberProgress,
        MemberResult,
        PopulationProgress,
        PopulationResult,
    )
    from arlbench.population.ray_cluster import leave_ray, use_ray
    from arlbench.population.saving import MemberSaving
    from arlbench.population.state import PopulationState
    from arlbench.population.training import train_population

__all__ = [
    "MemberId",
    "MemberProgress",
    "MemberResult",
    "MemberSaving",
    "PopulationProgress",
    "PopulationResult",
    "PopulationState",
    "leave_ray",
    "train_population",
    "use_cores",
    "use_ray",
]

# Imported when first used, so that workers can start before JAX is imported.
__getattr__ = public_names(
    __name__,
    {
        "MemberId": "arlbench.population.members",
        "MemberProgress": "arlbench.population.members",
        "MemberResult": "arlbench.population.members",
        "MemberSaving": "arlbench.population.saving",
        "PopulationProgress": "arlbench.population.members",
        "PopulationResult": "arlbench.population.members",
        "PopulationState": "arlbench.population.state",
        "leave_ray": "arlbench.population.ray_cluster",
        "train_population": "arlbench.population.training",
        "use_ray": "arlbench.population.ray_cluster",
    },
)
