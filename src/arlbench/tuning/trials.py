"""Trials, which a tuner proposes, and results, which it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

#: The number of a trial that no study has numbered yet.
UNNUMBERED = -1


def evaluations_within(fidelity: int, total: int, n_evaluations: int) -> int:
    """How many evaluations of a run of ``total`` steps are in its first ``fidelity`` steps."""
    return fidelity * n_evaluations // total


def fidelity_after(count: int, total: int, n_evaluations: int) -> int:
    """The smallest number of steps of such a run that includes ``count`` evaluations."""
    return -(-count * total // n_evaluations)


class Trial(NamedTuple):
    """A training run that a tuner proposes, with every seed of the study.

    Attributes:
        config: Hyperparameters by name; missing ones have their values in the problem.
        fidelity: Environment steps, counted from step 0, at which it ends; None takes the
            length of the problem.
        continues: The number of the trial from whose last state it continues. That trial may
            have another configuration. None begins at step 0.
        network_of: The number of the trial whose network it takes; everything else comes from
            ``continues``. None takes the network from there too.
        info: JSON values that the tuner wants to find again in the result.
        number: The position of the trial in the order of proposals, from 0; set by the study.
    """

    config: Mapping[str, Any]
    fidelity: int | None = None
    continues: int | None = None
    network_of: int | None = None
    info: Mapping[str, Any] = {}
    number: int = UNNUMBERED


class Result(NamedTuple):
    """How a trial ended.

    Attributes:
        trial: The trial, with its number, whole configuration and fidelity.
        status: ``"diverged"`` if learning became non-finite with any seed.
        returns: Mean return of each evaluation from step 0 on, float64
            ``[n_seeds, n_evaluations]``; NaN for those that were not reached.
        timesteps: Environment steps before each evaluation, int64 ``[n_evaluations]``.
        score: The number that the study maximises; ``-inf`` if the trial diverged, or if the
            objective is not finite.
        cost: Environment steps that were trained for it, over all seeds.
        seconds: Time of its training, added up over seeds.
        restarted: Whether it began at step 0 although it should have continued, because the
            state to continue from was no longer kept.
    """

    trial: Trial
    status: Literal["finished", "diverged"]
    returns: np.ndarray
    timesteps: np.ndarray
    score: float
    cost: int
    seconds: float
    restarted: bool = False

    def objective(self, minimise: bool) -> float:
        """The objective of its study in its own units, given whether the study minimises it."""
        return -self.score if minimise else self.score

    @property
    def number(self) -> int:
        """The number of its trial."""
        return self.trial.number
