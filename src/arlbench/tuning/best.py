"""The best trial of each repeat of a study: at its end, and over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from arlbench.report.courses import DrawnRepeat
from arlbench.tuning.journal import Retrained
from arlbench.tuning.reading import LoadedStudy
from arlbench.tuning.trials import Result


class Best(NamedTuple):
    """The best trial of a repeat.

    Attributes:
        repeat: The index of the repeat.
        tuner_seed: The seed of its tuner.
        number: The number of the trial.
        tuning: Its final return with the tuning seeds.
        test: The same with the test seeds; see :func:`final_test_return`.
        timesteps: Environment steps of all trials of the repeat.
        objective: Its objective with the tuning seeds, in its own units.
    """

    repeat: int
    tuner_seed: int
    number: int
    tuning: float
    test: float
    timesteps: int
    objective: float = math.nan


def best_of_each(repeats: Sequence[LoadedStudy]) -> list[Best]:
    """The best trial of each repeat that has one."""
    found = []
    for index, study in enumerate(repeats):
        if not study.incumbents:
            continue
        best = study.incumbents[-1]
        spent = sum(result.cost for result in study.results.values())
        returns = _final(best), _tested(study, best)
        objective = best.objective(study.settings.minimise)
        seed = study.settings.tuner_seed
        found.append(Best(index, seed, best.number, *returns, spent, objective))
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
    return final_test_return(result, study.tests.get(result.number))


def final_test_return(result: Result, test: Retrained | None) -> float:
    """The mean final return of a trial over those test seeds with which learning did not diverge.

    NaN if the trial was not tested, or no seed is left.
    """
    final = np.empty(0) if test is None else final_returns(result, test)
    known = final[~np.isnan(final)]
    return float(known.mean()) if len(known) else math.nan


def final_returns(result: Result, again: Retrained) -> np.ndarray:
    """The final return of a trial with each of the seeds with which it was trained again.

    NaN for seeds with which learning diverged, ``[n_seeds]``. A schedule of several configurations
    ends for all seeds after the part in which learning diverged with one of them.
    """
    final: np.ndarray = again.returns[:, -1]
    reached_the_end = again.returns.shape[1] == result.returns.shape[1]
    return final if reached_the_end else np.full_like(final, math.nan)


def lost_in_test(study: LoadedStudy) -> tuple[int, int]:
    """Training runs of the best trial's test that its final return leaves out, and all of them."""
    best = study.incumbents[-1] if study.incumbents else None
    test = None if best is None else study.tests.get(best.number)
    if best is None or test is None:
        return 0, 0
    return int(np.isnan(final_returns(best, test)).sum()), len(test.seeds)
