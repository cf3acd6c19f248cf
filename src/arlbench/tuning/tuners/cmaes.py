"""Covariance matrix adaptation (CMA-ES), by Optuna."""

from __future__ import annotations

from arlbench.tuning import optuna_search
from arlbench.tuning.proposing import Proposing
from arlbench.tuning.space import Space


class CmaEs(Proposing):
    """Optuna's sampler CMA-ES; choices are drawn independently.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
    """

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, optuna_search.CmaEs(space, seed), seed=seed)
