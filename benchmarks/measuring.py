"""Timing for a machine whose speed changes: variants take turns; medians and ratios are used."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Samples = dict[str, list[float]]


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock seconds of one call, which must wait for its own results."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def interleaved(variants: Mapping[str, Callable[[], float]], n_repeats: int) -> Samples:
    """Measures every variant once in each round: A B C A B C, and so on.

    Args:
        variants: Functions that measure something and return it.
        n_repeats: Rounds.
    """
    samples: Samples = {name: [] for name in variants}
    for _ in range(n_repeats):
        for name, measure in variants.items():
            samples[name].append(measure())
    return samples


def ratio(samples: Samples, name: str, reference: str) -> float:
    """The median over rounds of ``name / reference``.

    Both values of a round were measured at nearly the same time, so a slow phase of the machine
    mostly affects both.
    """
    pairs = zip(samples[name], samples[reference], strict=True)
    return statistics.median(a / b for a, b in pairs)


def summary(values: list[float]) -> dict[str, object]:
    """Median, smallest and largest value, and the values themselves."""
    return {
        "median": statistics.median(values),
        "smallest": min(values),
        "largest": max(values),
        "values": values,
    }
