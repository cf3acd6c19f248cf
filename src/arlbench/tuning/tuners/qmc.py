"""Quasi-random points, by Optuna."""

from __future__ import annotations

from typing import ClassVar

from arlbench.tuning import optuna_search
from arlbench.tuning.proposing import Proposing
from arlbench.tuning.space import Space


class Qmc(Proposing):
    """Optuna's quasi-random sampler; the first trial is drawn independently.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
    """

    parallel: ClassVar[int] = 64

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, optuna_search.Qmc(space, seed), seed=seed)
