"""Independent and uniform over the space."""

from __future__ import annotations

from arlbench.tuning.proposing import Sampling


class Random(Sampling):
    """The configurations of ``arlbench sweep --sampler random``, in the same order."""

    sampler = "random"
