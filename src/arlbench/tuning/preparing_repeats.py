"""Prepares repeated studies, as :mod:`arlbench.tuning.preparing` prepares single ones."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from arlbench.core import files
from arlbench.core.checks import SEED_LIMIT, positive_whole, seed_in_range
from arlbench.core.problem import Problem
from arlbench.errors import ArlbenchError, ConfigurationError, StorageError
from arlbench.tuning.folder import is_study
from arlbench.tuning.loop import Callbacks, StudyOutcome
from arlbench.tuning.optuna_mirror import name_there, require_storage
from arlbench.tuning.preparing import OpenStudy, PreparedStudy, check_types, prepare
from arlbench.tuning.repeats import (
    KIND,
    RepeatedOutcome,
    folder_of,
    number_before,
    write_number,
)
from arlbench.tuning.space import Space
from arlbench.tuning.starting import read_start
from arlbench.tuning.tuner import TUNER_SEED, Tuner
from arlbench.tuning.tuners import DEFAULT_TUNER


@dataclasses.dataclass(frozen=True)
class OpenRepeats:
    """A repeated study whose folder this process holds.

    Attributes:
        prepared: The repeated study.
        first: Its first repeat.
    """

    prepared: PreparedRepeats
    first: OpenStudy

    def run(
        self,
        callbacks: Callbacks,
        on_begin: Callable[[int], None] | None = None,
    ) -> RepeatedOutcome:
        """Trains what is left of all repeats, one after another; may be called once.

        Args:
            callbacks: The functions to call; each sentence for the user is passed on once.
            on_begin: Called with the index of each repeat, before it begins or continues.
        """
        of, outcomes = self.prepared, list[StudyOutcome]()
        calls = callbacks._replace(on_notice=_once(callbacks.on_notice))
        calls.notices(of.note)
        for index in range(of.n_repeats):
            if on_begin is not None:
                on_begin(index)
            outcomes.append(self._run(index, calls))
            if outcomes[-1].status == "interrupted":
                break
        return RepeatedOutcome(of.path, of.n_repeats, tuple(outcomes))

    def _run(self, index: int, calls: Callbacks) -> StudyOutcome:
        if index == 0:
            return self.first.run(calls)
        arguments = self.prepared.arguments
        seed = arguments["tuner_seed"] + index
        own = {"tuner_seed": seed, "folder": folder_of(self.prepared.path, index)}
        with prepare(**{**arguments, **own}) as prepared, prepared.opened() as study:
            return study.run(calls)


@dataclasses.dataclass(frozen=True)
class PreparedRepeats:
    """A repeated study that has been checked, but not written yet.

    Attributes:
        path: The folder of all repeats, which may not exist yet.
        n_repeats: The number of repeats.
        first: The first repeat.
        arguments: The arguments of :func:`arlbench.tuning.tune` for the first repeat.
        note: A sentence for the user; empty if nothing needs to be said.
    """

    path: Path
    n_repeats: int
    first: PreparedStudy
    arguments: dict[str, Any]
    note: str

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenRepeats]:
        """Makes the folders of all repeats and of the first, and releases them at the end.

        Raises:
            StorageError: If a folder cannot be written, holds something else, or another process
                holds it, or if the Optuna storage holds another study.
        """
        if is_study(self.path):
            raise StorageError(
                f"{self.path} holds one study, not repeats of one; continue it without --repeat, "
                "or choose another folder."
            )
        was_there = self.path.exists()
        KIND.make(self.path)
        lock = KIND.hold(self.path)
        with contextlib.ExitStack() as stack:
            stack.callback(lock.release)
            before = number_before(self.path, self.n_repeats)
            try:
                write_number(self.path, self.n_repeats)
                self._check_storage()
                first = stack.enter_context(self.first.opened())
            except ArlbenchError:
                # If the command is refused, everything stays as it was.
                if not was_there:
                    files.remove(self.path)
                elif before:
                    write_number(self.path, before)
                else:
                    files.remove(self.path / KIND.file)
                    files.remove(self.path / KIND.lock)
                raise
            yield OpenRepeats(self, first)

    def _check_storage(self) -> None:
        """Raises a StorageError if the Optuna storage holds another study in place of a repeat."""
        url, settings = self.first.optuna_storage, self.first.settings
        if url is None:
            return
        paths = [folder_of(self.path, index) for index in range(self.n_repeats)]
        seeds = range(settings.tuner_seed, settings.tuner_seed + self.n_repeats)
        require_storage(
            url,
            {
                name_there(path): dataclasses.replace(settings, tuner_seed=seed)
                for path, seed in zip(paths, seeds, strict=True)
            },
        )


@contextlib.contextmanager
def prepare_repeats(
    problem: Problem,
    tuner: str | type[Tuner] = DEFAULT_TUNER,
    *,
    repeats: int,
    folder: str | Path | None = None,
    tuner_seed: int = 0,
    **arguments: Any,
) -> Iterator[PreparedRepeats]:
    """Checks a repeated study, without writing anything; its first tuner ends with the context.

    The arguments are those of :func:`arlbench.tuning.tune_repeats`.

    Raises:
        ArlbenchError: If an argument is impossible, or the tuner is at fault.
    """
    seeds: dict[str, Any] = {
        name: arguments[name] for name in ("seeds", "test_seeds") if name in arguments
    }
    check_types(problem, *seeds.values())
    n, tuner_seed = positive_whole("repeats", repeats), seed_in_range(tuner_seed, TUNER_SEED)
    if tuner_seed + n > SEED_LIMIT:
        raise ConfigurationError(
            f"{n} repeats from the tuner's seed {tuner_seed} on need seeds beyond 2**32 - 1; begin "
            "with a smaller one."
        )
    started, note = _started(problem, arguments)
    # Seeds that are made one by one would be used up by the first repeat.
    seeds = {name: tuple(given) for name, given in seeds.items()}
    whole = {"problem": problem, "tuner": tuner, "tuner_seed": tuner_seed, **started, **seeds}
    new = files.next_folder(Path("runs"), f"{problem.env_spec.name}-repeats")
    path = new if folder is None else Path(folder)
    with prepare(**whole, folder=folder_of(path, 0)) as first:
        yield PreparedRepeats(path, n, first, whole, note)


def _started(problem: Problem, arguments: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The arguments, with configurations in place of the source of ``start_from``, and a note."""
    source, count = arguments.get("start_from"), arguments.get("start_count")
    if source is None:
        return arguments, ""
    start = read_start(source, Space(problem, arguments.get("words")), count)
    return {**arguments, "start_from": start.configs, "start_count": None}, start.note


def _once(notice: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """Passes on each sentence once, not once for each repeat."""
    said: set[str] = set()

    def say(sentence: str) -> None:
        if notice is not None and sentence not in said:
            said.add(sentence)
            notice(sentence)

    return say
