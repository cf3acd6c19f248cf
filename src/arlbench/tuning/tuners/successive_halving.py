"""Successive halving (Jamieson and Talwalkar 2016): the most aggressive bracket, repeatedly."""

from __future__ import annotations

import math
from typing import Any

from arlbench.core.checks import positive_whole
from arlbench.tuning.bracketing import Bracketing
from arlbench.tuning.halving import Rung, bracket_rungs
from arlbench.tuning.space import Space


class SuccessiveHalving(Bracketing):
    """One bracket, begun again when it has ended.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        n_configs: Configurations of a bracket; None takes as many as leave one trial at the end.
        **others: Settings of :class:`Halving`.
    """

    def __init__(
        self, space: Space, *, seed: int = 0, n_configs: int | None = None, **others: Any
    ) -> None:
        super().__init__(space, seed=seed, **others)
        whole = math.ceil(self._eta ** (len(self._levels) - 1))
        self._n_configs = whole if n_configs is None else positive_whole("n_configs", n_configs)

    def brackets(self) -> list[list[Rung]]:
        return [bracket_rungs(self._n_configs, self._levels, self._eta)]
