"""The base of algorithms: plans, trains, evaluates and acts by means of the harness."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import chex
import jax

from arlbench.core import memory
from arlbench.core.algorithms.harness import ahead, programs, segments, training, validation
from arlbench.core.algorithms.harness.backend import check_variables, precise
from arlbench.core.algorithms.harness.evaluation import EpisodeOutcomes, play_episodes
from arlbench.core.algorithms.harness.pacing import Pacer
from arlbench.core.algorithms.harness.plan import Lengths, Plan, make_plan, require_countable
from arlbench.core.algorithms.harness.progress import OnProgress, TrainingProgress
from arlbench.core.algorithms.harness.recording import Recorder, Tracking
from arlbench.core.algorithms.harness.structure import Learning, RunnerState, State, replaced
from arlbench.core.checks import positive_whole
from arlbench.core.environments import Environment, example_observation
from arlbench.core.environments.faults import answered
from arlbench.core.randomness import typed_key

RunnerT = TypeVar("RunnerT", bound=RunnerState)
BufferT = TypeVar("BufferT")
ResultT = TypeVar("ResultT")


class Trainable(abc.ABC, Generic[RunnerT, BufferT, ResultT]):
    """The methods that all algorithms share, based on ``structure`` and ``hp``.

    Args:
        env: The environment to learn in.
        eval_env: The environment to evaluate in; None takes ``env``.
        memory_limit_gib: Refuse runs whose buffer and records would need more memory.
        tracking: What to record.

    Attributes:
        structure: Everything that shapes the compiled programs; equal structures share them.
        hp: Traced hyperparameters, a tree of scalars; an input of every program.
        track_statistics: Whether progress includes statistics of updates.

    Raises:
        ConfigurationError: If the two are not environments of the same task, or if an environment
            variable has a wrong value.
    """

    #: What to change if a part of a training run needs too much memory.
    memory_cures: ClassVar[Mapping[str, str]] = {
        "trajectories": "set track_trajectories=False or train in shorter calls",
        "metrics": "set track_metrics=False or train in shorter calls",
    }

    structure: Learning
    hp: Any

    def __init__(
        self,
        env: Environment,
        eval_env: Environment | None,
        memory_limit_gib: float,
        tracking: Tracking,
    ) -> None:
        check_variables()
        self.env, self.eval_env = env, env if eval_env is None else eval_env
        validation.environments(self.env, self.eval_env)
        self.memory_limit_gib = memory_limit_gib
        self.track_statistics = tracking.statistics
        self._tracking = tracking
        self._pacer = Pacer()

    @property
    @abc.abstractmethod
    def steps_per_iteration(self) -> Any:
        """Environment steps of one iteration; traced if it depends on a traced hyperparameter."""

    @abc.abstractmethod
    def check_state(self, runner_state: RunnerT, buffer_state: BufferT) -> None:
        """Raises a ConfigurationError if a state does not belong to this algorithm."""

    def check_acting(self, runner_state: RunnerT) -> None:
        """Raises a ConfigurationError if this algorithm cannot act with a runner state."""

    def make_room(self, state: State, n_timesteps: int) -> State:
        """The state with the memory that this many further environment steps need.

        Raises:
            MemoryLimitError: If it needs too much memory.
        """
        return state

    def require_room(self, state: State, n_timesteps: int | None) -> None:
        """Checks the room inside ``jax.jit``, where memory cannot grow.

        Args:
            state: The state to train from.
            n_timesteps: Environment steps of the training; None if they are not known yet.

        Raises:
            ConfigurationError: If the state has too little room.
        """

    def plan(self, lengths: Lengths, overshoot: int = 0, done: int = 0) -> Plan:
        """Iterations and evaluations of a training run of these lengths.

        Args:
            lengths: The lengths of the training.
            overshoot: Environment steps by which earlier parts of the same schedule exceeded
                their budgets.
            done: Environment steps that the agent has done before.

        Raises:
            ConfigurationError: If the agent would do more steps than it can count.
        """
        plan = make_plan(lengths, self.steps_per_iteration, overshoot)
        require_countable(plan, done)
        return plan

    def plan_of(
        self,
        state: State,
        lengths: Lengths,
        timesteps_before: int | None = None,
        progress: TrainingProgress | None = None,
    ) -> Plan:
        """The plan of a call to :meth:`train` with these arguments.

        Raises:
            ConfigurationError: If ``progress`` or ``timesteps_before`` is impossible, or if the
                agent would do more steps than it can count.
            ConsumedStateError: If an earlier call has reused the memory of the state.
        """
        validation.not_consumed(state)
        validation.progress_of_training(progress)
        step = state[0].global_step
        step = step if validation.is_traced(step) else int(step)
        done = step * self.env.n_envs - (0 if progress is None else progress.timesteps)
        overshoot: Any = 0
        if timesteps_before is not None:
            overshoot = done - validation.timesteps_done(timesteps_before)
        plan = make_plan(lengths, self.steps_per_iteration, overshoot, progress)
        require_countable(plan, done)
        return plan

    def rehearsals(
        self, init_options: Mapping[str, Any], n_eval_episodes: int
    ) -> dict[str, Callable[[], Any]]:
        """Functions that compile the large programs of a training run in advance.

        Returns:
            A function for each program, in the order in which a training run needs them. The same
            program has the same name in every process that trains in these environments.
        """
        tracking = Tracking(statistics=self.track_statistics)
        return ahead.rehearsals(self.structure, self.hp, tracking, init_options, n_eval_episodes)

    @property
    def uses_host(self) -> bool:
        """Whether one of its environments steps in Python."""
        return "host" in {self.env.kind, self.eval_env.kind}

    @precise()
    def predict(
        self,
        runner_state: RunnerT,
        obs: Any,
        rng: chex.PRNGKey | None,
        deterministic: bool = True,
    ) -> jax.Array:
        """Predict action(s) based on the current observation(s).

        Args:
            runner_state: Algorithm runner state.
            obs: Observations of the environment, leaves ``[B, ...]``.
            rng: A key; may be None if the action is deterministic.
            deterministic: Act greedily; otherwise as in an evaluation that explores.

        Returns:
            Actions, ``[B, ...]``.

        Raises:
            ConfigurationError: If a random action is asked for without a key, or if the runner
                state or the observations do not fit.
        """
        validation.not_consumed(runner_state)
        self.check_acting(runner_state)
        validation.batch_of("obs", obs, example_observation(self.env))
        key = None if deterministic else typed_key(rng)
        agent = self.structure.agent
        return programs.act(agent, runner_state, self.hp, obs, key, bool(deterministic))

    @precise()
    def evaluate(self, runner_state: RunnerT, n_eval_episodes: int = 10) -> jax.Array:
        """Undiscounted returns of whole episodes in ``eval_env``, ``[n_eval_episodes]``."""
        validation.not_consumed(runner_state)
        self.check_acting(runner_state)
        n = positive_whole("n_eval_episodes", n_eval_episodes)
        is_traced = validation.is_traced((runner_state, self.hp))
        play: Any = segments.evaluate if is_traced else programs.evaluate
        return answered(lambda: play(self.structure.agent, n, runner_state, self.hp))[0]

    def release(self, state: State) -> None:
        """Frees what the host keeps for this state, from which nothing may continue."""
        self.structure.agent.env.release(state[0].env_state)

    def eval(self, runner_state: RunnerT, num_eval_episodes: int = 10) -> jax.Array:
        """The same as :meth:`evaluate`, by its published name."""
        return self.evaluate(runner_state, num_eval_episodes)

    def play(
        self, runner_state: RunnerT, rng: chex.PRNGKey, n_episodes: int, deterministic: bool = True
    ) -> EpisodeOutcomes:
        """Returns and lengths of whole episodes in ``eval_env``, played with the given key.

        It is traceable: within ``jax.jit`` it is compiled once for all states and keys.

        Raises:
            ConfigurationError: If ``n_episodes`` is not a positive whole number.
        """
        n_episodes = positive_whole("n_episodes", n_episodes)

        def policy(obs: Any, key: chex.PRNGKey) -> jax.Array:
            return self.predict(runner_state, obs, key, deterministic)

        return play_episodes(self.eval_env, policy, rng, n_episodes)

    @precise()
    def train(
        self,
        runner_state: RunnerT,
        buffer_state: BufferT,
        n_total_timesteps: int | float = 1_000_000,
        n_eval_steps: int = 100,
        n_eval_episodes: int = 10,
        schedule_timesteps: int | float | None = None,
        on_progress: OnProgress | None = None,
        progress: TrainingProgress | None = None,
        timesteps_before: int | None = None,
    ) -> tuple[Any, ResultT]:
        """Performs one full training.

        The memory of both states is reused, so use the returned states afterwards.
        Inside ``jax.jit`` or ``jax.vmap`` it is an ordinary traceable function, which
        calls nothing on the host: ``on_progress`` is not called, the buffer does not grow,
        ``DivergenceError`` is not raised, and records of updates that were not due are NaN.
        Because the buffer does not grow, give ``init`` a capacity for the steps of all calls
        together.

        Args:
            runner_state: Runner state.
            buffer_state: Buffer state; pass both parts of a state, as in ``train(*state)``.
            n_total_timesteps: Environment steps, such as ``1e5``, met to within one
                iteration: the training has as many iterations as are needed to reach them.
                An agent can do at most 2**31 - 1, over all calls.
            n_eval_steps: Number of evaluations. Evaluation ``k`` of ``n`` follows the
                iteration nearest to ``k / n`` of all.
            n_eval_episodes: Number of episodes in each evaluation.
            schedule_timesteps: Environment steps over which exploration schedules run,
                counted from the start of the run; None takes ``n_total_timesteps``. Set it
                to the whole run's length when training in parts.
            on_progress: Called between segments of about a quarter of a second; the
                training stops early if it returns True.
            progress: The progress of an earlier call with the same lengths; this call does
                the rest. It returns all evaluations, but only its own records.
            timesteps_before: The sum of the budgets of earlier parts of the same run. This
                part does as many fewer steps as the earlier parts exceeded their budgets, so
                that all parts together meet the sum of their budgets; it may do no iteration
                at all. None trains for the whole budget.

        Returns:
            Tuple of the algorithm's state and the training result.

        Raises:
            ConfigurationError: If an argument is impossible, or if the agent would do more steps
                than it can count.
            ConsumedStateError: If an earlier call has reused the memory of the states.
            MemoryLimitError: If buffer and records would not fit in the limit.
            BufferOverflowError: If a buffer of frames turns out to be too small; the memory of
                the states has been reused.
            DivergenceError: If what was learnt was not finite at an evaluation; the error
                holds the state and the result so far.
            EnvironmentFaultError: If an environment that steps in Python raises an error,
                or gives values that cannot be learnt from.
        """
        validation.not_consumed(runner_state, buffer_state)
        self.check_state(runner_state, buffer_state)
        lengths = Lengths.checked(
            n_total_timesteps, n_eval_steps, n_eval_episodes, schedule_timesteps
        )
        runner_state = replaced(runner_state, rng=typed_key(runner_state.rng))
        state = self.structure.agent.state(runner_state, buffer_state)
        plan = self.plan_of(state, lengths, timesteps_before, progress)
        if validation.is_traced((state, self.hp)):
            validation.no_progress_when_traced(progress)
            validation.not_in_place_when_traced(self.env)
            self.require_room(state, None if plan.is_traced else plan.total_timesteps)
            shapes = self._record_shapes(state, plan, traced=True)
            return training.train_traced(self.structure, self.hp, plan, state, shapes)
        state = self.make_room(state, plan.remaining_timesteps)
        shapes = self._record_shapes(state, plan)
        loop = training.HostTraining(
            self.structure, self.hp, plan, self._pacer, on_progress, progress
        )
        return loop.run(programs.unshared(state), shapes)

    def _record_shapes(self, state: State, plan: Plan, traced: bool = False) -> Recorder:
        """Shapes of the records of a training run.

        Raises:
            MemoryLimitError: If the records and the buffer together would need too much memory.
        """
        shapes = training.record_shapes(
            self.structure, self.hp, state, plan, self._tracking, traced
        )
        parts = {
            "buffer": memory.tree_bytes(state[1]),
            "trajectories": memory.tree_bytes(shapes.trajectories),
            "metrics": memory.tree_bytes(shapes.metrics),
        }
        memory.check(parts, self.memory_limit_gib, {"buffer": "", **self.memory_cures})
        return shapes
