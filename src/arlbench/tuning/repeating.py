"""A study with several seeds of its tuner, in one folder.

::

    repeats.json   how many repeats there are
    repeat-0/      the study with the first seed of the tuner
    repeat-1/      the same study with the next seed
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from arlbench.core import files
from arlbench.core.checks import positive_whole
from arlbench.core.problem import Problem
from arlbench.errors import ArlbenchError, StorageError
from arlbench.experiments.owned_folder import FolderKind
from arlbench.tuning import reading
from arlbench.tuning.folder import REPEATS, is_study
from arlbench.tuning.loop import StudyOutcome
from arlbench.tuning.reading import LoadedStudy
from arlbench.tuning.space import Space
from arlbench.tuning.starting import read_start
from arlbench.tuning.study import arguments_of, tune
from arlbench.tuning.tuner import Tuner
from arlbench.tuning.tuners import DEFAULT_TUNER

if TYPE_CHECKING:
    import pandas as pd

_FORMAT_VERSION = 1

_KIND = FolderKind(
    noun="repeated study",
    file=REPEATS,
    lock="repeats.lock",
    busy="works on",
    another="another one",
    kept="What was written before is whole.",
)


@dataclasses.dataclass(frozen=True)
class RepeatedOutcome:
    """What is known about a repeated study.

    Attributes:
        folder: The folder of all repeats.
        n_repeats: The number of repeats that are planned.
        outcomes: The outcome of each repeat that was begun, in order.
    """

    folder: Path
    n_repeats: int
    outcomes: tuple[StudyOutcome, ...]

    @property
    def status(self) -> Literal["finished", "interrupted"]:
        """Whether it can be continued."""
        ended = [outcome for outcome in self.outcomes if outcome.status == "finished"]
        return "finished" if len(ended) == self.n_repeats else "interrupted"


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


def folder_of(path: str | Path, index: int) -> Path:
    """The folder of a repeat."""
    return Path(path) / f"repeat-{index}"


def is_repeated(path: str | Path) -> bool:
    """Whether a folder holds the repeats of a study."""
    return (Path(path) / REPEATS).exists()


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
        tuner_seed: The tuner's seed in the first repeat; each further one has the next.
        on_begin: Called with the index of each repeat, before it begins or continues.
        **arguments: Other arguments of :func:`arlbench.tuning.tune`, the same for all.

    Raises:
        ArlbenchError: As :func:`arlbench.tuning.tune` does.
    """
    n = positive_whole("repeats", repeats)
    arguments = _started(problem, arguments)
    arguments["on_notice"] = _once(arguments.get("on_notice"))
    new = files.next_folder(Path("runs"), f"{problem.env_spec.name}-repeats")
    path = new if folder is None else Path(folder)
    was_there = path.exists()
    _KIND.make(path)
    lock = _KIND.hold(path)
    outcomes: list[StudyOutcome] = []
    before = 0
    try:
        before = _number_before(path, n)
        _write(path, n)
        for index in range(n):
            if on_begin is not None:
                on_begin(index)
            seeded = {**arguments, "tuner_seed": tuner_seed + index}
            outcomes.append(tune(problem, tuner, folder=folder_of(path, index), **seeded))
            if outcomes[-1].status == "interrupted":
                break
    except ArlbenchError:
        # If the arguments were impossible, everything stays as it was.
        if not was_there and not is_study(folder_of(path, 0)):
            files.remove(path)
        elif before and not outcomes:
            _write(path, before)
        raise
    finally:
        lock.release()
    return RepeatedOutcome(path, n, tuple(outcomes))


def resume_repeats(
    folder: str | Path, *, more: int = 0, n_trials: int | None = None, **others: Any
) -> RepeatedOutcome:
    """Continues a repeated study as it was begun.

    Args:
        folder: The folder of all repeats.
        more: How many trials to add to the budget of each.
        n_trials: The largest number of trials of each; None takes that of the first, and ``more``.
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
        more: How many trials to add to the budget of each.
        n_trials: The largest number of trials of each; None takes that of the first, and ``more``.

    Raises:
        ArlbenchError: If there is none, or its first repeat cannot be continued.
    """
    n = _read(Path(folder))
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
        StorageError: If there is none, or it cannot be read.
    """
    return load_repeats(folder) if is_repeated(folder) else reading.load(folder)


def load_repeats(folder: str | Path) -> LoadedRepeats:
    """Reads the repeats of a study, even while another process writes them.

    Raises:
        StorageError: If there are none, or one cannot be read.
    """
    n = _read(Path(folder))
    begun = [folder_of(folder, index) for index in range(n)]
    return LoadedRepeats(n, tuple(reading.load(path) for path in begun if is_study(path)))


def _started(problem: Problem, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the configurations to start from instead of their source."""
    source, count = arguments.get("start_from"), arguments.get("start_count")
    if source is None:
        return dict(arguments)
    start = read_start(source, Space(problem, arguments.get("words")), count)
    if start.note and arguments.get("on_notice") is not None:
        arguments["on_notice"](start.note)
    return {**arguments, "start_from": start.configs, "start_count": None}


def _once(notice: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """Passes on each sentence once, not once for each repeat."""
    said: set[str] = set()

    def say(sentence: str) -> None:
        if notice is not None and sentence not in said:
            said.add(sentence)
            notice(sentence)

    return say


def _read(path: Path) -> int:
    file = path / REPEATS
    try:
        content = json.loads(file.read_text())
        version, n = int(content["format_version"]), int(content["repeats"])
    except FileNotFoundError:
        raise StorageError(f"{path} holds no repeats of a study: it has no {REPEATS}.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{file} is damaged ({type(error).__name__}); give the whole command again, with "
            "another folder."
        ) from error
    if version > _FORMAT_VERSION:
        raise StorageError(
            f"{file} has the format {version}, and this version of arlbench reads up to "
            f"{_FORMAT_VERSION}; install a newer one."
        )
    return n


def _number_before(path: Path, n: int) -> int:
    """How many repeats were planned; 0 if the folder is new.

    Raises:
        StorageError: If there were more than ``n``.
    """
    before = _read(path) if is_repeated(path) else 0
    if before > n:
        raise StorageError(
            f"The folder {path} holds {before} repeats; repeat the study {before} times or more, "
            "or choose another folder."
        )
    return before


def _write(path: Path, n: int) -> None:
    content = {"format_version": _FORMAT_VERSION, "repeats": n}
    try:
        files.write(path / REPEATS, f"{json.dumps(content)}\n")
    except OSError as error:
        raise _KIND.unwritable(path, error) from error
