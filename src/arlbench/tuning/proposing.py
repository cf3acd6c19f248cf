"""Tuners that train every trial to its end, and take all configurations from proposals."""

from __future__ import annotations

from collections.abc import Sequence

from arlbench.tuning.proposals import Proposals
from arlbench.tuning.space import Space
from arlbench.tuning.trials import Result, Trial
from arlbench.tuning.tuner import Tuner


class Proposing(Tuner):
    """A tuner that takes its configurations from proposals.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        proposals: Where configurations come from.
    """

    def __init__(self, space: Space, proposals: Proposals, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._proposals = proposals
        self.note = proposals.note

    def ask(self, n: int) -> Sequence[Trial]:
        return [Trial(config) for config in self._proposals.propose(n)]

    def tell(self, results: Sequence[Result]) -> None:
        self._proposals.learn(results)
