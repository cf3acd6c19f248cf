"""Brackets of successive halving (Jamieson and Talwalkar 2016), and their arithmetic.

A bracket trains many configurations for a short time, the best of them for longer, and so
on. Its fidelities are numbers of evaluations, so every trial ends with an evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from arlbench.core.checks import finite, positive_whole
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.tuning.space import Config
from arlbench.tuning.trials import Result, Trial, fidelity_after


class Rung(NamedTuple):
    """One level of a bracket.

    Attributes:
        n: The largest number of trials in it.
        fidelity: Environment steps, counted from step 0, at which they end.
    """

    n: int
    fidelity: int


def fidelities(problem: Problem, eta: float, min_evaluations: int) -> list[int]:
    """The fidelities of a problem in ascending order: its length, divided by ``eta`` repeatedly.

    Args:
        problem: The problem, whose evaluations are the units.
        eta: The factor between one fidelity and the next, more than 1.
        min_evaluations: The smallest fidelity, in evaluations.

    Raises:
        ConfigurationError: If a setting is impossible, or only one fidelity results.
    """
    total, n_evaluations = problem.n_total_timesteps, problem.n_eval_steps
    least = positive_whole("min_evaluations", min_evaluations)
    if finite("eta", eta) <= 1:
        raise ConfigurationError(f"eta must be more than 1, not {eta}.")
    counts: list[int] = []
    divisor: float = 1
    while (count := round(n_evaluations / divisor)) >= least and count not in counts:
        counts.append(count)
        divisor *= eta
    if len(counts) < 2:
        raise ConfigurationError(
            f"With evaluations={n_evaluations} and min_evaluations={least}, all trials have the "
            f"same length; evaluate more often, such as {math.ceil(least * eta**2)} times, or "
            "lower eta or min_evaluations."
        )
    return [fidelity_after(count, total, n_evaluations) for count in reversed(counts)]


def hyperband_brackets(levels: Sequence[int], eta: float) -> list[list[Rung]]:
    """The brackets of one round of Hyperband (Li et al. 2018), the most aggressive first.

    Args:
        levels: Fidelities in ascending order.
        eta: One in ``eta`` trials of a rung enters the next.
    """
    n_levels = len(levels)
    brackets = []
    for s in reversed(range(n_levels)):
        n = math.ceil(n_levels / (s + 1) * eta**s)
        brackets.append(bracket_rungs(n, levels[n_levels - 1 - s :], eta))
    return brackets


def bracket_rungs(n: int, levels: Sequence[int], eta: float) -> list[Rung]:
    """The rungs of a bracket that begins with ``n`` trials; rungs without trials are left out."""
    rungs = [Rung(int(n // eta**i), fidelity) for i, fidelity in enumerate(levels)]
    return [rung for rung in rungs if rung.n]


class Bracket:
    """A bracket under way, one rung after another.

    Args:
        rungs: Its rungs, in order.
        info: JSON values that mark its trials.
    """

    def __init__(self, rungs: Sequence[Rung], info: dict[str, Any]) -> None:
        self._rungs = list(rungs)
        self._info = info
        self._rung = 0
        self._asked = 0
        self._promoted: list[Result] = []
        self._results: list[Result] = []
        self._n_here = self._rungs[0].n

    @property
    def wanted(self) -> int:
        """How many trials of the current rung have not been asked for yet."""
        return self._n_here - self._asked

    @property
    def begins(self) -> bool:
        """Whether its next trials need new configurations."""
        return self._rung == 0

    @property
    def done(self) -> bool:
        """Whether all its trials have ended."""
        return self._rung == len(self._rungs)

    @property
    def position(self) -> str:
        """The current rung, in words."""
        return f"rung {min(self._rung + 1, len(self._rungs))} of {len(self._rungs)}"

    @property
    def continuable(self) -> Collection[int]:
        """Trials that may still be continued."""
        waiting = self._promoted[self._asked :] if self._rung else []
        return [result.number for result in (*waiting, *self._results)]

    def begin(self, configs: Sequence[Config], n_wanted: int) -> list[Trial]:
        """Trials of new configurations; the rung is smaller if fewer are given than wanted."""
        if len(configs) < n_wanted:
            self._n_here = self._asked + len(configs)
        self._asked += len(configs)
        fidelity = self._rungs[0].fidelity
        trials = [Trial(config, fidelity, info={**self._info, "rung": 0}) for config in configs]
        self._advance()
        return trials

    def promote(self, n: int) -> list[Trial]:
        """Up to ``n`` trials that continue the best ones of the previous rung."""
        chosen = self._promoted[self._asked : self._asked + n]
        self._asked += len(chosen)
        fidelity, info = self._rungs[self._rung].fidelity, {**self._info, "rung": self._rung}
        return [Trial(result.trial.config, fidelity, result.number, info=info) for result in chosen]

    def tell(self, result: Result) -> None:
        """Takes the result of one of its trials."""
        self._results.append(result)
        self._advance()

    def _advance(self) -> None:
        """Begins the next rung once all trials of the current one have ended."""
        while not self.done and len(self._results) == self._n_here:
            self._rung += 1
            n = 0 if self.done else self._rungs[self._rung].n
            self._promoted = best_of(self._results, n)
            self._results, self._asked, self._n_here = [], 0, len(self._promoted)
            if not self._promoted:
                self._rung = len(self._rungs)


def best_of(results: Iterable[Result], n: int) -> list[Result]:
    """The ``n`` best results that did not diverge; of equal ones, the earlier is better."""
    finite = [result for result in results if math.isfinite(result.score)]
    return sorted(finite, key=lambda result: (-result.score, result.number))[:n]
