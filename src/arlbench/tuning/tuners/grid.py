"""Every combination of listed values, in order; the study ends with the last."""

from __future__ import annotations

from arlbench.tuning.proposing import Sampling


class Grid(Sampling):
    """The configurations of ``arlbench sweep --sampler grid``, in the same order."""

    sampler = "grid"
    ends = True
