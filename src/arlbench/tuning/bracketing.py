"""The common parts of the tuners that halve, and of those that train in brackets."""

from __future__ import annotations

import abc
from collections.abc import Collection, Sequence
from typing import ClassVar

from arlbench.tuning.halving import Bracket, Rung, fidelities
from arlbench.tuning.proposal_kinds import make_proposals
from arlbench.tuning.proposing import FromProposals
from arlbench.tuning.space import Space
from arlbench.tuning.trials import Result, Trial


class Halving(FromProposals):
    """The settings of tuners that train many trials for a short time, and the best for longer.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        eta: One in ``eta`` trials of a rung enters the next, which is ``eta`` times as long.
        min_evaluations: The number of evaluations in the shortest trials.
        proposals: Where new configurations come from.
    """

    continues: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        eta: float = 3,
        min_evaluations: int = 1,
        proposals: str = "random",
    ) -> None:
        levels = fidelities(space.problem, eta, min_evaluations)
        super().__init__(space, make_proposals(proposals, space, seed), seed=seed)
        self._eta = eta
        self._levels = levels
        self._begin()

    def _begin(self) -> None:
        """Sets up what the tuner remembers of its trials."""


class Bracketing(Halving):
    """Brackets of successive halving, round after round.

    The brackets of a round run at the same time, so that enough trials are in flight. If proposals
    learn from results, the brackets run one after another instead.
    """

    parallel: ClassVar[int] = 64

    def _begin(self) -> None:
        self._exhausted = False
        self._n_brackets = 0
        self._open: dict[int, Bracket] = {}

    @abc.abstractmethod
    def brackets(self) -> list[list[Rung]]:
        """The brackets of a round."""

    def ask(self, n: int) -> Sequence[Trial]:
        if not self._open and not self._exhausted:
            self._begin_round()
        trials: list[Trial] = []
        for bracket in list(self._open.values()):
            trials += self._ask_bracket(bracket, n - len(trials))
            # If proposals learn, the next bracket waits for the results of this one.
            if len(trials) == n or (self._proposals.learns and not bracket.done):
                break
        self._forget_done()
        return trials

    def _begin_round(self) -> None:
        for rungs in self.brackets():
            self._open[self._n_brackets] = Bracket(rungs, {"bracket": self._n_brackets})
            self._n_brackets += 1

    def _ask_bracket(self, bracket: Bracket, n: int) -> list[Trial]:
        wanted = min(bracket.wanted, n)
        if wanted < 1 or bracket.done:
            return []
        if not bracket.begins:
            return bracket.promote(wanted)
        configs = self._proposals.propose(wanted)
        self._exhausted = len(configs) < wanted
        return bracket.begin(configs, wanted)

    def _forget_done(self) -> None:
        self._open = {number: b for number, b in self._open.items() if not b.done}

    def tell(self, results: Sequence[Result]) -> None:
        self._proposals.learn(results)
        for result in results:
            self._open[result.trial.info["bracket"]].tell(result)
        self._forget_done()

    @property
    def continuable(self) -> Collection[int]:
        return {number for bracket in self._open.values() for number in bracket.continuable}

    @property
    def position(self) -> str:
        if not self._open:
            return ""
        number, bracket = next(iter(self._open.items()))
        return f"bracket {number + 1}, {bracket.position}"
