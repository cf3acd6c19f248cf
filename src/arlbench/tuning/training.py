"""Turns trials into members of a population, and members' results into trials' results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from arlbench.errors import ConfigurationError, StorageError
from arlbench.population import (
    MemberId,
    MemberResult,
    PopulationProgress,
    PopulationResult,
    train_population,
)
from arlbench.population.feeding import Addition
from arlbench.population.handover import Handover
from arlbench.tuning.objectives import score_of
from arlbench.tuning.programs import Shared
from arlbench.tuning.settings import StudySettings
from arlbench.tuning.states import States
from arlbench.tuning.trials import Result, Trial, evaluations_within


class TrainingCallbacks(NamedTuple):
    """Functions to call while trials train; one that is None is not called.

    Attributes:
        on_result: Called with each trial that ends, in the order in which they do.
        on_progress: Called several times a second; training stops if it returns True.
        on_notice: Takes sentences for the user.
        feed: Called after each member that ends; returns trials that join. If None, no trials join.
    """

    on_result: Callable[[Result], None]
    on_progress: Callable[[PopulationProgress], bool | None] | None = None
    on_notice: Callable[[str], None] | None = None
    feed: Callable[[], Sequence[Trial]] | None = None


class _Begin(NamedTuple):
    """The point from which a trial is trained.

    Attributes:
        fidelity: Environment steps that are done already.
        result: The result of the trial that it continues; None if it begins at step 0.
    """

    fidelity: int = 0
    result: Result | None = None


class Training:
    """Trains the trials of a study, those in flight as one population.

    Args:
        settings: The definition of the study.
        shared: The part that all trials have in common.
        states: The states of trials; None if no trial continues another.
        memory_limit_gib: The memory limit of each member.
        train: The function that trains populations.
    """

    def __init__(
        self,
        settings: StudySettings,
        shared: Shared,
        states: States | None,
        memory_limit_gib: float = 4.0,
        train: Callable[..., PopulationResult] = train_population,
    ) -> None:
        self._settings = settings
        self._shared = shared
        self._states = states
        self._memory_limit_gib = memory_limit_gib
        self._train = train

    def run(
        self,
        trials: Sequence[Trial],
        results: Mapping[int, Result],
        callbacks: TrainingCallbacks,
        seeds: Sequence[int] | None = None,
    ) -> bool:
        """Trains trials; False if it was stopped before all of them had ended.

        Args:
            trials: The trials, with numbers and whole configurations, all different.
            results: The results of trials that ended before, by number.
            callbacks: The functions to call.
            seeds: The seeds of each trial; None takes the study's.

        Raises:
            StorageError: If a state is missing that cannot be made again.
            ConfigurationError: If a trial cannot be trained from step 0, as the study demands.
        """
        if not trials:
            return True
        of_each = self._settings.seeds if seeds is None else tuple(seeds)
        begins = [self._begin(trial, results, len(of_each)) for trial in trials]
        gathering = _Gathering(len(of_each), self._settings, callbacks.on_result)
        pairs = list(zip(trials, begins, strict=True))
        gathering.expect(pairs)

        def feed() -> list[Addition]:
            assert callbacks.feed is not None
            joining = [(t, self._begin(t, results, len(of_each))) for t in callbacks.feed()]
            gathering.expect(joining)
            return [self._addition(*pair, len(of_each)) for pair in joining]

        outcome = self._train(
            self._shared.problem,
            [trial.config for trial in trials],
            of_each,
            n_total_timesteps=[_fidelity(trial) - begin.fidelity for trial, begin in pairs],
            timesteps_before=[begin.fidelity for begin in begins],
            n_eval_steps=[self._n_evaluations(*pair) for pair in pairs],
            init_options=self._shared.init_options,
            memory_limit_gib=self._memory_limit_gib,
            handovers=self._handovers(pairs, len(of_each)),
            feed=None if callbacks.feed is None else feed,
            on_member=gathering.add,
            on_progress=callbacks.on_progress,
            on_notice=callbacks.on_notice,
        )
        return not outcome.interrupted

    def _addition(self, trial: Trial, begin: _Begin, n_seeds: int) -> Addition:
        return Addition(
            trial.config,
            _fidelity(trial) - begin.fidelity,
            self._n_evaluations(trial, begin),
            begin.fidelity,
            tuple(self._handovers([(trial, begin)], n_seeds).values()),
        )

    def _begin(self, trial: Trial, results: Mapping[int, Result], n_seeds: int) -> _Begin:
        if trial.continues is None:
            return _Begin()
        if self._settings.restart:
            return self._restarted(trial, results)
        parents = [n for n in (trial.continues, trial.network_of) if n is not None]
        if self._states is not None and all(self._states.has(n, n_seeds) for n in parents):
            parent = results[trial.continues]
            return _Begin(_fidelity(parent.trial), parent)
        if _has_one_configuration(trial, results):
            return _Begin()
        raise StorageError(
            f"Trial {trial.number} continues trial {trial.continues} with other hyperparameters, "
            "but the state to continue from was removed; begin a study in another folder, with a "
            "larger --state-limit."
        )

    def _restarted(self, trial: Trial, results: Mapping[int, Result]) -> _Begin:
        if _has_one_configuration(trial, results):
            return _Begin()
        raise ConfigurationError(
            f"Trial {trial.number} continues trial {trial.continues} with other hyperparameters, "
            "so it cannot be trained from step 0; begin a study without restart in another folder."
        )

    def _n_evaluations(self, trial: Trial, begin: _Begin) -> int:
        total, n = self._shared.problem.n_total_timesteps, self._shared.problem.n_eval_steps
        before = evaluations_within(begin.fidelity, total, n)
        return max(evaluations_within(_fidelity(trial), total, n) - before, 1)

    def _handovers(
        self, pairs: Sequence[tuple[Trial, _Begin]], n_seeds: int
    ) -> dict[MemberId, Handover]:
        if self._states is None or self._settings.restart:
            return {}
        found = {
            MemberId(i, j): self._handover(self._states, trial, begin, j)
            for i, (trial, begin) in enumerate(pairs)
            for j in range(n_seeds)
        }
        return {member: handover for member, handover in found.items() if any(handover)}

    def _handover(self, states: States, trial: Trial, begin: _Begin, seed_index: int) -> Handover:
        # Nothing can continue a trial of full length.
        may_continue = _fidelity(trial) < self._shared.problem.n_total_timesteps
        end = states.path_of(trial.number, seed_index) if may_continue else None
        if begin.result is None:
            return Handover(end=end)
        network = trial.network_of
        return Handover(
            states.path_of(begin.result.number, seed_index),
            None if network is None else states.path_of(network, seed_index),
            end,
        )


class _Gathering:
    """Collects the members of each trial until all of them have ended."""

    def __init__(
        self, n_seeds: int, settings: StudySettings, on_result: Callable[[Result], None]
    ) -> None:
        self._pairs: list[tuple[Trial, _Begin]] = []
        self._n_seeds = n_seeds
        self._settings = settings
        self._on_result = on_result
        self._members: dict[int, list[MemberResult]] = {}

    def expect(self, pairs: Sequence[tuple[Trial, _Begin]]) -> None:
        """Takes the next trials, in the order of their indices."""
        self._pairs += pairs

    def add(self, member: MemberResult) -> None:
        """Takes in a member that has ended."""
        of_trial = self._members.setdefault(member.config_index, [])
        of_trial.append(member)
        if len(of_trial) == self._n_seeds:
            del self._members[member.config_index]
            self._on_result(self._result(member.config_index, of_trial))

    def _result(self, index: int, members: list[MemberResult]) -> Result:
        trial, begin = self._pairs[index]
        members.sort(key=lambda member: member.seed_index)
        returns = np.stack([member.returns.mean(axis=1, dtype=np.float64) for member in members])
        timesteps = np.asarray(members[0].timesteps, np.int64)
        if begin.result is not None:
            returns = np.concatenate([begin.result.returns, returns], axis=1)
            timesteps = np.concatenate(
                [begin.result.timesteps, timesteps + begin.result.timesteps[-1]]
            )
        settings = self._settings
        return Result(
            trial=trial,
            status="diverged" if any(m.status == "diverged" for m in members) else "finished",
            returns=returns,
            timesteps=timesteps,
            score=score_of(returns, settings.objective, settings.minimise),
            cost=sum(_steps_of(member) for member in members),
            seconds=sum(member.train_seconds for member in members),
            restarted=trial.continues is not None and begin.result is None,
        )


def _steps_of(member: MemberResult) -> int:
    """Environment steps that a member has trained in this call."""
    return int(member.timesteps[-1]) if member.diverged_at is None else member.diverged_at


def _fidelity(trial: Trial) -> int:
    assert trial.fidelity is not None, "a trial that was asked for has a fidelity"
    return trial.fidelity


def _has_one_configuration(trial: Trial, results: Mapping[int, Result]) -> bool:
    """Whether a trial and all trials that it continues have one configuration and one network."""
    at: Trial | None = trial
    while at is not None:
        if dict(at.config) != dict(trial.config) or at.network_of is not None:
            return False
        at = None if at.continues is None else results[at.continues].trial
    return True
