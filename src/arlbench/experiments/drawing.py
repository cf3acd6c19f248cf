"""The base of samplers that draw from the space: it turns points in a cube into configurations."""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from arlbench.errors import ConfigurationError
from arlbench.experiments.sampler import Sampler, check_count
from arlbench.experiments.space import Choices, Range, SearchSpace, search_space

Config = dict[str, Any]

# How often the number of points is doubled at most. In a small space, many points give the same
# configuration, so more points are needed than configurations.
_DOUBLINGS = 6


class Drawing(Sampler):
    """Distinct configurations from the published space, narrowed by the user's arguments."""

    @abc.abstractmethod
    def points(self, log2_n: int, n_dimensions: int) -> np.ndarray:
        """The first ``2**log2_n`` points ``[2**log2_n, n_dimensions]`` of a sequence in [0, 1)."""

    def first(self, n: int) -> list[Config]:
        check_count(n)
        space = search_space(self.problem, self.words)
        self.note, self.searched = space.note, tuple(space.varied)
        start = math.ceil(math.log2(n))
        configs: list[Config] = []
        for log2_n in range(start, start + _DOUBLINGS + 1):
            points = self.points(log2_n, len(space.varied))
            drawn = (self.problem.resolve(_at(space, point)) for point in points)
            configs = list(itertools.islice(distinct(drawn), n))
            if len(configs) == n:
                return configs
        raise ConfigurationError(
            f"Only {len(configs)} different configurations were found instead of {n}; lower "
            "n_configs, widen the space, or use the sampler grid."
        )


def value_at(dimension: Choices | Range, u: float) -> Any:
    """The value at ``u`` in [0, 1); each value has a part of this interval, by its probability."""
    if isinstance(dimension, Choices):
        return dimension.values[int(u * len(dimension.values))]
    if dimension.is_whole:
        # Extended by half a step at both ends, so that the ends are as likely as other values.
        whole = round(_between(dimension.low - 0.5, dimension.high + 0.5, u, dimension.log))
        return min(max(whole, dimension.low), dimension.high)
    value = _between(dimension.low, dimension.high, u, dimension.log)
    return min(max(value, dimension.low), dimension.high)


def distinct(configs: Iterable[Config]) -> Iterator[Config]:
    """The configurations without repetitions."""
    seen = set()
    for config in configs:
        key = tuple(config.values())
        if key not in seen:
            seen.add(key)
            yield config


def _between(low: float, high: float, u: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
    return low + u * (high - low)


def _at(space: SearchSpace, point: np.ndarray) -> Config:
    values = {
        name: value_at(dimension, float(u))
        for (name, dimension), u in zip(space.varied.items(), point, strict=True)
    }
    return {**space.fixed, **values}
