"""Independent samples, uniform over the space."""

from __future__ import annotations

import numpy as np

from arlbench.experiments.drawing import Drawing


class Random(Drawing):
    """Independent uniform points."""

    def points(self, log2_n: int, n_dimensions: int) -> np.ndarray:
        return np.random.default_rng(self.seed).random((2**log2_n, n_dimensions))
