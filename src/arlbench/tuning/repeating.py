"""Studies with several seeds of their tuner, each in one folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arlbench.core.problem import Problem
from arlbench.errors import StorageError
from arlbench.tuning import reading
from arlbench.tuning.folder import is_study
from arlbench.tuning.loop import Callbacks
from arlbench.tuning.preparing_repeats import prepare_repeats
from arlbench.tuning.reading import LoadedStudy
from arlbench.tuning.repeats import RepeatedOutcome, folder_of, is_repeated, read_number
from arlbench.tuning.study import arguments_of
from arlbench.tuning.tuner import Tuner
from arlbench.tuning.tuners import DEFAULT_TUNER

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class LoadedRepeats:
    """The content of the folder of a repeated study.

    Attributes:
        n_repeats: The number of repeats that are planned.
        repeats: The repeats that were begun, in order.
    """

    n_repeats: int
    repeats: tuple[LoadedStudy, ...]

    @property
    def trials(self) -> pd.DataFrame:
        """The trials of all repeats; the index is the repeat and the number of the trial."""
        import pandas as pd

        tables = {index: study.trials for index, study in enumerate(self.repeats)}
        if not tables:
            index = pd.MultiIndex.from_arrays([[], []], names=["repeat", "number"])
            return pd.DataFrame(index=index)
        return pd.concat(tables, names=["repeat"])

    @property
    def incumbents(self) -> pd.DataFrame:
        """The best trial of each repeat, in the columns of ``trials``, and its number.

        A repeat of which no trial has ended without diverging has no row.
        """
        import pandas as pd

        rows = {}
        for index, study in enumerate(self.repeats):
            if study.incumbents:
                number = study.incumbents[-1].number
                rows[index] = {"number": number, **study.trials.loc[number]}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("repeat")


def tune_repeats(
    problem: Problem,
    tuner: str | type[Tuner] = DEFAULT_TUNER,
    *,
    repeats: int,
    folder: str | Path | None = None,
    tuner_seed: int = 0,
    on_begin: Callable[[int], None] | None = None,
    **arguments: Any,
) -> RepeatedOutcome:
    """Runs a study with several seeds of its tuner, one after another.

    Args:
        problem: The problem to train on.
        tuner: The tuner.
        repeats: The number of repeats. If the folder holds fewer, the rest is added.
        folder: The folder of all repeats; None makes a new one below ``runs``.
        tuner_seed: The tuner's seed in the first repeat; each further repeat has the next seed.
        on_begin: Called with the index of each repeat, before it begins or continues.
        **arguments: Other arguments of :func:`arlbench.tuning.tune`, the same for all.

    Raises:
        ArlbenchError: As :func:`arlbench.tuning.tune` does.
    """
    calls = Callbacks(*(arguments.pop(name, None) for name in Callbacks._fields))
    seeds = {"tuner_seed": tuner_seed, "repeats": repeats}
    preparing = prepare_repeats(problem, tuner, folder=folder, **seeds, **arguments)
    with preparing as prepared, prepared.opened() as opened:
        return opened.run(calls, on_begin)


def resume_repeats(
    folder: str | Path, *, more: int = 0, n_trials: int | None = None, **others: Any
) -> RepeatedOutcome:
    """Continues a repeated study as it was begun.

    Args:
        folder: The folder of all repeats.
        more: How many trials to add to the budget of each repeat.
        n_trials: The largest number of trials of each repeat, to which ``more`` is added; None
            takes that of the first repeat.
        **others: Arguments of :func:`tune_repeats` that are not part of the study's definition.

    Raises:
        ArlbenchError: As :func:`tune_repeats` does, and if the folder holds something else.
    """
    return tune_repeats(**{**arguments_of_repeats(folder, more=more, n_trials=n_trials), **others})


def arguments_of_repeats(
    folder: str | Path, *, more: int = 0, n_trials: int | None = None
) -> dict[str, Any]:
    """The arguments of :func:`tune_repeats` with which a repeated study continues.

    Args:
        folder: The folder of all repeats.
        more: How many trials to add to the budget of each repeat.
        n_trials: The largest number of trials of each repeat, to which ``more`` is added; None
            takes that of the first repeat.

    Raises:
        ArlbenchError: If the folder holds no repeats, or the first one cannot be continued.
    """
    n = read_number(Path(folder))
    first = folder_of(folder, 0)
    if not is_study(first):
        raise StorageError(
            f"Nothing of the repeated study in {folder} has begun; give the whole command again."
        )
    # The budget of the first repeat is that of all: it is written before any other.
    begun = arguments_of(first, more=more, n_trials=n_trials)
    return {**begun, "repeats": n, "folder": folder}


def load(folder: str | Path) -> LoadedStudy | LoadedRepeats:
    """Reads the study in a folder, or the repeats of one, even while it runs.

    Raises:
        StorageError: If the folder does not hold a study or repeats that can be read.
    """
    return load_repeats(folder) if is_repeated(folder) else reading.load(folder)


def load_repeats(folder: str | Path) -> LoadedRepeats:
    """Reads the repeats of a study, even while another process writes them.

    Raises:
        StorageError: If the folder holds no repeats, or one cannot be read.
    """
    n = read_number(Path(folder))
    begun = [folder_of(folder, index) for index in range(n)]
    return LoadedRepeats(n, tuple(reading.load(path) for path in begun if is_study(path)))
