"""The best schedule of a study, trained again with new seeds."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arlbench.core.checks import seed_in_range
from arlbench.errors import ConfigurationError, StorageError
from arlbench.population import (
    MemberResult,
    PopulationProgress,
    PopulationResult,
    train_population,
)
from arlbench.tuning.folder import KIND
from arlbench.tuning.incumbents import Segment, schedule_of
from arlbench.tuning.journal import Journal, Retrained
from arlbench.tuning.preparing import check_types
from arlbench.tuning.programs import Shared, shared_by_all
from arlbench.tuning.reading import REPLAYS, LoadedStudy, load
from arlbench.tuning.retraining import train_again
from arlbench.tuning.space import Space
from arlbench.tuning.training import Training, TrainingCallbacks
from arlbench.tuning.trials import Result

#: The folder with states of a replay while it runs, inside the folder of a study.
_STATES = "replay-states"

# A study may be replayed while another process works on it.
_KIND = KIND._replace(lock="replays.lock", busy="replays")


@dataclasses.dataclass(frozen=True)
class PreparedReplay:
    """A schedule that has been checked, and has not been trained again yet.

    Attributes:
        folder: The folder of the study.
        study: The study.
        seeds: New seeds.
        number: The number of the trial.
        schedule: The configurations under which it was trained.
        shared: The part that all trials have in common.
        memory_limit_gib: The memory limit of each member.
    """

    folder: Path
    study: LoadedStudy
    seeds: tuple[int, ...]
    number: int
    schedule: list[Segment]
    shared: Shared
    memory_limit_gib: float

    def run(
        self,
        on_progress: Callable[[PopulationProgress], bool | None] | None = None,
        on_notice: Callable[[str], None] | None = None,
        train: Callable[..., PopulationResult] = train_population,
        on_seed: Callable[[int, float], None] | None = None,
    ) -> Retrained | None:
        """Trains it; see :func:`replay`.

        ``on_seed`` is called with each seed that has ended and its final return, which is NaN if
        learning diverged.
        """
        if on_seed is not None:
            train = self._telling(train, on_seed)
        lock = _KIND.hold(self.folder)
        try:
            return self._run(on_progress, on_notice, train)
        finally:
            lock.release()

    def _telling(
        self, train: Callable[..., PopulationResult], on_seed: Callable[[int, float], None]
    ) -> Callable[..., PopulationResult]:
        """``train``, which also passes on the seeds that end the last part of the schedule."""
        parts_left = len(self.schedule)

        def tell(*given: Any, on_member: Callable[[MemberResult], None], **named: Any) -> Any:
            nonlocal parts_left
            parts_left -= 1
            if not parts_left:
                on_member = functools.partial(self._pass_on, on_member, on_seed)
            return train(*given, on_member=on_member, **named)

        return tell

    def _pass_on(
        self,
        on_member: Callable[[MemberResult], None],
        on_seed: Callable[[int, float], None],
        member: MemberResult,
    ) -> None:
        on_member(member)
        final = member.returns[-1].mean(dtype=np.float64)
        on_seed(self.seeds[member.seed_index], float(final))

    def _run(
        self,
        on_progress: Callable[[PopulationProgress], bool | None] | None,
        on_notice: Callable[[str], None] | None,
        train: Callable[..., PopulationResult],
    ) -> Retrained | None:
        found: list[Retrained] = []

        def keep(result: Result) -> None:
            found.append(Retrained(result.number, self.seeds, result.returns))

        settings, limit = self.study.settings, self.memory_limit_gib
        whole = train_again(
            {self.number: self.schedule},
            self.seeds,
            lambda states: Training(settings, self.shared, states, limit, train),
            TrainingCallbacks(keep, on_progress, on_notice),
            self.folder / _STATES,
        )
        if not whole:
            return None
        journal = Journal(self.folder / REPLAYS)
        try:
            journal.append(found[0])
        finally:
            journal.close()
        return found[0]


def prepare_replay(
    folder: str | Path,
    seeds: Sequence[int],
    *,
    number: int | None = None,
    memory_limit_gib: float | None = None,
) -> PreparedReplay:
    """Checks that a trial can be trained again; the arguments are those of :func:`replay`.

    Raises:
        ArlbenchError: If the study or the trial does not exist, or a seed was used for tuning.
    """
    study = load(folder)
    check_types(study.settings.problem, seeds)
    fresh = tuple(seed_in_range(seed) for seed in seeds)
    if not fresh or set(fresh) & set(study.settings.seeds):
        raise ConfigurationError(
            "A replay needs one or more seeds that the study was not tuned with; give others."
        )
    if len(set(fresh)) < len(fresh):
        raise ConfigurationError("The seeds of a replay must all be different; give each once.")
    settings = study.settings
    limit = study.budget.memory_limit_gib if memory_limit_gib is None else memory_limit_gib
    space = Space(settings.problem, settings.words)
    chosen = _chosen(study, number).number
    schedule = schedule_of_study(study, space, chosen)
    shared = shared_by_all(space, settings.horizon, limit)
    return PreparedReplay(Path(folder), study, fresh, chosen, schedule, shared, limit)


def replay(
    folder: str | Path,
    seeds: Sequence[int],
    *,
    number: int | None = None,
    memory_limit_gib: float | None = None,
    on_progress: Callable[[PopulationProgress], bool | None] | None = None,
    on_notice: Callable[[str], None] | None = None,
    train: Callable[..., PopulationResult] = train_population,
) -> Retrained | None:
    """Trains the schedule of a trial again, from step 0, and writes the returns to the folder.

    A trial that does not continue another has one configuration. A trial of a population that
    evolved has several: those under which its network was trained, one after another.

    Args:
        folder: The folder of the study.
        seeds: New seeds, which were not used for tuning.
        number: The number of the trial; None takes the incumbent.
        memory_limit_gib: The memory limit of each member; None takes that of the study.
        on_progress: Called several times a second; training stops if it returns True.
        on_notice: Takes sentences for the user.
        train: The function that trains populations.

    Returns:
        The results; None if it was stopped.

    Raises:
        ArlbenchError: If the study or the trial does not exist, a seed was used for tuning, or
            another process replays the study.
    """
    prepared = prepare_replay(folder, seeds, number=number, memory_limit_gib=memory_limit_gib)
    return prepared.run(on_progress, on_notice, train)


def schedule_of_study(study: LoadedStudy, space: Space, number: int | None = None) -> list[Segment]:
    """The whole configurations under which a trial's network was trained.

    Args:
        study: The study, as read from its folder.
        space: The space of the study.
        number: The number of the trial; None takes the incumbent.

    Raises:
        StorageError: If the trial has not ended.
    """
    whole = {
        n: result._replace(trial=result.trial._replace(config=space.complete(result.trial.config)))
        for n, result in study.results.items()
    }
    return schedule_of(whole[_chosen(study, number).number], whole)


def _chosen(study: LoadedStudy, number: int | None) -> Result:
    if number is None and study.incumbents:
        return study.incumbents[-1]
    if number is None or number not in study.results:
        which = "that has ended" if number is None else f"{number} that has ended"
        raise StorageError(f"The study has no trial {which}; continue it first.")
    return study.results[number]
