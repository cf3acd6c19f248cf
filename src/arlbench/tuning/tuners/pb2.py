"""Population-based bandits, PB2 (Parker-Holder et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arlbench.errors import ConfigurationError
from arlbench.experiments.space import Range
from arlbench.tuning.drifting import Observations, most_likely, predicted, standardised
from arlbench.tuning.evolving import Evolving, perturbed
from arlbench.tuning.proposals import note_on_independent
from arlbench.tuning.space import Config, Space
from arlbench.tuning.trials import Result

# How many points the next one is chosen from, and how many observations are remembered.
_N_CANDIDATES, _MOST_OBSERVATIONS = 1000, 300


class Pb2(Evolving):
    """Copies of good members, with numbers that a Gaussian process expects to improve most.

    It learns from how much each member's score changed in each step, and forgets with time.
    Numbers are chosen where the upper bound is largest. Choices are copied or drawn again.

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
                "The tuner pb2 needs a hyperparameter with a range; give it one, or take pbt."
            )
        alone = [n for i, n in enumerate(space.names) if i not in self._numbers]
        self.note = note_on_independent([n for n in alone if n not in architecture])
        self._points: list[np.ndarray] = []
        self._times: list[float] = []
        self._changes: list[float] = []
        self._scores: dict[int, float] = {}
        # Expected means of the copies in this generation, so that the copies differ.
        self._expected: list[tuple[np.ndarray, float]] = []

    def learn(self, generation: Sequence[Result]) -> None:
        self._expected = []
        for result in generation:
            before = 0.0 if result.trial.continues is None else self._before(result)
            if math.isfinite(result.score):
                self._points.append(self._point(result.trial.config))
                self._times.append(float(result.trial.info["generation"]))
                self._changes.append(result.score - before)
        self._scores = {result.number: result.score for result in generation}
        for known in (self._points, self._times, self._changes):
            del known[:-_MOST_OBSERVATIONS]  # type: ignore[attr-defined]

    def _before(self, result: Result) -> float:
        trial = result.trial
        parent = trial.continues if trial.network_of is None else trial.network_of
        assert parent is not None
        return self._scores[parent]

    def _point(self, config: Mapping[str, Any]) -> np.ndarray:
        return self.space.point_of(config)[self._numbers]

    def explored(self, source: Result) -> Config:
        # Choices first; a factor of 1 leaves numbers as they are.
        config = perturbed(self.space, source.trial.config, self.rng, (1.0, 1.0), self._resample)
        whole = self.space.point_of(config)
        whole[self._numbers] = self._best_point()
        chosen = self.space.at(whole)
        kept = self.space.problem.algorithm_class.architecture_choices()
        return self.space.complete({**chosen, **{name: config[name] for name in kept}})

    def _best_point(self) -> np.ndarray:
        """The numbers with the largest upper bound ``mean + sqrt(b) deviation``, ``[d]``.

        With ``n`` observations, ``b = 0.2 + max(0, ln(0.4 n))``.
        """
        now = float(self._generation)
        candidates = self.rng.random((_N_CANDIDATES, len(self._numbers)))
        values = standardised(np.array(self._changes))
        known = Observations(np.array(self._points), np.array(self._times), values)
        drift = most_likely(known)
        for point, expected in self._expected:
            known = Observations(
                np.vstack([known.at, point]),
                np.append(known.time, now),
                np.append(known.values, expected),
            )
        wanted = Observations(candidates, np.full(len(candidates), now), np.zeros(len(candidates)))
        mean, deviation = predicted(known, wanted, drift)
        bound = math.sqrt(0.2 + max(0.0, math.log(0.4 * len(known.values))))
        best = int(np.argmax(mean + bound * deviation))
        self._expected.append((candidates[best], float(mean[best])))
        return candidates[best]
