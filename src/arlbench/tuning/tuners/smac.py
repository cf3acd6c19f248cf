"""SMAC3's search by a random forest (Lindauer et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from arlbench.core.checks import positive_whole
from arlbench.tuning import smac_search
from arlbench.tuning.proposing import Proposing
from arlbench.tuning.space import Space


class Smac(Proposing):
    """SMAC3, one trial at a time unless the study says otherwise.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        n_initial: Configurations of a Sobol design before the model begins to propose them.
    """

    version: ClassVar[int] = 2
    parallel: ClassVar[int] = 1

    def __init__(self, space: Space, *, seed: int = 0, n_initial: int = 10) -> None:
        n = positive_whole("n_initial", n_initial)
        super().__init__(space, smac_search.Smac(space, seed, n), seed=seed)
