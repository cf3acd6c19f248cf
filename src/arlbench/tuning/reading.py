"""A study's folder, read while it grows or afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arlbench.tuning.folder import Budget, read_study
from arlbench.tuning.importance import Importance, importance_of
from arlbench.tuning.incumbents import incumbents
from arlbench.tuning.journal import FILE, Asked, Retrained, Told, events_in
from arlbench.tuning.objectives import score_of
from arlbench.tuning.settings import StudySettings
from arlbench.tuning.space import Space
from arlbench.tuning.trials import Result, Trial

if TYPE_CHECKING:
    import pandas as pd


#: The file in a study's folder with the results of schedules that were trained again.
REPLAYS = "replays.jsonl"


@dataclasses.dataclass(frozen=True)
class LoadedStudy:
    """The content of a study's folder.

    Attributes:
        settings: The definition of the study.
        budget: The limits of the study.
        asked: The trials that were asked for, by number; configurations hold the
            hyperparameters that vary and have an effect.
        results: The results of ended trials, by number, in the order in which they ended.
        told: The numbers of the trials that were told, in this order.
        tests: The returns with the seeds of the test, by the number of the trial.
        seconds: Seconds of work.
        replays: Schedules that were trained again, in order.
    """

    settings: StudySettings
    budget: Budget
    asked: Mapping[int, Trial]
    results: Mapping[int, Result]
    told: tuple[int, ...]
    tests: Mapping[int, Retrained]
    seconds: float
    replays: tuple[Retrained, ...]

    @property
    def incumbents(self) -> list[Result]:
        """The best trial at each moment, in order; the last is the best of all."""
        return incumbents(self.results[number] for number in self.told)

    @property
    def trials(self) -> pd.DataFrame:
        """One row for each trial, in the order of proposals; the index is the trial's number.

        ``status`` is ``running`` for those that have not ended. ``objective`` and
        ``test_objective`` are means over seeds in the units of the objective, NaN where there
        is none; a column ``config.NAME`` for each hyperparameter is NaN where it is
        inactive. Columns ``info.NAME`` are the tuner's own.
        """
        import pandas as pd

        rows = [self._row(trial) for trial in self.asked.values()]
        return pd.DataFrame(rows, index=pd.Index(list(self.asked), name="number"))

    def importance(self) -> Importance | None:
        """How much each hyperparameter decided whether a trial was among the best.

        Returns:
            See :func:`arlbench.tuning.importance.importance_of`; None if nothing can be said.

        Raises:
            MissingExtraError: If Optuna is not installed.
        """
        space = Space(self.settings.problem, self.settings.words)
        active = {
            number: result._replace(trial=self.asked[number])
            for number, result in self.results.items()
        }
        return importance_of(space, active)

    def objective_of(self, returns: np.ndarray) -> float:
        """The objective of returns ``[n_seeds, n_evaluations]`` in its own units; NaN if unknown.

        Raises:
            ConfigurationError: If the objective raises an error, or returns something else.
        """
        score = score_of(returns, self.settings.objective, self.settings.minimise)
        if not np.isfinite(score):
            return float("nan")
        return -score if self.settings.minimise else score

    def _row(self, trial: Trial) -> dict[str, Any]:
        result, test = self.results.get(trial.number), self.tests.get(trial.number)
        return {
            "status": "running" if result is None else result.status,
            "objective": np.nan if result is None else self.objective_of(result.returns),
            "test_objective": np.nan if test is None else self.objective_of(test.returns),
            "fidelity": trial.fidelity,
            "continues": trial.continues,
            "network_of": trial.network_of,
            "cost": None if result is None else result.cost,
            "seconds": np.nan if result is None else result.seconds,
            "restarted": None if result is None else result.restarted,
            **{f"config.{name}": value for name, value in trial.config.items()},
            **{f"info.{name}": value for name, value in trial.info.items()},
        }


def load(folder: str | Path) -> LoadedStudy:
    """Reads the study in a folder, even while another process writes it.

    Raises:
        StorageError: If the folder does not hold a study that can be read.
    """
    path = Path(folder)
    settings, budget = read_study(path)
    asked: dict[int, Trial] = {}
    results: dict[int, Result] = {}
    tests: dict[int, Retrained] = {}
    told: list[int] = []
    seconds = 0.0
    for event in events_in(path / FILE):
        if isinstance(event, Asked):
            asked |= {trial.number: trial for trial in event.trials}
        elif isinstance(event, Result):
            results[event.number] = event
        elif isinstance(event, Retrained):
            tests[event.number] = event
        elif isinstance(event, Told):
            told += event.numbers
            seconds = event.seconds
    replays = tuple(e for e in events_in(path / REPLAYS) if isinstance(e, Retrained))
    return LoadedStudy(settings, budget, asked, results, tuple(told), tests, seconds, replays)
