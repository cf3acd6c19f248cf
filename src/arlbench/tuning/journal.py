r"""The journal of a study: trials asked for, results, and results told, in chronological order.

A line is a JSON object with one key, which says what happened:

``ask``
    The tuner was asked for ``n`` trials and gave ``trials``.
``result``
    A trial ended, with all its seeds.
``tell``
    The tuner was told the results of these ``numbers``, in this order, ``seconds`` of work
    after the study began.
``test``
    A configuration was trained with the seeds of the test.

A line is appended in one piece and synced. If the writer is killed while it writes a line, the
line has no line end, and is ignored.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from arlbench.errors import StorageError
from arlbench.tuning.trials import Result, Trial

FILE = "journal.jsonl"


class Asked(NamedTuple):
    """The tuner was asked for trials.

    Attributes:
        n: How many trials it was asked for.
        trials: The trials that it proposed, numbered.
    """

    n: int
    trials: tuple[Trial, ...]


class Told(NamedTuple):
    """The tuner was told results.

    Attributes:
        numbers: The numbers of the trials, in the order in which they were told.
        seconds: Seconds of work since the study began.
    """

    numbers: tuple[int, ...]
    seconds: float


class Retrained(NamedTuple):
    """A trial's configuration was trained with other seeds.

    Attributes:
        number: The number of the trial.
        seeds: The seeds with which it was trained.
        returns: Mean return of each evaluation, float64 ``[n_seeds, n_evaluations]``.
    """

    number: int
    seeds: tuple[int, ...]
    returns: np.ndarray


Event = Asked | Result | Told | Retrained


def as_line(event: Event) -> str:
    """An event as a line, without its end."""
    return json.dumps(_mapping(event), allow_nan=False)


def _mapping(event: Event) -> dict[str, Any]:
    if isinstance(event, Asked):
        return {"ask": {"n": event.n, "trials": [_of_trial(trial) for trial in event.trials]}}
    if isinstance(event, Told):
        return {"tell": {"numbers": event.numbers, "seconds": round(event.seconds, 3)}}
    if isinstance(event, Retrained):
        content = {"number": event.number, "seeds": event.seeds}
        return {"test": {**content, "returns": _numbers(event.returns)}}
    return {
        "result": {
            "number": event.number,
            "status": event.status,
            "returns": _numbers(event.returns),
            "timesteps": event.timesteps.tolist(),
            "score": event.score if math.isfinite(event.score) else None,
            "cost": event.cost,
            "seconds": round(event.seconds, 3),
            "restarted": event.restarted,
        }
    }


def _of_trial(trial: Trial) -> dict[str, Any]:
    """A trial as JSON values, without empty fields."""
    content = {**trial._asdict(), "config": dict(trial.config), "info": dict(trial.info)}
    return {name: value for name, value in content.items() if value not in (None, {})}


def _numbers(returns: np.ndarray) -> list[list[float | None]]:
    # JSON has no infinity; a study treats an infinite return like an evaluation not reached.
    return [[x if math.isfinite(x) else None for x in row] for row in returns.tolist()]


def _array(rows: Sequence[Sequence[float | None]]) -> np.ndarray:
    return np.array([[np.nan if x is None else x for x in row] for row in rows], np.float64)


def events_in(path: Path) -> Iterator[Event]:
    """The events of a journal, in order; none if it does not exist yet.

    Raises:
        StorageError: If a whole line of it cannot be read.
    """
    trials: dict[int, Trial] = {}
    for number, line in enumerate(_whole_lines(path), start=1):
        try:
            event = _event(json.loads(line), trials)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StorageError(
                f"{path} is damaged in line {number} ({type(error).__name__}); restore the file, "
                "or begin a study in another folder."
            ) from error
        if isinstance(event, Asked):
            trials |= {trial.number: trial for trial in event.trials}
        yield event


def _whole_lines(path: Path) -> list[bytes]:
    content = path.read_bytes() if path.exists() else b""
    return content.split(b"\n")[:-1]


def _event(content: Mapping[str, Any], trials: Mapping[int, Trial]) -> Event:
    ((kind, values),) = content.items()
    if kind == "ask":
        return Asked(values["n"], tuple(Trial(**trial) for trial in values["trials"]))
    if kind == "tell":
        return Told(tuple(values["numbers"]), values["seconds"])
    if kind == "test":
        return Retrained(values["number"], tuple(values["seeds"]), _array(values["returns"]))
    if kind != "result":
        raise KeyError(kind)
    number, score = values.pop("number"), values.pop("score")
    return Result(
        trial=trials[number],
        **{
            **values,
            "returns": _array(values["returns"]),
            "timesteps": np.array(values["timesteps"], np.int64),
            "score": -math.inf if score is None else score,
        },
    )


class Journal:
    """A journal that one process writes.

    Args:
        path: The file. It is made if it does not exist; a last line without an end is cut
            off.

    Raises:
        StorageError: If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            length = sum(len(line) + 1 for line in _whole_lines(path))
            self._file: BinaryIO = path.open("ab", buffering=0)
            if os.fstat(self._file.fileno()).st_size > length:
                self._file.truncate(length)
        except OSError as error:
            raise _unwritable(path, error) from error

    def append(self, event: Event) -> None:
        """Writes an event, which then survives even a power cut.

        Raises:
            StorageError: If it cannot be written; earlier lines stay intact.
        """
        line = f"{as_line(event)}\n".encode()
        try:
            begin = os.fstat(self._file.fileno()).st_size
            if self._file.write(line) != len(line):
                self._file.truncate(begin)
                raise OSError(0, "a line did not fit")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be written ({error.strerror or error}); make room and continue the study. "
        "What was written before is intact."
    )
