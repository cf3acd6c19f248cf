"""The best trial of each repeat of a study over time, at steps that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: Budgets that differ by at most this factor count as equal, because few agree to the step.
SAME_BUDGET = 1.05


class DrawnRepeat(NamedTuple):
    """The best trial of a repeat over time.

    Attributes:
        spent: Environment steps of all trials when each incumbent was told, rising, ``[n]``.
        best: The final return of each incumbent, ``[n]``.
        end: Environment steps of all trials at the end.
        test: The final return of the last incumbent with the test seeds; NaN if not tested.
    """

    spent: np.ndarray
    best: np.ndarray
    end: int
    test: float


class Course(NamedTuple):
    """The best returns of all repeats at the same numbers of environment steps.

    Attributes:
        steps: Environment steps at which any of them changes, ``[n]``.
        each: The best return so far of each repeat, ``[n_repeats, n]``.
    """

    steps: np.ndarray
    each: np.ndarray


def course(repeats: Sequence[DrawnRepeat]) -> Course:
    """The best returns so far, from the step at which every repeat has one to the latest end."""
    end = max(repeat.end for repeat in repeats)
    changes = np.unique(np.concatenate([repeat.spent for repeat in repeats]))
    steps = np.append(changes[changes >= _begin(repeats)], end)
    return Course(steps, best_at(repeats, steps))


def shared_course(repeats: Sequence[DrawnRepeat], grid: np.ndarray) -> Course:
    """The best returns so far, at the steps of a grid at which every repeat has one and runs.

    A repeat that ends a little before the others keeps its best return: trials do not have the same
    number of steps, so otherwise the last trials of most repeats would be left out.

    Args:
        repeats: The repeats.
        grid: Environment steps, rising, ``[n_grid]``.
    """
    ends = [repeat.end for repeat in repeats]
    end = min(max(ends), SAME_BUDGET * min(ends))
    steps = grid[(grid >= _begin(repeats)) & (grid <= end)]
    return Course(steps, best_at(repeats, steps))


def best_at(repeats: Sequence[DrawnRepeat], steps: np.ndarray) -> np.ndarray:
    """The best return so far of each repeat ``[n_repeats, n]``; each has one at all steps."""
    places = [np.searchsorted(repeat.spent, steps, side="right") - 1 for repeat in repeats]
    return np.stack([r.best[place] for r, place in zip(repeats, places, strict=True)])


def _begin(repeats: Sequence[DrawnRepeat]) -> int:
    """The number of environment steps from which every repeat has a best trial."""
    return int(max(repeat.spent[0] for repeat in repeats))
