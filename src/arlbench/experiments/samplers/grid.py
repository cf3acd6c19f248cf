"""Every combination of the listed values; other hyperparameters have the problem's values."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.config_spaces import Where
from arlbench.experiments.drawing import distinct
from arlbench.experiments.sampler import Sampler, check_count
from arlbench.experiments.space import listed_values


class Grid(Sampler):
    """Every combination; the last argument varies fastest."""

    takes_count = False

    def __init__(
        self, problem: Problem, words: Where, *, seed: int = 0, file: str | Path | None = None
    ) -> None:
        super().__init__(problem, words, seed=seed, file=file)
        listed = listed_values(self.problem, self.words)
        check_count(math.prod(len(values) for values in listed.values()))
        combinations = (
            dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())
        )
        self._configs = list(distinct(self.problem.resolve(values) for values in combinations))

    @property
    def n_trials(self) -> int:
        return len(self._configs)

    def first(self, n: int) -> list[dict[str, Any]]:
        if n > self.n_trials:
            raise ConfigurationError(
                f"The grid has {self.n_trials} configurations, fewer than {n}; list more values."
            )
        return self._configs[:n]
