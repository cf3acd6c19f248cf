"""The best trial at each moment, and the schedule with which it can be trained again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from arlbench.tuning.trials import Result


class Segment(NamedTuple):
    """A part of a training run under one configuration.

    Attributes:
        config: The whole configuration.
        until: The environment step, counted from step 0, at which the part ends.
    """

    config: Mapping[str, Any]
    until: int


def incumbents(results: Iterable[Result]) -> list[Result]:
    """The trials that were the best at some moment, in order; the last one is the incumbent.

    A trial with a larger fidelity than all before it always becomes the best, because scores of
    different fidelities are not compared. A trial that diverged never becomes the best.
    """
    found: list[Result] = []
    for result in results:
        if math.isfinite(result.score) and (not found or _is_better(result, found[-1])):
            found.append(result)
    return found


def _is_better(result: Result, than: Result) -> bool:
    here, there = result.trial.fidelity or 0, than.trial.fidelity or 0
    return here > there or (here == there and result.score > than.score)


def ranked(results: Iterable[Result]) -> list[Result]:
    """The trials by fidelity, then by score; the best first, without those that diverged."""
    finite = [result for result in results if math.isfinite(result.score)]
    return sorted(finite, key=lambda r: (-(r.trial.fidelity or 0), -r.score, r.number))


def comparable(results: Sequence[Result]) -> list[Result]:
    """The incumbents that have the same fidelity as the last one."""
    return [r for r in results if r.trial.fidelity == results[-1].trial.fidelity]


def schedule_of(result: Result, results: Mapping[int, Result]) -> list[Segment]:
    """The configurations under which the network of a trial was trained, from step 0 on.

    Args:
        result: The result of the trial.
        results: The results of all trials that it descends from, by number.
    """
    segments: list[Segment] = []
    at: Result | None = result
    while at is not None:
        trial = at.trial
        assert trial.fidelity is not None, "a trial that was asked for has a fidelity"
        if not segments or dict(segments[0].config) != dict(trial.config):
            segments.insert(0, Segment(trial.config, trial.fidelity))
        parent = trial.continues if trial.network_of is None else trial.network_of
        at = None if parent is None else results[parent]
    return segments
