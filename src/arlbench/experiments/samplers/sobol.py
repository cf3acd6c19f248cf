"""Samples spread evenly over the space: a scrambled Sobol sequence (Sobol 1967; Owen 1998)."""

from __future__ import annotations

import numpy as np

from arlbench.experiments.drawing import Drawing


class Sobol(Drawing):
    """The points of a Sobol sequence, scrambled by the seed."""

    def points(self, log2_n: int, n_dimensions: int) -> np.ndarray:
        from scipy.stats import qmc  # slow to import

        rng = np.random.default_rng(self.seed)
        return qmc.Sobol(n_dimensions, rng=rng).random_base2(log2_n)
