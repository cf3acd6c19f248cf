"""The best trial of each repeat of a study: at its end, and over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from arlbench.report.courses import DrawnRepeat
from arlbench.tuning.reading import LoadedStudy
from arlbench.tuning.trials import Result


class Best(NamedTuple):
    """The best trial of a repeat.

    Attributes:
        repeat: The index of the repeat.
        tuner_seed: The seed of its tuner.
        number: The number of the trial.
        tuning: Its final return with the tuning seeds.
        test: The same with the test seeds; NaN if it was not tested.
        timesteps: Environment steps of all trials of the repeat.
    """

    repeat: int
    tuner_seed: int
    number: int
    tuning: float
    test: float
    timesteps: int


def best_of_each(repeats: Sequence[LoadedStudy]) -> list[Best]:
    """The best trial of each repeat that has one."""
    found = []
    for index, study in enumerate(repeats):
        if not study.incumbents:
            continue
        best = study.incumbents[-1]
        spent = sum(result.cost for result in study.results.values())
        returns = _final(best), _tested(study, best)
        found.append(Best(index, study.settings.tuner_seed, best.number, *returns, spent))
    return found


def best_over_time(study: LoadedStudy) -> DrawnRepeat:
    """The best trials of a study that has one, against the environment steps of all trials."""
    told = [study.results[number] for number in study.told]
    spent = dict(zip(study.told, np.cumsum([result.cost for result in told]), strict=True))
    best = study.incumbents
    return DrawnRepeat(
        spent=np.array([spent[result.number] for result in best]),
        best=np.array([_final(result) for result in best]),
        end=int(spent[told[-1].number]),
        test=_tested(study, best[-1]),
    )


def _final(result: Result) -> float:
    return float(result.returns[:, -1].mean())


def _tested(study: LoadedStudy, result: Result) -> float:
    """The final return of a trial with the test seeds; NaN if it was not tested."""
    test = study.tests.get(result.number)
    return math.nan if test is None else float(np.nanmean(test.returns[:, -1]))
