"""SMAC3's Hyperband: brackets whose new configurations come from a random forest."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from arlbench.core.checks import positive_whole
from arlbench.tuning.halving import fidelities
from arlbench.tuning.smac_brackets import Proposed, SmacBrackets
from arlbench.tuning.space import Space, key_of
from arlbench.tuning.trials import Result, Trial
from arlbench.tuning.tuner import Tuner


class SmacHyperband(Tuner):
    """SMAC3 with its Hyperband (Lindauer et al. 2022), one rung after another.

    Only trials of one rung are in flight together, so the proposals do not depend on the number
    of trials in flight.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        eta: One in ``eta`` trials of a rung enters the next, which is ``eta`` times as long.
        min_evaluations: The number of evaluations in the shortest trials.
        n_initial: Random configurations before the model begins to propose them, or the first
            rung if that has more.
    """

    version: ClassVar[int] = 2
    parallel: ClassVar[int] = 64
    continues: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        eta: int = 3,
        min_evaluations: int = 1,
        n_initial: int = 10,
    ) -> None:
        super().__init__(space, seed=seed)
        eta = positive_whole("eta", eta)
        self._levels = fidelities(space.problem, eta, min_evaluations)
        n = positive_whole("n_initial", n_initial)
        self._search = SmacBrackets(space, seed, eta, len(self._levels), n)
        self._in_flight: dict[tuple[Any, ...], list[Proposed]] = {}
        # The last result of each configuration in the present bracket.
        self._bracket = 0
        self._ended: dict[tuple[Any, ...], Result] = {}

    def ask(self, n: int) -> Sequence[Trial]:
        trials: list[Trial] = []
        while len(trials) < n and (proposed := self._search.ask()) is not None:
            if proposed.place.bracket != self._bracket:
                self._bracket, self._ended = proposed.place.bracket, {}
            before = self._ended.get(key_of(proposed.config))
            if before is not None and not math.isfinite(before.score):
                # It would diverge again, at the same step.
                self._search.tell(proposed, before.score)
                continue
            self._in_flight.setdefault(key_of(proposed.config), []).append(proposed)
            trials.append(self._trial(proposed, before))
        return trials

    def _trial(self, proposed: Proposed, before: Result | None) -> Trial:
        config, place, _ = proposed
        info = {"bracket": place.bracket, "rung": place.rung}
        fidelity = self._levels[place.level]
        # SMAC3 may treat two configurations as different although they are equal after rounding.
        is_shorter = before is not None and (before.trial.fidelity or 0) < fidelity
        parent = before.number if before is not None and is_shorter else None
        return Trial(config, fidelity, parent, info=info)

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            key = key_of(result.trial.config)
            self._search.tell(self._in_flight[key].pop(0), result.score)
            self._ended[key] = result

    @property
    def continuable(self) -> Collection[int]:
        return {r.number for r in self._ended.values() if self._may_continue(r)}

    def _may_continue(self, result: Result) -> bool:
        """Whether its rung has not been decided yet, or its promotion was not asked for yet."""
        place = self._search.place
        if place is None or not math.isfinite(result.score):
            return False
        here = result.trial.info == {"bracket": place.bracket, "rung": place.rung}
        return (here and not place.is_last) or self._search.awaits(dict(result.trial.config))

    @property
    def position(self) -> str:
        place = self._search.place
        if place is None:
            return ""
        n_rungs = len(self._levels) - place.level + place.rung
        return f"bracket {place.bracket + 1}, rung {place.rung + 1} of {n_rungs}"
