"""Bayesian optimisation with a Gaussian process, by Optuna."""

from __future__ import annotations

from typing import ClassVar

from arlbench.core.checks import positive_whole
from arlbench.tuning import optuna_search
from arlbench.tuning.proposing import Proposing
from arlbench.tuning.space import Space


class Gp(Proposing):
    """Optuna's Gaussian process, jointly over all hyperparameters, choices included.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        n_startup_trials: The number of random trials before it begins to learn from results.
    """

    parallel: ClassVar[int] = 4

    def __init__(self, space: Space, *, seed: int = 0, n_startup_trials: int = 10) -> None:
        n = positive_whole("n_startup_trials", n_startup_trials)
        super().__init__(space, optuna_search.Gp(space, seed, n), seed=seed)
