"""Checks at the edge: what a caller asks of a population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ConfigSpace import Configuration

from arlbench.core.checks import positive_whole, seed_in_range
from arlbench.errors import ConfigurationError


def plain(config: Configuration | Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as a dict."""
    if not isinstance(config, Mapping):
        raise ConfigurationError(
            f"configs must hold configurations or mappings, not a {type(config).__name__}."
        )
    return dict(config)


def non_empty(name: str, given: Sequence[Any]) -> Sequence[Any]:
    """What was given, if it is something."""
    if len(given) == 0:
        raise ConfigurationError(f"{name} is empty; give at least one.")
    return given


def seeds_in_range(seeds: Sequence[int]) -> list[int]:
    """The seeds, if random keys can be made of them."""
    return [seed_in_range(seed) for seed in non_empty("seeds", seeds)]


def seeds_of_each(
    seeds: Sequence[int] | Sequence[Sequence[int]], n_configs: int
) -> list[list[int]]:
    """Seeds for each configuration, ``[n_configs, n_seeds]``."""
    if not isinstance(non_empty("seeds", seeds)[0], (Sequence, np.ndarray)):
        return [seeds_in_range(seeds)] * n_configs  # type: ignore[arg-type]
    each = [seeds_in_range(of_one) for of_one in seeds]  # type: ignore[arg-type]
    if len(each) != n_configs or len({len(of_one) for of_one in each}) > 1:
        raise ConfigurationError(
            f"seeds has {len(each)} lists for {n_configs} configurations; give one for each, all "
            "of one length, or a single list for all."
        )
    return each


def timesteps_of_each(given: int | float | Sequence[int | float], n_configs: int) -> list[int]:
    """Environment steps for each configuration, ``[n_configs]``."""
    each = list(given) if isinstance(given, (Sequence, np.ndarray)) else [given] * n_configs
    if len(each) != n_configs:
        raise ConfigurationError(
            f"n_total_timesteps has {len(each)} entries for {n_configs} configurations; give one "
            "for each, or a single number."
        )
    return [positive_whole("n_total_timesteps", timesteps) for timesteps in each]


def whole_or_none(name: str, value: int | float | None) -> int | None:
    """The value as an int, if it is one at all."""
    return None if value is None else positive_whole(name, value)
