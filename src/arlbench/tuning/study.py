"""Runs studies: asks, trains and tells until the budget is used up or the tuner ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.config_spaces import Where
from arlbench.population import PopulationResult, train_population
from arlbench.tuning.asking import ANSWER_SECONDS
from arlbench.tuning.folder import read_study
from arlbench.tuning.loop import Callbacks, StudyOutcome, StudyProgress
from arlbench.tuning.objectives import Objective
from arlbench.tuning.preparing import prepare
from arlbench.tuning.starting import Source
from arlbench.tuning.trials import Result
from arlbench.tuning.tuner import Tuner
from arlbench.tuning.tuners import DEFAULT_TUNER, tuner_class


def tune(
    problem: Problem,
    tuner: str | type[Tuner] = DEFAULT_TUNER,
    *,
    words: Where | None = None,
    n_trials: int | None = None,
    n_timesteps: int | None = None,
    seconds: float | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    test_seeds: Sequence[int] = (100, 101, 102),
    test_last: bool = False,
    parallel: int | None = None,
    tuner_seed: int = 0,
    tuner_settings: Mapping[str, Any] | None = None,
    objective: str | Objective = "final",
    minimise: bool = False,
    restart: bool = False,
    start_from: Source | None = None,
    start_count: int | None = None,
    folder: str | Path | None = None,
    state_limit_gib: float = 20.0,
    memory_limit_gib: float = 4.0,
    answer_seconds: float = ANSWER_SECONDS,
    on_progress: Callable[[StudyProgress], bool | None] | None = None,
    on_notice: Callable[[str], None] | None = None,
    on_result: Callable[[Result], None] | None = None,
    optuna_storage: str | None = None,
    train: Callable[..., PopulationResult] = train_population,
) -> StudyOutcome:
    """Searches for the best hyperparameters of a problem; continues the study in a folder.

    Args:
        problem: The problem to train on; its length is the largest fidelity.
        tuner: The tuner's name, ``"MODULE:CLASS"``, or a subclass of :class:`Tuner`.
        words: Where to search, by hyperparameter: a value, ``(low, high)`` or a list of choices,
            or a text ``VALUE``, ``LOW..HIGH``, ``LOW..HIGH:log`` or ``a,b,c``. One that is not
            named keeps its published range, or the value that the problem fixes.
            Alternatively a ConfigSpace ``ConfigurationSpace``; hyperparameters that are not in it
            keep their values in the problem.
        n_trials: The largest number of trials, including those that continue others.
        n_timesteps: The largest number of environment steps, over all trials and seeds; beyond
            it no trial is begun.
        seconds: The largest number of seconds of work; beyond it no trial is begun.
        seeds: The seeds with which each trial is trained.
        test_seeds: The seeds with which each incumbent is trained at the end; an empty sequence
            leaves this out.
        test_last: Whether only the last incumbent is trained with them, not those before it.
        parallel: The number of trials in flight; None takes the tuner's own number.
        tuner_seed: The seed of the tuner.
        tuner_settings: Settings of the tuner by name.
        objective: ``"final"``, ``"best"`` or ``"area"``, a registered one, or a function in a
            module, given itself or as ``"MODULE:FUNCTION"``.
        minimise: Whether smaller values of it are better.
        restart: Whether trials that continue others are trained from step 0 instead. Not possible
            with ``pbt`` and ``pb2``.
        start_from: Configurations that are tried first: a table, the folder of another study,
            or mappings; see :func:`arlbench.tuning.starting.read_start`.
        start_count: The largest number of these configurations.
        folder: The folder of the study; None makes a new one below ``runs``.
        state_limit_gib: How much the states of trials may take on disk.
        memory_limit_gib: The memory limit of each member.
        answer_seconds: How long the tuner may take for one answer.
        on_progress: Called several times a second; the study stops if it returns True, and
            can be continued.
        on_notice: Takes sentences for the user.
        on_result: Called with each trial that has ended, those of earlier calls first.
        optuna_storage: The address of an Optuna storage to keep up to date; see
            :mod:`arlbench.tuning.optuna_mirror`.
        train: The function that trains populations.

    Returns:
        Everything that is known about the study, including trials of earlier calls.

    Raises:
        ArlbenchError: If an argument is impossible, or the tuner is at fault.
    """
    given = dict(locals())
    callbacks = Callbacks(*(given.pop(name) for name in Callbacks._fields))
    with prepare(**given) as prepared, prepared.opened() as study:
        return study.run(callbacks)


def arguments_of(
    folder: str | Path, *, more: int = 0, n_trials: int | None = None
) -> dict[str, Any]:
    """The arguments of :func:`tune` with which the study in a folder continues.

    Args:
        folder: The folder of the study.
        more: How many trials to add to the budget of the study.
        n_trials: The largest number of trials, to which ``more`` is added; None takes that of
            the study.

    Raises:
        ArlbenchError: If the folder holds no study, its tuner cannot be imported, or it has
            no number of trials to extend.
    """
    begun, budget = read_study(Path(folder))
    trials = budget.trials if n_trials is None else n_trials
    if more < 0:
        raise ConfigurationError(f"The number of trials to add must be 0 or more, not {more}.")
    if more and trials is None:
        raise ConfigurationError(
            f"The study in {folder} is not limited to a number of trials, so none can be added; "
            "begin it again in this folder with larger limits, and it continues."
        )
    what = ("problem", "words", "seeds", "parallel", "objective", "minimise", "restart")
    kept = (*what, "tuner_seed", "tuner_settings")
    return {
        **{name: getattr(begun, name) for name in kept},
        "start_from": begun.start_from or None,
        "tuner": tuner_class(begun.tuner),
        "n_trials": None if trials is None else trials + more,
        "n_timesteps": budget.timesteps,
        "seconds": budget.seconds,
        **({} if budget.test_seeds is None else {"test_seeds": budget.test_seeds}),
        **{n: getattr(budget, n) for n in ("test_last", "state_limit_gib", "memory_limit_gib")},
        "folder": folder,
    }


def resume(
    folder: str | Path, *, more: int = 0, n_trials: int | None = None, **others: Any
) -> StudyOutcome:
    """Continues the study in a folder as it was begun.

    Args:
        folder: The folder of the study.
        more: How many trials to add to the budget of the study.
        n_trials: The largest number of trials, to which ``more`` is added; None takes that of
            the study.
        **others: Arguments of :func:`tune` that are not part of the study's definition.

    Raises:
        ArlbenchError: As :func:`tune` and :func:`arguments_of` do.
    """
    return tune(**{**arguments_of(folder, more=more, n_trials=n_trials), **others})
