"""The loop of a study: it repeats what the journal says, then does the rest."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from arlbench.core import files
from arlbench.errors import StorageError
from arlbench.population import PopulationProgress, PopulationResult
from arlbench.tuning.asking import Asking
from arlbench.tuning.folder import Budget, Limit, StudyFolder
from arlbench.tuning.incumbents import comparable, incumbents, schedule_of
from arlbench.tuning.journal import Asked, Retrained, Told
from arlbench.tuning.programs import Shared
from arlbench.tuning.retraining import train_again
from arlbench.tuning.states import States
from arlbench.tuning.training import Training, TrainingCallbacks
from arlbench.tuning.trials import Result, Trial
from arlbench.tuning.tuners import short_name


class StudyProgress(NamedTuple):
    """The progress of a study.

    Attributes:
        trials_done: The number of trials that have ended, including those of earlier calls.
        trials_total: The largest number of trials; None if it is not known.
        in_flight: The number of trials that were asked for and have not ended.
        timesteps: Environment steps trained, over all trials and seeds, including earlier calls
            but not the test.
        incumbent: The best trial so far; None if none has ended.
        position: The tuner's position, in a few words.
        testing: Whether the seeds of the test are being trained.
        population: The progress of the population that is training.
    """

    trials_done: int
    trials_total: int | None
    in_flight: int
    timesteps: int
    incumbent: Result | None
    position: str
    testing: bool
    population: PopulationProgress


@dataclasses.dataclass(frozen=True)
class StudyOutcome:
    """What is known about a study.

    Attributes:
        folder: The folder of the study.
        status: Whether it can be continued.
        results: The results of the trials that have ended, in the order of proposals.
        incumbents: The best trial at each moment, in order; the last is the best of all.
        tests: The returns with the seeds of the test, by the number of the incumbent.
        seconds: Seconds of work, including earlier calls.
        tuner_seconds: The seconds that the tuner took in this call.
        trained_now: The number of trials that ended in this call.
        ended_by: What ended the search: the limit of the study that was reached, or the tuner,
            which had no further trial. None if the search was interrupted.
        tested_now: The number of trials that were tested in this call.
    """

    folder: Path
    status: Literal["finished", "interrupted"]
    results: tuple[Result, ...]
    incumbents: tuple[Result, ...]
    tests: Mapping[int, Retrained]
    seconds: float
    tuner_seconds: float
    trained_now: int
    ended_by: Limit | Literal["tuner"] | None = None
    tested_now: int = 0

    @property
    def trained_anything(self) -> bool:
        """Whether a trial ended or was tested in this call."""
        return self.trained_now + self.tested_now > 0

    @property
    def incumbent(self) -> Result | None:
        """The best trial; None if none has ended without diverging."""
        return self.incumbents[-1] if self.incumbents else None

    @property
    def timesteps(self) -> int:
        """Environment steps that were trained, over all trials and seeds."""
        return sum(result.cost for result in self.results)

    def timesteps_restarted(self, n_seeds: int) -> int:
        """Environment steps that would have been trained if every trial had begun at step 0."""
        return sum((result.trial.fidelity or 0) * n_seeds for result in self.results)


class Callbacks(NamedTuple):
    """The caller's functions; one that is None is not called."""

    on_progress: Callable[[StudyProgress], bool | None] | None = None
    on_notice: Callable[[str], None] | None = None
    on_result: Callable[[Result], None] | None = None

    def notices(self, *sentences: str) -> None:
        """Passes on sentences for the user, except empty ones."""
        for sentence in filter(None, sentences):
            if self.on_notice is not None:
                self.on_notice(sentence)


class Loop:
    """A study while it runs.

    Args:
        folder: The folder of the study.
        asking: Its tuner, which has not been asked yet.
        shared: The part that all trials have in common.
        states: The states of trials; None if no trial continues another.
        budget: The limits of the study.
        callbacks: The functions to call.
        memory_limit_gib: The memory limit of each member.
        train: The function that trains populations.

    Raises:
        StorageError: If the tuner does not propose the same trials as before.
    """

    def __init__(
        self,
        folder: StudyFolder,
        asking: Asking,
        shared: Shared,
        states: States | None,
        budget: Budget,
        callbacks: Callbacks,
        memory_limit_gib: float,
        train: Callable[..., PopulationResult],
    ) -> None:
        self._folder, self._asking, self._states = folder, asking, states
        self._budget, self._callbacks = budget, callbacks
        self._settings = folder.settings
        self._make_training = lambda kept: Training(
            self._settings, shared, kept, memory_limit_gib, train
        )
        self._trials: dict[int, Trial] = {}
        self._results: dict[int, Result] = {}
        self._told: dict[int, Result] = {}
        self._tests: dict[int, Retrained] = {}
        self._tested_now = 0
        self._begin, self._seconds_before = time.perf_counter(), 0.0
        self._spent_before = 0
        self._ended_by: Limit | Literal["tuner"] | None = None
        for event in folder.events:
            self._repeat_event(event)
        self._n_before = len(self._results)
        if callbacks.on_result is not None:
            for result in self._results.values():
                callbacks.on_result(result)

    def run(self, test_seeds: Sequence[int], test_last: bool = False) -> StudyOutcome:
        """Works until the study is finished, or stopped."""
        whole = self._search() and self._test(test_seeds, test_last)
        return StudyOutcome(
            folder=self._folder.path,
            status="finished" if whole else "interrupted",
            results=tuple(self._results[number] for number in sorted(self._results)),
            incumbents=tuple(incumbents(self._told.values())),
            tests=dict(self._tests),
            seconds=self._seconds,
            tuner_seconds=self._asking.seconds,
            trained_now=len(self._results) - self._n_before,
            ended_by=self._ended_by,
            tested_now=self._tested_now,
        )

    def _search(self) -> bool:
        training = self._make_training(self._states)
        while True:
            whole = self._finish(training)
            n = self._room() if whole else 0
            if n < 1 or not self._ask(n):
                if whole:
                    self._ended_by = "tuner" if n > 0 else self._reached()
                self._bound_states(needed=self._left)
                return whole

    @property
    def _seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._begin

    @property
    def _spent(self) -> int:
        """Environment steps of the trials that have ended."""
        return sum(result.cost for result in self._results.values())

    def _reached(self) -> Limit | None:
        """The limit that has been reached, if any."""
        return self._budget.reached(len(self._trials), self._spent, self._seconds)

    def _room(self) -> int:
        """How many trials may be asked for."""
        budget = self._budget
        if self._reached() is not None:
            return 0
        room = self._settings.parallel - (len(self._trials) - len(self._results))
        if budget.timesteps is not None and not self._asking.tuner.continues:
            room = min(room, self._whole_trials(budget.timesteps))
        return room if budget.trials is None else min(room, budget.trials - len(self._trials))

    def _whole_trials(self, timesteps: float) -> int:
        """How many trials of full length may begin, besides those in flight.

        Without this, a study would always begin as many trials as may be in flight, even if the
        limit allows only a few. Trials that continue others are not counted in advance, because
        their rungs may be much shorter.
        """
        n_seeds = len(self._settings.seeds)
        in_flight = sum(trial.fidelity or 0 for trial in self._left) * n_seeds
        whole = self._settings.problem.n_total_timesteps * n_seeds
        return math.ceil((timesteps - self._spent - in_flight) / whole)

    def _feed(self) -> list[Trial]:
        """Further trials to replace those that have ended."""
        n = self._room()
        trials = self._ask(n) if n > 0 else []
        self._bound_states(needed=self._left)
        return trials

    @property
    def _left(self) -> list[Trial]:
        """Trials that have not ended."""
        return [trial for n, trial in self._trials.items() if n not in self._results]

    def _ask(self, n: int) -> list[Trial]:
        """Asks for trials; if there are none and nothing is in flight, the study ends."""
        trials = self._asking.ask(n, len(self._trials), self._told)
        if not trials:
            return []
        choice = self._asking.tuner.space.choice
        written = tuple(trial._replace(config=choice(trial.config)) for trial in trials)
        self._folder.append(Asked(n, written))
        self._trials |= {trial.number: trial for trial in trials}
        return trials

    def _finish(self, training: Training) -> bool:
        """Trains the trials in flight and tells their results; False if it was stopped."""
        pending = [trial for number, trial in self._trials.items() if number not in self._told]
        left = self._left
        self._bound_states(needed=left)
        self._spent_before = self._spent
        callbacks = self._training_callbacks(self._keep)
        if self._asking.tuner.asynchronous:
            self._tell_late(pending)
            return training.run(left, self._told, callbacks._replace(feed=self._feed))
        whole = training.run(left, self._told, callbacks)
        if whole and pending:
            self._tell([trial.number for trial in pending])
        return whole

    def _keep(self, result: Result) -> None:
        self._folder.append(result)
        self._results[result.number] = result
        if self._callbacks.on_result is not None:
            self._callbacks.on_result(result)
        if self._asking.tuner.asynchronous:
            self._tell([result.number])

    def _tell_late(self, pending: Sequence[Trial]) -> None:
        """Tells the tuner of trials that ended just before the writer was killed."""
        for trial in pending:
            if trial.number in self._results and trial.number not in self._told:
                self._tell([trial.number])

    def _tell(self, numbers: Sequence[int]) -> None:
        told = Told(tuple(numbers), self._seconds)
        self._folder.append(told)
        self._pass_on(told)

    def _pass_on(self, told: Told) -> None:
        results = {number: self._results[number] for number in told.numbers}
        self._told |= results
        self._asking.tell(list(results.values()))

    def _bound_states(self, needed: Sequence[Trial]) -> None:
        if self._states is not None:
            parents = {n for trial in needed for n in (trial.continues, trial.network_of)}
            continuable = self._asking.continuable
            self._states.bound(self._told, continuable, {n for n in parents if n is not None})

    def _repeat_event(self, event: Any) -> None:
        """Repeats what the journal says was done."""
        if isinstance(event, Asked):
            complete = self._asking.tuner.space.complete
            before = [trial._replace(config=complete(trial.config)) for trial in event.trials]
            self._compare(self._asking.ask(event.n, len(self._trials), self._told), before)
            self._trials |= {trial.number: trial for trial in before}
        elif isinstance(event, Result):
            self._results[event.number] = event._replace(trial=self._trials[event.number])
        elif isinstance(event, Retrained):
            self._tests[event.number] = event
        elif isinstance(event, Told):
            self._seconds_before = event.seconds
            self._pass_on(event)

    def _compare(self, now: Sequence[Trial], before: Sequence[Trial]) -> None:
        if list(now) != list(before):
            raise StorageError(
                f"From trial {before[0].number} on, the tuner {short_name(self._settings.tuner)} "
                f"does not propose what it did when the study in {self._folder.path} was begun; "
                "restore its code and the versions of packages, or begin a study in another folder."
            )

    def _test(self, seeds: Sequence[int], only_last: bool) -> bool:
        """Trains the incumbents with the seeds of the test; False if it was stopped."""
        if not seeds:
            return True
        wanted, best = tuple(seeds), comparable(incumbents(self._told.values()))
        schedules = {
            result.number: schedule_of(result, self._told)
            for result in (best[-1:] if only_last else best)
            if result.number not in self._tests or self._tests[result.number].seeds != wanted
        }

        def keep(result: Result) -> None:
            tested = Retrained(result.number, wanted, result.returns)
            self._folder.append(tested)
            self._tests[result.number] = tested
            self._tested_now += 1

        # The next process that holds the folder would remove what a killed one left.
        folder = files.aside(self._folder.path / "test")
        callbacks = self._training_callbacks(keep, True)
        return train_again(schedules, seeds, self._make_training, callbacks, folder)

    def _training_callbacks(
        self, on_result: Callable[[Result], None], testing: bool = False
    ) -> TrainingCallbacks:
        def on_progress(population: PopulationProgress) -> bool:
            report = self._callbacks.on_progress
            return report is not None and bool(report(self._progress(population, testing)))

        return TrainingCallbacks(on_result, on_progress, self._callbacks.on_notice)

    def _progress(self, population: PopulationProgress, testing: bool) -> StudyProgress:
        best = incumbents(self._results.values())
        return StudyProgress(
            trials_done=len(self._results),
            trials_total=self._budget.trials,
            in_flight=len(self._trials) - len(self._results),
            timesteps=self._spent if testing else self._spent_before + population.timesteps,
            incumbent=best[-1] if best else None,
            position=self._asking.position,
            testing=testing,
            population=population,
        )
