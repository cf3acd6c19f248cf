"""Asynchronous successive halving, ASHA (Li et al. 2020): it never waits for a rung to end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from arlbench.tuning.bracketing import Halving
from arlbench.tuning.halving import best_of
from arlbench.tuning.trials import Result, Trial


class Asha(Halving):
    """Promotes a trial once it is among the best of its rung; if none is, begins another."""

    asynchronous: ClassVar[bool] = True

    def _begin(self) -> None:
        self._rungs: list[list[Result]] = [[] for _ in self._levels]
        self._promoted: set[int] = set()

    def ask(self, n: int) -> Sequence[Trial]:
        trials: list[Trial] = []
        while len(trials) < n and (trial := self._promotion() or self._beginning()) is not None:
            trials.append(trial)
        return trials

    def _promotion(self) -> Trial | None:
        """The best trial that may be promoted, from the highest such rung; None if none may be."""
        for rung in reversed(range(len(self._levels) - 1)):
            for result in self._best(rung):
                if result.number not in self._promoted:
                    self._promoted.add(result.number)
                    info = {"rung": rung + 1}
                    fidelity = self._levels[rung + 1]
                    return Trial(result.trial.config, fidelity, result.number, info=info)
        return None

    def _best(self, rung: int) -> list[Result]:
        return best_of(self._rungs[rung], int(len(self._rungs[rung]) // self._eta))

    def _beginning(self) -> Trial | None:
        configs = self._proposals.propose(1)
        return Trial(configs[0], self._levels[0], info={"rung": 0}) if configs else None

    def tell(self, results: Sequence[Result]) -> None:
        self._proposals.learn(results)
        for result in results:
            self._rungs[result.trial.info["rung"]].append(result)

    @property
    def continuable(self) -> Collection[int]:
        return {
            result.number
            for results in self._rungs[:-1]
            for result in results
            if result.number not in self._promoted
        }

    @property
    def position(self) -> str:
        return "rungs " + "/".join(str(len(results)) for results in self._rungs)
