"""Successive halving (Jamieson and Talwalkar 2016): the most aggressive bracket, repeatedly."""

from __future__ import annotations

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
        eta: One in ``eta`` trials of a rung enters the next, which is ``eta`` times as long.
        min_evaluations: The number of evaluations in the shortest trials.
        proposals: Where new configurations come from.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        n_configs: int | None = None,
        eta: int = 3,
        min_evaluations: int = 1,
        proposals: str = "random",
    ) -> None:
        super().__init__(
            space, seed=seed, eta=eta, min_evaluations=min_evaluations, proposals=proposals
        )
        whole = eta ** (len(self._levels) - 1)
        self._n_configs = whole if n_configs is None else positive_whole("n_configs", n_configs)

    def brackets(self) -> list[list[Rung]]:
        return [bracket_rungs(self._n_configs, self._levels, self._eta)]
