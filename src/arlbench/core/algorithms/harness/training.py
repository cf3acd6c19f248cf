"""One call to ``train``: the loop over segments and evaluations, on the host or traced."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.algorithms.harness import programs, recording, segments, validation
from arlbench.core.algorithms.harness.pacing import Pacer
from arlbench.core.algorithms.harness.plan import Plan
from arlbench.core.algorithms.harness.progress import OnProgress, TrainingProgress
from arlbench.core.algorithms.harness.recording import Recorder, Tracking
from arlbench.core.algorithms.harness.structure import Acting, Learning, State
from arlbench.core.environments.faults import surfacing
from arlbench.errors import BufferOverflowError, ConfigurationError, DivergenceError

_log = logging.getLogger(__name__)


def record_shapes(
    structure: Learning,
    hp: Any,
    state: State,
    plan: Plan,
    tracking: Tracking,
    traced: bool = False,
) -> Recorder:
    """Shapes of the records of a training run.

    They are part of the compiled program. On the host, unused rows are removed afterwards, so
    there is room for the whole budget, and for losses in every iteration. Then all parts of a
    schedule share a program, no matter when learning starts and how a part is rounded. Inside
    ``jax.jit`` there is just enough room, unless the step counter is traced: then there is room
    for updates in every iteration.

    Raises:
        ConfigurationError: If the number of records is not known before the program runs.
    """
    n_statistics = len(structure.statistics) if tracking.statistics else 0
    if not tracking.trajectories and not tracking.updates:
        return recording.shapes(n_statistics=n_statistics)
    if plan.is_traced:
        raise ConfigurationError(
            "The number of iterations depends on a traced value, so the number of steps and "
            "updates to record is not known; set track_trajectories=False, track_metrics=False and "
            "track_losses=False."
        )
    spare = 0 if traced else max(int(plan.spare_iterations), 0)
    n_iterations = plan.remaining_iterations + spare
    begin = state[0].global_step
    # Records of whole updates are large, so there is room only for those that will be written.
    only_losses = not traced and not tracking.metrics
    known_begin = None if only_losses or validation.is_traced(begin) else int(begin)
    of_update = structure.update_record if tracking.metrics else structure.loss_record
    return recording.shapes(
        structure.step_record() if tracking.trajectories else None,
        of_update(hp) if tracking.updates else None,
        _vector_steps(structure, plan, n_iterations) if tracking.trajectories else None,
        structure.count_updates(hp, known_begin, n_iterations) if tracking.updates else None,
        n_statistics,
    )


def _vector_steps(structure: Learning, plan: Plan, n_iterations: int) -> int:
    return n_iterations * plan.steps_per_iteration // structure.agent.env.n_envs


def train_traced(
    structure: Learning, hp: Any, plan: Plan, state: State, recorder_shapes: Recorder
) -> tuple[State, Any]:
    """The whole training run as one traceable function."""
    lengths = plan.evaluate_after - _shifted(plan.evaluate_after)
    # If all intervals have the same number of iterations, the program is simpler.
    known = None if plan.is_traced else set(map(int, lengths))
    equal = known.pop() if known is not None and len(known) == 1 else None

    def interval(carry: Any, length: Any) -> tuple[Any, jax.Array]:
        state, recorder = carry
        n = equal if length is None else length
        state, recorder = segments.run_segment(
            structure, hp, plan.schedule_timesteps, state, recorder, n
        )
        returns, _ = segments.evaluate(structure.agent, plan.n_eval_episodes, state[0], hp)
        if (fault := structure.fault(state)) is not None:
            # A traced function cannot raise an error.
            returns = jnp.where(fault, jnp.nan, returns)
        return (state, recorder), returns

    start = (structure.preparation(hp, state), recording.make_room(recorder_shapes))
    xs = jnp.asarray(lengths, jnp.int32) if equal is None else None
    (state, recorder), returns = jax.lax.scan(interval, start, xs, length=plan.n_eval_steps)
    return state, structure.result(returns, recorder.trajectories, recorder.metrics)


def _shifted(evaluate_after: Any) -> Any:
    """The iteration at which each interval begins, ``[n_eval_steps]``."""
    if isinstance(evaluate_after, np.ndarray):
        return np.concatenate([[0], evaluate_after[:-1]])
    return jnp.concatenate([jnp.zeros(1, evaluate_after.dtype), evaluate_after[:-1]])


def _with_present_episodes(agent: Acting, state: State) -> State:
    """The state, with new episodes if something else has stepped or reset its environments.

    This can only happen if the environments step on the host.
    """
    if agent.env.is_present(state[0].env_state):
        return state
    _log.info("%s has moved on from this state: new episodes start", agent.env.env_name)
    return agent.state(programs.begin_episodes(agent, state[0]), state[1])


def divergence_sentence(
    structure: Learning, hp: Any, timesteps: int, total: int, given: Mapping[str, Any]
) -> str:
    """Says that learning became non-finite within this many environment steps, and the cure.

    Args:
        structure: The structure of the training.
        hp: Its traced hyperparameters.
        timesteps: Environment steps of the training so far.
        total: Environment steps of the whole training run.
        given: The parts of its state that come from the environment; see :meth:`Learning.given`.
    """
    wrong = next((name for name, arrays in given.items() if not _are_finite(arrays)), None)
    reason = (
        structure.divergence_cure(hp)
        if wrong is None
        else f"{structure.agent.env.env_name} gave {wrong} that were not finite, which is a fault "
        "of the environment and not of a hyperparameter"
    )
    return f"Learning became non-finite within the first {timesteps} of {total} steps; {reason}."


@jax.jit
def _are_finite(arrays: Any) -> jax.Array:
    """Whether all real numbers in a tree are finite."""
    numbers = [x for x in jax.tree.leaves(arrays) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.all(jnp.array([jnp.isfinite(x).all() for x in numbers], bool))


def require_sound(structure: Learning, state: State) -> None:
    """Raises a BufferOverflowError if a training run, or any of a batch, had to stop learning."""
    fault = structure.fault(state)
    if fault is not None and np.any(np.asarray(fault)):
        raise BufferOverflowError(structure.fault_sentence)


class HostTraining:
    """The training as a loop on the host, over segments of the compiled program.

    Between two segments nothing runs on the device, so progress can be shown and the training
    can be stopped.
    """

    def __init__(
        self,
        structure: Learning,
        hp: Any,
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
        self._done = plan.done_iterations
        earlier = () if progress is None else progress.eval_rewards
        self._returns = [np.asarray(returns, np.float32) for returns in earlier]
        self._evaluated_at: int | None = None

    def run(self, state: State, recorder_shapes: Recorder) -> tuple[State, Any]:
        """Trains to the end of the plan, or until ``on_progress`` returns True.

        Raises:
            DivergenceError: If what was learnt is not finite at an evaluation.
            BufferOverflowError: If the memory that was allocated turns out to be too small.
            EnvironmentFaultError: If an environment that steps in Python fails.
        """
        with surfacing():
            return self._run(state, recorder_shapes)

    def _run(self, state: State, recorder_shapes: Recorder) -> tuple[State, Any]:
        state = _with_present_episodes(self._structure.agent, state)
        state = programs.prepare(self._structure.preparation, self._hp, state)
        recorder = programs.room(recorder_shapes)
        for i in range(self._plan.done_evaluations, self._plan.n_eval_steps):
            state, recorder, stop = self._train_until(
                int(self._plan.evaluate_after[i]), state, recorder
            )
            if stop:
                break
            self._evaluate(state, recorder)
            # An evaluation in the training's own environment has ended its episodes.
            state = _with_present_episodes(self._structure.agent, state)
            if self._wants_to_stop(state, recorder):
                break
        return state, self._result(recorder)

    def _train_until(
        self, iteration: int, state: State, recorder: Recorder
    ) -> tuple[State, Recorder, bool]:
        """Trains up to an iteration, in segments."""
        while self._done < iteration:
            n = self._pacer.next_segment(iteration - self._done)
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
            require_sound(self._structure, state)
            self._pacer.took(n, time.perf_counter() - begin)
            self._done += n
            if self._wants_to_stop(state, recorder):
                return state, recorder, True
        return state, recorder, False

    def _evaluate(self, state: State, recorder: Recorder) -> None:
        """Plays the evaluation episodes, once for several evaluations at the same iteration."""
        if self._evaluated_at == self._done:
            self._returns.append(self._returns[-1])
            return
        returns, finite = programs.evaluate(
            self._structure.agent, self._plan.n_eval_episodes, state[0], self._hp
        )
        if not finite:
            raise self._diverged(state, recorder)
        self._returns.append(np.asarray(returns))
        self._evaluated_at = self._done

    @property
    def _timesteps(self) -> int:
        return self._done * self._plan.steps_per_iteration

    def _wants_to_stop(self, state: State, recorder: Recorder) -> bool:
        if self._on_progress is None:
            return False
        progress = TrainingProgress(
            state,
            self._timesteps,
            self._plan.total_timesteps,
            self._eval_rewards(),
            recording.statistics_of(recorder, self._structure.statistics),
        )
        return bool(self._on_progress(progress))

    def _eval_rewards(self) -> np.ndarray:
        empty = np.zeros((0, self._plan.n_eval_episodes), np.float32)
        return np.stack(self._returns) if self._returns else empty

    def _result(self, recorder: Recorder) -> Any:
        trajectories, metrics = recording.written(recorder)
        eval_rewards = jax.device_put(self._eval_rewards())
        return self._structure.result(eval_rewards, trajectories, metrics)

    def _diverged(self, state: State, recorder: Recorder) -> DivergenceError:
        total = self._plan.total_timesteps
        return DivergenceError(
            divergence_sentence(
                self._structure, self._hp, self._timesteps, total, self._structure.given(state)
            ),
            state,
            self._result(recorder),
            self._timesteps,
        )
