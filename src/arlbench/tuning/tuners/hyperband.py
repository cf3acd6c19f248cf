"""Hyperband (Li et al. 2018): brackets from many short trials to few long ones."""

from __future__ import annotations

from arlbench.tuning.bracketing import Bracketing
from arlbench.tuning.halving import Rung, hyperband_brackets


class Hyperband(Bracketing):
    """All brackets, from the most aggressive to one without halving, round after round."""

    def brackets(self) -> list[list[Rung]]:
        return hyperband_brackets(self._levels, self._eta)
