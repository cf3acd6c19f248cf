"""Evenly spread over the space: a scrambled Sobol sequence."""

from __future__ import annotations

from arlbench.tuning.proposing import Sampling


class Sobol(Sampling):
    """The configurations of ``arlbench sweep --sampler sobol``, in the same order."""

    sampler = "sobol"
