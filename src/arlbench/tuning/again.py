"""Schedules of configurations, trained again with other seeds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from arlbench.tuning.incumbents import Segment
from arlbench.tuning.states import States
from arlbench.tuning.training import Hearing, Training
from arlbench.tuning.trials import Result, Trial


def train_again(
    schedules: Mapping[int, Sequence[Segment]],
    seeds: Sequence[int],
    training: Callable[[States | None], Training],
    hearing: Hearing,
) -> bool:
    """Trains schedules from step 0, side by side, one segment of each at a time.

    Args:
        schedules: The schedules, by the numbers of their trials.
        seeds: The seeds with which each schedule is trained.
        training: Makes what trains, given the states of trials, or None for no states.
        hearing: Is told of the last segment of each schedule, under the schedule's number.

    Returns:
        Whether all have ended; False if it was stopped.
    """
    with tempfile.TemporaryDirectory(prefix="arlbench-") as folder:
        longest = max(map(len, schedules.values()), default=0)
        # States exist only until this call ends, so their size is not limited.
        states = States(Path(folder), float("inf")) if longest > 1 else None
        trainer = training(states)
        results: dict[int, Result] = {}
        for place in range(longest):
            trials = {
                number: _segment_trial(number, place, segments, longest)
                for number, segments in schedules.items()
                if place < len(segments)
                and (place == 0 or _number(number, place - 1, longest) in results)
            }
            whole = trainer.run(list(trials.values()), results, _keeping(results, hearing), seeds)
            if not whole:
                return False
            for number, trial in trials.items():
                result = results[trial.number]
                if place == len(schedules[number]) - 1 or result.status == "diverged":
                    hearing.on_result(result._replace(trial=trial._replace(number=number)))
                    if result.status == "diverged":
                        del results[trial.number]
    return True


def _number(number: int, place: int, longest: int) -> int:
    return number * longest + place


def _segment_trial(number: int, place: int, segments: Sequence[Segment], longest: int) -> Trial:
    config, until = segments[place]
    before = None if place == 0 else _number(number, place - 1, longest)
    return Trial(config, until, before, number=_number(number, place, longest))


def _keeping(results: dict[int, Result], hearing: Hearing) -> Hearing:
    def keep(result: Result) -> None:
        results[result.number] = result

    return hearing._replace(on_result=keep)
