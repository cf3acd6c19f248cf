"""Schedules of configurations, trained again with other seeds."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from arlbench.core import files
from arlbench.tuning.incumbents import Segment
from arlbench.tuning.states import States
from arlbench.tuning.training import Training, TrainingCallbacks
from arlbench.tuning.trials import Result, Trial


def train_again(
    schedules: Mapping[int, Sequence[Segment]],
    seeds: Sequence[int],
    training: Callable[[States | None], Training],
    callbacks: TrainingCallbacks,
    folder: Path,
) -> bool:
    """Trains schedules from step 0, side by side, one segment of each at a time.

    Args:
        schedules: The schedules, by the numbers of their trials.
        seeds: The seeds with which each schedule is trained.
        training: Makes what trains, given the states of trials, or None for no states.
        callbacks: The functions to call; ``on_result`` with the last segment of each schedule,
            under the schedule's number.
        folder: A folder for the states of trials, which is removed before and afterwards.

    Returns:
        Whether all have ended; False if it was stopped.
    """
    longest = max(map(len, schedules.values()), default=0)
    results: dict[int, Result] = {}
    with _temporary_states(folder) as states:
        trainer = training(states if longest > 1 else None)
        for place in range(longest):
            trials = {
                number: _segment_trial(number, place, segments, longest)
                for number, segments in schedules.items()
                if place < len(segments)
                and (place == 0 or _number(number, place - 1, longest) in results)
            }
            whole = trainer.run(list(trials.values()), results, _keeping(results, callbacks), seeds)
            if not whole:
                return False
            for number, trial in trials.items():
                result = results[trial.number]
                if place == len(schedules[number]) - 1 or result.status == "diverged":
                    callbacks.on_result(result._replace(trial=trial._replace(number=number)))
                    # Nothing continues it.
                    del results[trial.number]
            states.keep_only(t.number for t in trials.values() if t.number in results)
    return True


@contextlib.contextmanager
def _temporary_states(folder: Path) -> Iterator[States]:
    """States in a folder that is removed afterwards, and before if a killed process left it."""
    files.remove(folder)
    try:
        # Each is removed when it has been continued, so their size is not limited.
        yield States(folder, math.inf)
    finally:
        files.remove(folder)


def _number(number: int, place: int, longest: int) -> int:
    return number * longest + place


def _segment_trial(number: int, place: int, segments: Sequence[Segment], longest: int) -> Trial:
    config, until = segments[place]
    before = None if place == 0 else _number(number, place - 1, longest)
    return Trial(config, until, before, number=_number(number, place, longest))


def _keeping(results: dict[int, Result], callbacks: TrainingCallbacks) -> TrainingCallbacks:
    def keep(result: Result) -> None:
        results[result.number] = result

    return callbacks._replace(on_result=keep)
