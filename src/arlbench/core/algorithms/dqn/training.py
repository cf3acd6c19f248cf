"""One call of ``train``: its plan, and the loop over segments and evaluations."""

from __future__ import annotations

import logging
import math
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from arlbench.core.algorithms.algorithm import OnProgress, TrainingProgress
from arlbench.core.algorithms.dqn import acting, beginning, learner, programs, recording
from arlbench.core.algorithms.dqn.hyperparameters import (
    AgentStructure,
    Structure,
    TracedHyperparameters,
)
from arlbench.core.algorithms.dqn.recording import Recorder
from arlbench.core.algorithms.dqn.state import DQNState, DQNTrainingResult, DQNTrainReturnT
from arlbench.core.algorithms.pacing import Pacer
from arlbench.core.checks import positive_whole
from arlbench.errors import ConfigurationError, DivergenceError

_log = logging.getLogger(__name__)


class Plan(NamedTuple):
    """What a call of ``train`` will do.

    Attributes:
        n_iterations: Iterations before each evaluation.
        n_eval_steps: Evaluations.
        n_eval_episodes: Episodes of each evaluation.
        schedule_timesteps: Environment steps over which the exploration schedule runs.
        steps_per_iteration: Environment steps of one iteration.
        done_iterations: Iterations that an earlier call has done already.
        done_evaluations: Evaluations that it has done.
    """

    n_iterations: int
    n_eval_steps: int
    n_eval_episodes: int
    schedule_timesteps: np.float32
    steps_per_iteration: int
    done_iterations: int = 0
    done_evaluations: int = 0

    @property
    def remaining_iterations(self) -> int:
        return self.n_iterations * self.n_eval_steps - self.done_iterations

    @property
    def remaining_timesteps(self) -> int:
        return self.remaining_iterations * self.steps_per_iteration

    @property
    def done_timesteps(self) -> int:
        return self.done_iterations * self.steps_per_iteration

    @property
    def total_timesteps(self) -> int:
        return self.n_iterations * self.n_eval_steps * self.steps_per_iteration


def make_plan(
    n_total_timesteps: int | float,
    n_eval_steps: int,
    n_eval_episodes: int,
    schedule_timesteps: int | float | None,
    steps_per_iteration: int,
    progress: TrainingProgress | None = None,
) -> Plan:
    """Checks the numbers of a training and divides it into intervals.

    Where ``progress`` is given, what it has done is left out.

    Raises:
        ConfigurationError: If one of them is not a positive whole number.
    """
    total = positive_whole("n_total_timesteps", n_total_timesteps)
    evaluations = positive_whole("n_eval_steps", n_eval_steps)
    horizon = total if schedule_timesteps is None else schedule_timesteps
    plan = Plan(
        n_iterations=math.ceil(total / (steps_per_iteration * evaluations)),
        n_eval_steps=evaluations,
        n_eval_episodes=positive_whole("n_eval_episodes", n_eval_episodes),
        schedule_timesteps=np.float32(positive_whole("schedule_timesteps", horizon)),
        steps_per_iteration=steps_per_iteration,
    )
    return plan if progress is None else _continued(plan, progress)


def _continued(plan: Plan, progress: TrainingProgress) -> Plan:
    """What is left of a plan, from where an earlier call stood.

    Raises:
        ConfigurationError: If that was a call of another length.
    """
    done_iterations, rest = divmod(progress.timesteps, plan.steps_per_iteration)
    done_evaluations = len(progress.eval_rewards)
    ended, into_next = divmod(done_iterations, plan.n_iterations)
    # Right after an interval its evaluation may still be due.
    evaluations = {ended} if into_next else {ended, ended - 1}
    if (
        rest
        or not 0 <= progress.timesteps <= plan.total_timesteps
        or progress.total_timesteps != plan.total_timesteps
        or np.shape(progress.eval_rewards)[1:] != (plan.n_eval_episodes,)
        or done_evaluations not in evaluations
    ):
        raise ConfigurationError(
            f"progress stands at {progress.timesteps} of {progress.total_timesteps} timesteps with "
            f"evaluations {np.shape(progress.eval_rewards)}, which is no point of a training of "
            f"{plan.total_timesteps} with {plan.n_eval_steps} evaluations of "
            f"{plan.n_eval_episodes} episodes; call train with the numbers it was begun with."
        )
    return plan._replace(done_iterations=done_iterations, done_evaluations=done_evaluations)


def count_updates(hp: TracedHyperparameters, n_envs: int, begin: int, n_iterations: int) -> int:
    """Gradient steps in ``n_iterations`` iterations from vector step ``begin`` on."""
    waiting = int(hp.learning_starts) // n_envs - begin
    n_idle = min(max(waiting // int(hp.train_freq), 0), n_iterations)
    return (n_iterations - n_idle) * int(hp.gradient_steps)


def train_traced(
    structure: Structure,
    hp: TracedHyperparameters,
    plan: Plan,
    state: DQNState,
    recorder_shapes: Recorder,
) -> DQNTrainReturnT:
    """The whole training as one traceable function."""

    def interval(carry: Any, _: Any) -> tuple[Any, jax.Array]:
        state, recorder = carry
        state, recorder = learner.run_segment(
            structure, hp, plan.schedule_timesteps, state, recorder, plan.n_iterations
        )
        returns, _ = acting.evaluate(
            structure.agent, plan.n_eval_episodes, state.runner_state, hp.normalize_observations
        )
        return (state, recorder), returns

    start = (
        beginning.prepare(structure.prioritised, hp, state),
        recording.make_room(recorder_shapes),
    )
    (state, recorder), returns = jax.lax.scan(interval, start, length=plan.n_eval_steps)
    return state, DQNTrainingResult(returns, recorder.trajectories, recorder.metrics)


def _with_present_episodes(agent: AgentStructure, state: DQNState) -> DQNState:
    """The state, with new episodes where its environments have gone on without it.

    That can only be where they live on the host.
    """
    if agent.env.is_present(state.runner_state.env_state):
        return state
    _log.info("%s has gone on from this state: new episodes begin", agent.env.env_name)
    return DQNState(programs.begin_episodes(agent, state.runner_state), state.buffer_state)


class HostTraining:
    """The training as a loop on the host, over segments of the compiled program.

    Between two segments nothing runs on the device, so progress can be shown and a wish
    to stop be heard.
    """

    def __init__(
        self,
        structure: Structure,
        hp: TracedHyperparameters,
        plan: Plan,
        pacer: Pacer,
        on_progress: OnProgress | None,
        progress: TrainingProgress | None = None,
    ) -> None:
        self._structure = structure
        self._hp = hp
        self._plan = plan
        self._pacer = pacer
        self._on_progress = on_progress
        self._timesteps = plan.done_timesteps
        earlier = () if progress is None else progress.eval_rewards
        self._returns = [np.asarray(returns, np.float32) for returns in earlier]

    def run(self, state: DQNState, recorder_shapes: Recorder) -> DQNTrainReturnT:
        """Trains to the end of the plan, or until ``on_progress`` wants to stop.

        Raises:
            DivergenceError: If the parameters are not finite at an evaluation.
        """
        state = _with_present_episodes(self._structure.agent, state)
        state = programs.prepare(self._structure.prioritised, self._hp, state)
        recorder = programs.room(recorder_shapes)
        plan = self._plan
        for i in range(plan.done_evaluations, plan.n_eval_steps):
            done = self._timesteps // plan.steps_per_iteration
            state, recorder, stop = self._interval(
                state, recorder, (i + 1) * plan.n_iterations - done
            )
            if stop:
                break
            returns, finite = programs.evaluate(
                self._structure.agent,
                self._plan.n_eval_episodes,
                state.runner_state,
                self._hp.normalize_observations,
            )
            if not finite:
                raise self._diverged(state, recorder)
            self._returns.append(np.asarray(returns))
            if self._wants_to_stop(state, recorder):
                break
        return state, self._result(recorder)

    def _interval(
        self, state: DQNState, recorder: Recorder, remaining: int
    ) -> tuple[DQNState, Recorder, bool]:
        """Trains the iterations that remain to the next evaluation, in segments."""
        while remaining:
            n = self._pacer.next_segment(remaining)
            begin = time.perf_counter()
            state, recorder = programs.segment(
                self._structure,
                self._hp,
                self._plan.schedule_timesteps,
                state,
                recorder,
                np.int32(n),
            )
            jax.block_until_ready(state)
            self._pacer.took(n, time.perf_counter() - begin)
            self._timesteps += n * self._plan.steps_per_iteration
            remaining -= n
            if self._wants_to_stop(state, recorder):
                return state, recorder, True
        return state, recorder, False

    def _wants_to_stop(self, state: DQNState, recorder: Recorder) -> bool:
        if self._on_progress is None:
            return False
        progress = TrainingProgress(
            state,
            self._timesteps,
            self._plan.total_timesteps,
            self._eval_rewards(),
            recording.statistics_of(recorder),
        )
        return bool(self._on_progress(progress))

    def _eval_rewards(self) -> np.ndarray:
        empty = np.zeros((0, self._plan.n_eval_episodes), np.float32)
        return np.stack(self._returns) if self._returns else empty

    def _result(self, recorder: Recorder) -> DQNTrainingResult:
        trajectories, metrics = recording.written(recorder)
        return DQNTrainingResult(jax.device_put(self._eval_rewards()), trajectories, metrics)

    def _diverged(self, state: DQNState, recorder: Recorder) -> DivergenceError:
        return DivergenceError(
            f"Learning became non-finite within the first {self._timesteps} of "
            f"{self._plan.total_timesteps} steps; lower learning_rate "
            f"(now {float(self._hp.learning_rate):g}) or scale the rewards down.",
            state,
            self._result(recorder),
            self._timesteps,
        )
