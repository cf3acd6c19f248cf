"""Configurations drawn from a search space: by Sobol's sequence, at random, or all of them.

The first ``n`` configurations are the same however many are drawn.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from arlbench.core.checks import positive_whole
from arlbench.errors import ConfigurationError, did_you_mean
from arlbench.sweeps.space import Choices, Range, SearchSpace, complete, listed_values, search_space

Config = dict[str, Any]

#: The first ``2**log2_n`` points ``[2**log2_n, n_dimensions]`` of a sequence in [0, 1).
Points = Callable[[int, int, int], np.ndarray]

#: More than this is a slip of the hand.
MAX_CONFIGS = 100_000

# Where few values are left, many points give the same configuration.
_DOUBLINGS = 6


def sobol_points(log2_n: int, n_dimensions: int, seed: int) -> np.ndarray:
    """Scrambled points of Sobol's sequence (Sobol 1967; Owen 1998)."""
    from scipy.stats import qmc

    return qmc.Sobol(n_dimensions, rng=np.random.default_rng(seed)).random_base2(log2_n)


def random_points(log2_n: int, n_dimensions: int, seed: int) -> np.ndarray:
    """Independent uniform points."""
    return np.random.default_rng(seed).random((2**log2_n, n_dimensions))


SEQUENCES: Mapping[str, Points] = {"sobol": sobol_points, "random": random_points}

#: What ``--sampler`` can be.
SAMPLERS = (*SEQUENCES, "grid", "file")


def check_sampler(name: str) -> str:
    """The name of a sampler, if there is one.

    Raises:
        ConfigurationError: If there is none.
    """
    if name not in SAMPLERS:
        raise ConfigurationError(
            f"Unknown sampler '{name}'.{did_you_mean(name, SAMPLERS)} There are "
            f"{', '.join(SAMPLERS)}."
        )
    return name


def draw(sampler: str, words: Mapping[str, str], n_configs: int, seed: int) -> list[Config]:
    """Different configurations from the published space, narrowed by words.

    Args:
        sampler: A name in ``SEQUENCES``.
        words: ``VALUE``, ``LOW..HIGH`` or ``a,b,c`` by hyperparameter.
        n_configs: How many.
        seed: Of the sequence.

    Raises:
        ConfigurationError: If a word is impossible, or the space holds fewer.
    """
    n_configs = _check_count(positive_whole("n_configs", n_configs))
    if not 0 <= seed < 2**32:
        raise ConfigurationError(f"The sampler's seed must lie in 0 to 2**32 - 1, not be {seed}.")
    space = search_space(words)
    start = math.ceil(math.log2(n_configs))
    configs: list[Config] = []
    for log2_n in range(start, start + _DOUBLINGS + 1):
        points = SEQUENCES[sampler](log2_n, len(space.varied), seed)
        configs = list(itertools.islice(_distinct(_at(space, p) for p in points), n_configs))
        if len(configs) == n_configs:
            return configs
    raise ConfigurationError(
        f"Only {len(configs)} different configurations were found, and {n_configs} are wanted; "
        "lower n_configs, widen the space, or take the sampler grid."
    )


def grid(words: Mapping[str, str]) -> list[Config]:
    """Every combination of the listed values; what is not named has its default.

    Raises:
        ConfigurationError: If a word is impossible, or there are none or too many.
    """
    listed = listed_values(words)
    _check_count(math.prod(len(values) for values in listed.values()))
    combinations = itertools.product(*listed.values())
    return list(_distinct(complete(dict(zip(listed, c, strict=True))) for c in combinations))


def value_at(dimension: Choices | Range, u: float) -> Any:
    """The value at ``u`` in [0, 1): equal parts of [0, 1) for equally likely values."""
    if isinstance(dimension, Choices):
        return dimension.values[int(u * len(dimension.values))]
    if isinstance(dimension.low, int) and isinstance(dimension.high, int):
        # Half a step beyond both ends, so that they are as likely as their neighbours.
        whole = round(_between(dimension.low - 0.5, dimension.high + 0.5, u, dimension.log))
        return min(max(whole, dimension.low), dimension.high)
    value = _between(dimension.low, dimension.high, u, dimension.log)
    return min(max(value, dimension.low), dimension.high)


def _between(low: float, high: float, u: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
    return low + u * (high - low)


def _at(space: SearchSpace, point: np.ndarray) -> Config:
    values = {
        name: value_at(dimension, float(u))
        for (name, dimension), u in zip(space.varied.items(), point, strict=True)
    }
    return complete({**space.fixed, **values})


def _distinct(configs: Iterable[Config]) -> Iterable[Config]:
    seen = set()
    for config in configs:
        key = tuple(config.values())
        if key not in seen:
            seen.add(key)
            yield config


def _check_count(n_configs: int) -> int:
    if n_configs > MAX_CONFIGS:
        raise ConfigurationError(
            f"{n_configs} configurations are more than {MAX_CONFIGS}; take fewer."
        )
    return n_configs
