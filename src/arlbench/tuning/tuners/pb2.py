"""Population-based bandits, PB2 (Parker-Holder et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from arlbench.errors import ConfigurationError
from arlbench.experiments.space import Range
from arlbench.tuning.drifting import Drift, Observations, most_likely, predicted, standardised
from arlbench.tuning.evolving import Evolving, perturbed
from arlbench.tuning.proposals import note_on_independent
from arlbench.tuning.space import Config, Space
from arlbench.tuning.trials import Result

# The number of points from which one is chosen, and of observations that are remembered.
_N_CANDIDATES, _MOST_OBSERVATIONS = 1000, 300


class Change(NamedTuple):
    """How much a member's score changed in a generation.

    Attributes:
        point: The member's numbers, in the unit cube, ``[d]``.
        time: The generation.
        before: Its score before.
        change: Its score afterwards minus the one before.
    """

    point: np.ndarray
    time: float
    before: float
    change: float


class Process(NamedTuple):
    """The Gaussian process with which the numbers of a generation's copies are chosen.

    Attributes:
        known: The changes, at the numbers and the score before, all in the unit interval.
        drift: The assumptions under which they are most likely.
        befores: The scores before, ``[n]``.
    """

    known: Observations
    drift: Drift
    befores: np.ndarray


class Pb2(Evolving):
    """Copies of good members, for which a Gaussian process chooses promising numbers.

    It learns from how much each member's score changed in each generation, which depends on the
    score before as well, and it forgets with time. Numbers are chosen where the upper bound is
    largest, and at random for the first copies. Choices are copied or drawn again.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        **others: Settings of :class:`Evolving`; ``resample`` is for choices.
    """

    def __init__(self, space: Space, *, seed: int = 0, **others: Any) -> None:
        super().__init__(space, seed=seed, **others)
        architecture = space.problem.algorithm_class.architecture_choices()
        names = [n for n, where in space.varied.items() if isinstance(where, Range)]
        self._numbers = [space.names.index(n) for n in names if n not in architecture]
        if not self._numbers:
            raise ConfigurationError(
                "The tuner pb2 needs a hyperparameter with a range; give it one, or use pbt."
            )
        alone = [n for i, n in enumerate(space.names) if i not in self._numbers]
        self.note = note_on_independent([n for n in alone if n not in architecture])
        self._changes: list[Change] = []
        self._process: Process | None = None
        self._scores: dict[int, float] = {}
        # Points and expected changes of the copies in this generation, so that the copies differ.
        self._expected: list[tuple[np.ndarray, float]] = []

    def learn(self, generation: Sequence[Result]) -> None:
        self._expected = []
        for result in generation:
            before = self._before(result)
            if before is not None and math.isfinite(result.score):
                time = float(result.trial.info["generation"])
                point = self._point(result.trial.config)
                self._changes.append(Change(point, time, before, result.score - before))
        self._scores = {result.number: result.score for result in generation}
        del self._changes[:-_MOST_OBSERVATIONS]
        self._process = _process_of(self._changes) if self._changes else None

    def _before(self, result: Result) -> float | None:
        """The score of what a member continued; None if it began at step 0."""
        trial = result.trial
        parent = trial.continues if trial.network_of is None else trial.network_of
        return None if parent is None else self._scores[parent]

    def _point(self, config: Mapping[str, Any]) -> np.ndarray:
        return self.space.point_of(config)[self._numbers]

    def explored(self, source: Result) -> Config:
        # Choices first; a factor of 1 leaves numbers as they are.
        config = perturbed(self.space, source.trial.config, self.rng, (1.0, 1.0), self._resample)
        whole = self.space.point_of(config)
        whole[self._numbers] = self._best_point(source.score)
        chosen = self.space.at(whole)
        kept = self.space.problem.algorithm_class.architecture_choices()
        return self.space.complete({**chosen, **{name: config[name] for name in kept}})

    def _best_point(self, score: float) -> np.ndarray:
        """The numbers with the largest upper bound ``mean + sqrt(b) deviation``, ``[d]``.

        With ``n`` observations, ``b = 0.2 + max(0, ln(0.4 n))``.

        Args:
            score: The score of the member that is copied.
        """
        candidates = self.rng.random((_N_CANDIDATES, len(self._numbers)))
        if self._process is None:
            return candidates[0]
        known, drift, befores = self._process
        now, place = float(self._generation), _between(befores, score)
        for point, expected in self._expected:
            known = Observations(
                np.vstack([known.at, point]),
                np.append(known.time, now),
                np.append(known.values, expected),
            )
        points = np.column_stack([candidates, np.repeat(place, len(candidates))])
        wanted = Observations(points, np.full(len(points), now), np.zeros(len(points)))
        mean, deviation = predicted(known, wanted, drift)
        bound = math.sqrt(0.2 + max(0.0, math.log(0.4 * len(known.values))))
        best = int(np.argmax(mean + bound * deviation))
        self._expected.append((points[best], float(mean[best])))
        return candidates[best]


def _process_of(changes: Sequence[Change]) -> Process:
    befores = np.array([change.before for change in changes])
    known = Observations(
        np.column_stack([[change.point for change in changes], _between(befores, befores)]),
        np.array([change.time for change in changes]),
        standardised(np.array([change.change for change in changes])),
    )
    return Process(known, most_likely(known), befores)


def _between(befores: np.ndarray, scores: Any) -> np.ndarray:
    """Where scores lie between the smallest and the largest known one, from 0 to 1."""
    return np.interp(scores, [befores.min(), befores.max() + 1e-9], [0.0, 1.0])
