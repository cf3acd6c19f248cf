"""Trains a batch of members in rounds: all advance to their next evaluation, then all evaluate."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.algorithms.algorithm import TrainingProgress
from arlbench.core.algorithms.harness.batching import Batch
from arlbench.core.algorithms.harness.pacing import Pacer
from arlbench.core.algorithms.harness.plan import Plan
from arlbench.core.algorithms.harness.structure import State
from arlbench.core.algorithms.harness.training import divergence_sentence, require_sound
from arlbench.core.algorithms.measured import Seconds, TrainingOutcome, with_missing
from arlbench.population.handover import left
from arlbench.population.members import MemberProgress, MemberTask
from arlbench.population.saving import MemberCheckpoints, Position
from arlbench.population.seconds import SharedSeconds
from arlbench.population.sequential import member_result, state_of
from arlbench.population.tracking import Tracker


class _Member:
    """One member of a batch.

    Attributes:
        task: Its task.
        algorithm: Its algorithm.
        saved: Its checkpoints.
        begun: The state from which it starts; None starts at step 0 from its seed.
        plan: The plan of its iterations and evaluations.
        done: Iterations done.
        eval_rewards: Returns of the evaluations so far, ``[n_done, n_eval_episodes]``.
        before: The time that it took before an interruption.
        ended: Whether it has ended, so that it needs no further round.
    """

    def __init__(self, task: MemberTask, tracker: Tracker) -> None:
        self.task = task
        self.algorithm = task.make_algorithm()
        self.saved = MemberCheckpoints(task.saving, self.algorithm, tracker.on_notice)
        position = self.saved.load()
        progress = None if position is None else position.training
        self.before = Seconds() if position is None else position.seconds
        self.begun: State | None = None if progress is None else progress.state
        if position is None and (task.parts is not None or task.handover.begin is not None):
            self.begun = state_of(self.algorithm, task, tracker.on_notice)
        self.plan = self._planned(progress)
        self.done = self.plan.done_iterations
        empty = np.zeros((0, task.lengths.n_eval_episodes), np.float32)
        self.eval_rewards = empty if progress is None else progress.eval_rewards
        self.ended = len(self.eval_rewards) == self.plan.n_eval_steps

    def _planned(self, progress: TrainingProgress | None) -> Plan:
        lengths, before = self.task.lengths, self.task.timesteps_before
        if self.begun is not None:
            return self.algorithm.plan_of(self.begun, lengths, before, progress)
        # At step 0, the budgets of earlier parts are still to be done as well.
        return self.algorithm.plan(lengths, 0 if before is None else -before)

    @property
    def keeps_state(self) -> bool:
        """Whether anything of its last state is wanted."""
        return self.task.keeping.anything or self.task.handover.end is not None

    @property
    def next_evaluation(self) -> int:
        """The iteration after which it is next evaluated, if it has not ended."""
        return int(self.plan.evaluate_after[len(self.eval_rewards)])

    @property
    def progress(self) -> MemberProgress:
        timesteps = self.done * self.plan.steps_per_iteration
        return MemberProgress(timesteps, self.plan.total_timesteps, self.eval_rewards)

    def take_evaluation(self, returns: np.ndarray) -> None:
        """Takes in an evaluation, which counts for all evaluations at this iteration."""
        reached = int(np.searchsorted(self.plan.evaluate_after, self.done, side="right"))
        times = reached - len(self.eval_rewards)
        repeated = np.repeat(returns[None].astype(np.float32), times, axis=0)
        self.eval_rewards = np.concatenate([self.eval_rewards, repeated])
        self.ended = reached == self.plan.n_eval_steps


class Rounds:
    """Members of one structure that train together, each to its own end.

    Args:
        tasks: The members' tasks.
        tracker: Receives their progress, and says when to stop.
        devices: The devices over which they are spread.
    """

    def __init__(
        self, tasks: Sequence[MemberTask], tracker: Tracker, devices: Sequence[Any]
    ) -> None:
        self._tracker = tracker
        self._members = [_Member(task, tracker) for task in tasks]
        self._batch = Batch(
            [member.algorithm for member in self._members],
            [task.lengths.schedule_timesteps for task in tasks],
            devices,
        )
        self._pacer = Pacer()
        self._runners: Any = None

    def compilations(self) -> list[Callable[[], Any]]:
        """Functions that compile its programs; empty if a member continues from a state."""
        tasks = [member.task for member in self._members]
        if any(member.begun is not None for member in self._members):
            return []
        return self._batch.compilations(tasks[0].init_options, tasks[0].lengths.n_eval_episodes)

    def train(self) -> None:
        """Trains until every member has ended, or until training should stop."""
        # Made only now, because the time of earlier batches of the same call must not count.
        self._seconds = SharedSeconds(len(self._members))
        try:
            state = self._batch.prepare(self._first_state())
            # Members that an earlier call trained to the end without reporting their results.
            for i in map(int, np.flatnonzero(~self._active)):
                self._end(i, state, diverged=False)
            while self._active.any() and not self._tracker.stopped.is_set():
                state, stopped = self._advance(state)
                if not stopped:
                    self._evaluate(state)
            if self._tracker.stopped.is_set():
                self._save(state, due=False)
        finally:
            for member in self._members:
                member.saved.close()

    def _first_state(self) -> State:
        tasks = [member.task for member in self._members]
        options = tasks[0].init_options
        if all(member.begun is None for member in self._members):
            return self._batch.init([task.seed for task in tasks], options)
        states = [
            state_of(member.algorithm, member.task, self._tracker.on_notice)
            if member.begun is None
            else member.begun
            for member in self._members
        ]
        for member in self._members:
            member.begun = None
        return self._batch.join(states, options)

    @property
    def _active(self) -> np.ndarray:
        """Which members have not ended, bool ``[M]``."""
        return np.array([not member.ended for member in self._members])

    def _advance(self, state: State) -> tuple[State, bool]:
        """Trains every member up to its next evaluation; also returns whether it was stopped."""
        while (remaining := self._remaining()).any():
            begin = time.perf_counter()
            n = np.minimum(remaining, self._pacer.next_segment(int(remaining.max())))
            state = jax.block_until_ready(self._batch.advance(state, n))
            require_sound(self._members[0].algorithm.structure, state)
            self._pacer.took(int(n.max()), time.perf_counter() - begin)
            for member, iterations in zip(self._members, n, strict=True):
                member.done += int(iterations)
            self._seconds.lap(self._active)
            if self._report():
                return state, True
            self._save(state, due=True)
        return state, False

    def _remaining(self) -> np.ndarray:
        """The iterations of each member until its next evaluation, ``[M]``."""
        members = self._members
        return np.array([0 if m.ended else m.next_evaluation - m.done for m in members])

    def _report(self) -> bool:
        running = [member for member in self._members if not member.ended]
        return self._tracker.on_progress_of({m.task.id: m.progress for m in running})

    def _evaluate(self, state: State) -> None:
        """Evaluates all members, because this is one program; ended members ignore the result."""
        n_episodes = self._members[0].task.lengths.n_eval_episodes
        returns, finite = self._batch.evaluate(state, n_episodes)
        active = np.flatnonzero(self._active)
        self._seconds.lap(self._active)
        for i in map(int, active):
            if finite[i]:
                self._members[i].take_evaluation(returns[i])
            if not finite[i] or self._members[i].ended:
                self._end(i, state, diverged=not finite[i])
        self._runners = None
        self._report()

    def _end(self, i: int, state: State, diverged: bool) -> None:
        member = self._members[i]
        member.ended = True
        member.saved.close()
        done, total, eval_rewards = member.progress
        outcome = TrainingOutcome(
            state=self._kept(state, i) if member.keeps_state else None,
            result=None,
            returns=with_missing(eval_rewards, member.task.lengths),
            timesteps=member.plan.evaluate_after * member.plan.steps_per_iteration,
            done_timesteps=done,
            diverged_at=done if diverged else None,
            divergence=self._divergence(i, state, done, total) if diverged else "",
            stopped=False,
            seconds=self._seconds.of(i),
            statistics=self._batch.statistics(i),
        )
        if not diverged:
            left(member.task.handover, member.algorithm, outcome.state)
        seconds = member.before + outcome.seconds
        self._tracker.on_result(member_result(member.task, member.algorithm, outcome, seconds))

    def _divergence(self, i: int, state: State, done: int, total: int) -> str:
        structure, hp = self._members[i].algorithm.structure, self._members[i].algorithm.hp
        given = jax.tree.map(lambda x: x[i], structure.given(state))
        return divergence_sentence(structure, hp, done, total, given)

    def _kept(self, state: State, i: int) -> State:
        """The part of a member's state from which something is kept.

        Runner states of all members are copied together, because most members end together.
        """
        task = self._members[i].task
        if task.keeping.state or task.keeping.parts or task.handover.end is not None:
            return self._batch.member(state, i)
        if self._runners is None:
            self._runners = jax.tree.map(_on_host, state[0])
        return jax.tree.map(lambda leaf: leaf[i], self._runners), ()

    def _save(self, state: State, due: bool) -> None:
        """Saves every member that has not ended: now, or only if it is due."""
        for i, member in enumerate(self._members):
            if not member.ended:
                save = member.saved.save_if_due if due else member.saved.save_now
                save(functools.partial(self._position, i, state))

    def _position(self, i: int, state: State) -> Position:
        member = self._members[i]
        of_member = self._batch.member(state, i)
        statistics = self._batch.statistics(i)
        training = TrainingProgress(of_member, *member.progress, statistics)
        return Position(training, member.before + self._seconds.of(i))


def _on_host(leaf: Any) -> Any:
    """Copies an array into ordinary memory; keys stay where they are."""
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)
