"""What every learning algorithm offers; all that callers use is declared here."""

from __future__ import annotations

import abc
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import chex
import jax
from ConfigSpace import Configuration, ConfigurationSpace

from arlbench.core import memory
from arlbench.core.algorithms.declarations import Declarations, positive
from arlbench.core.algorithms.harness import ahead, programs, segments, training, validation
from arlbench.core.algorithms.harness.evaluation import EpisodeOutcomes, play_episodes
from arlbench.core.algorithms.harness.pacing import Pacer
from arlbench.core.algorithms.harness.plan import Lengths, Plan, make_plan
from arlbench.core.algorithms.harness.progress import OnProgress, TrainingProgress, UpdateStatistic
from arlbench.core.algorithms.harness.recording import Recorder, Tracking
from arlbench.core.algorithms.harness.structure import Learning, RunnerState, State
from arlbench.core.checks import positive_whole
from arlbench.core.environments import Environment, EnvListing
from arlbench.core.randomness import typed_key

__all__ = ["Algorithm", "OnProgress", "TrainingProgress", "UpdateStatistic"]

RunnerT = TypeVar("RunnerT", bound=RunnerState)
BufferT = TypeVar("BufferT")
ResultT = TypeVar("ResultT")

# Parameters of the constructor that are not options.
_NO_OPTIONS = ("self", "hpo_config", "env", "eval_env", "nas_config")


class Algorithm(abc.ABC, Generic[RunnerT, BufferT, ResultT]):
    """A learning algorithm bound to an environment, without any state of a run.

    Attributes:
        name: What the registry and files call it.
        title: What people call it.
        env: Where it learns.
        eval_env: Where it is evaluated.
        hpo_config: The value of every hyperparameter, read-only.
        nas_config: The value of every architecture choice, read-only.
        structure: What shapes the compiled programs: equal structures share them.
        hp: Traced hyperparameters, a tree of scalars; an input of every program.
        memory_limit_gib: Refuse runs whose buffer and records would take more.
    """

    name: str
    title: str

    #: Parts of a checkpoint that belong to the environment, not to the agent.
    environment_parts: ClassVar[tuple[str, ...]] = ()

    #: Parts that exist only if a setting of the class tracks them, with that setting.
    tracked_parts: ClassVar[Mapping[str, str]] = {}

    #: What to change if a part of a training takes too much memory.
    memory_cures: ClassVar[Mapping[str, str]] = {
        "trajectories": "set track_trajectories=False or train in shorter calls",
        "metrics": "set track_metrics=False or train in shorter calls",
    }

    env: Environment
    eval_env: Environment
    hpo_config: Mapping[str, Any]
    nas_config: Mapping[str, Any]
    structure: Learning
    hp: Any
    memory_limit_gib: float

    def __init__(
        self,
        hpo_config: Configuration | Mapping[str, Any] | None,
        env: Environment,
        eval_env: Environment | None = None,
        *,
        nas_config: Configuration | Mapping[str, Any] | None = None,
        memory_limit_gib: float = 4.0,
        track_trajectories: bool = False,
        track_metrics: bool = False,
        track_statistics: bool = False,
        **options: Any,
    ) -> None:
        """Binds the algorithm to an environment; nothing is compiled or allocated yet.

        Args:
            hpo_config: Hyperparameters; those left out take their defaults.
            env: Where to learn.
            eval_env: Where to evaluate; None takes ``env``.
            nas_config: Architecture choices; those left out take their defaults.
            memory_limit_gib: Refuse runs whose buffer and records would take more.
            track_trajectories: Return every step.
            track_metrics: Return every update.
            track_statistics: Tell ``on_progress`` mean and deviation of what updates gave.
            **options: Those of the subclass.

        Raises:
            ConfigurationError: If a name or value is unknown or impossible.
            UnknownEnvironmentError: If it cannot learn in this environment.
        """
        self.env, self.eval_env = env, env if eval_env is None else eval_env
        validation.environments(self.env, self.eval_env)
        self.memory_limit_gib = positive("memory_limit_gib", memory_limit_gib)
        self.track_trajectories, self.track_metrics = bool(track_trajectories), bool(track_metrics)
        self.track_statistics = bool(track_statistics)
        self._pacer = Pacer()

    # What there is to choose.

    @staticmethod
    @abc.abstractmethod
    def hyperparameters() -> Declarations:
        """Every hyperparameter, declared, by name."""

    @staticmethod
    @abc.abstractmethod
    def architecture_choices() -> Declarations:
        """Every architecture choice, declared, by name."""

    @staticmethod
    @abc.abstractmethod
    def get_hpo_config_space(seed: int | None = None) -> ConfigurationSpace:
        """The hyperparameters and the ranges in which to search them."""

    @staticmethod
    @abc.abstractmethod
    def get_default_hpo_config() -> Configuration:
        """The default hyperparameters."""

    @staticmethod
    @abc.abstractmethod
    def get_nas_config_space(seed: int | None = None) -> ConfigurationSpace:
        """The architecture choices and the ranges in which to search them."""

    @staticmethod
    @abc.abstractmethod
    def get_default_nas_config() -> Configuration:
        """The default architecture."""

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The options of the constructor, by name, besides configurations and environments."""
        return _option_names(cls)

    @staticmethod
    def cannot_learn(listing: EnvListing) -> str | None:
        """Why it cannot learn in a listed environment, in words; None if it can."""
        return None

    @abc.abstractmethod
    def update_hpo_config(self, hpo_config: Configuration | Mapping[str, Any]) -> None:
        """Changes hyperparameters; those that are not given stay as they are.

        Raises:
            ConfigurationError: If a name or value is unknown or impossible.
        """

    @abc.abstractmethod
    def describe_agent(self) -> str:
        """What it learns with, such as its network, in a few words for people."""

    # States.

    @abc.abstractmethod
    def init(self, rng: chex.PRNGKey) -> tuple[RunnerT, BufferT]:
        """The state of a new run; subclasses have options of their own, all with defaults."""

    def init_options(self, n_total_timesteps: int) -> dict[str, Any]:
        """Options of ``init`` for a run of this many environment steps: room for it, no more.

        Raises:
            MemoryLimitError: If it would take too much, saying what to change.
        """
        return {}

    @staticmethod
    def shared_init_options(
        algorithms: Sequence[Algorithm],
        n_total_timesteps: Sequence[int],
        earlier: Sequence[Mapping[str, Any]] = (),
        given: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Options of ``init`` with which these algorithms' states have equal shapes.

        Args:
            algorithms: One a member, ``[M]``.
            n_total_timesteps: Environment steps of each one's training, ``[M]``.
            earlier: Parts of the states from which members continue.
            given: Options that a caller asks for; they may be raised to what is needed.

        Raises:
            ConfigurationError: If an option is unknown.
            MemoryLimitError: If a member would take too much, saying what to change.
        """
        return dict(given or {})

    @staticmethod
    def options_to_share(algorithms: Sequence[Algorithm]) -> list[dict[str, Any]]:
        """Options of the class with which these need as few programs as they can.

        It pays if members train one after another; in a batch each would do the work of all.

        Returns:
            For each algorithm the options to make it again with.
        """
        return [{} for _ in algorithms]

    def with_equal_shapes(
        self, states: Sequence[State], init_options: Mapping[str, Any]
    ) -> list[State]:
        """The states with arrays of equal shapes, of at least the room that the options ask."""
        return list(states)

    def make_room(self, state: State, n_timesteps: int) -> State:
        """The state with the memory that so many further environment steps need.

        Raises:
            MemoryLimitError: If that is too much.
        """
        return state

    def require_room(self, state: State, n_timesteps: int | None) -> None:
        """The same inside ``jax.jit``, where memory cannot grow; None is not known yet.

        Raises:
            ConfigurationError: If there is too little.
        """

    @abc.abstractmethod
    def check_state(self, runner_state: RunnerT, buffer_state: BufferT) -> None:
        """Raises a ConfigurationError if a state is not one of this algorithm."""

    # Checkpoints.

    @staticmethod
    @abc.abstractmethod
    def get_checkpoint_factory(
        runner_state: Any, train_result: Any
    ) -> dict[str, Callable[[], Any]]:
        """What can be saved, by name, each a function that returns it, or None if there is none.

        The fields ``rng`` and ``global_step`` of the runner state are parts of these names.
        """

    @abc.abstractmethod
    def checkpoint_template(self) -> dict[str, Any]:
        """Shapes of everything that ``get_checkpoint_factory`` offers, and of ``buffer``.

        Returns:
            Trees of ``jax.ShapeDtypeStruct`` by name, in which a length of None stands
            for any length. ``buffer`` is the packed form of the buffer state; there is
            none if the algorithm has no buffer.
        """

    @abc.abstractmethod
    def restore(self, parts: Mapping[str, Any], state: Any = None) -> tuple[RunnerT, BufferT]:
        """A state made of the parts of a checkpoint.

        Args:
            parts: Trees by name, in the structure of ``checkpoint_template``.
            state: Provides what ``parts`` leaves out; None takes a fresh state.
        """

    def pack_buffer(self, buffer_state: BufferT) -> Any:
        """What a checkpoint keeps of the buffer state; None if there is nothing."""
        return None

    def unpack_buffer(self, packed: Any) -> BufferT:
        """The inverse of :meth:`pack_buffer`."""
        raise TypeError(f"{self.name} has no buffer.")

    @property
    @abc.abstractmethod
    def acting_parts(self) -> tuple[str, ...]:
        """The parts of a checkpoint that acting needs, besides ``rng``."""

    # Lengths and costs.

    @property
    @abc.abstractmethod
    def steps_per_iteration(self) -> Any:
        """Environment steps of one iteration; traced if a hyperparameter that decides it is."""

    @abc.abstractmethod
    def check_length(self, n_total_timesteps: int) -> None:
        """Raises a ConfigurationError if a run of this length would learn nothing."""

    @abc.abstractmethod
    def cost(self, n_total_timesteps: int | float) -> float:
        """The work of a training, in any unit that compares trainings of one algorithm.

        The unit is about 2 microseconds of one core: populations weigh it against the
        start of a process.
        """

    def plan(self, lengths: Lengths, overshoot: int = 0) -> Plan:
        """Iterations and evaluations of a training of these lengths.

        Args:
            lengths: Of the training.
            overshoot: Environment steps by which earlier parts of the same schedule passed
                their budgets.
        """
        return make_plan(lengths, self.steps_per_iteration, overshoot)

    def plan_of(
        self,
        state: State,
        lengths: Lengths,
        timesteps_before: int | None = None,
        progress: TrainingProgress | None = None,
    ) -> Plan:
        """The plan of a call of :meth:`train` with these arguments."""
        overshoot: Any = 0
        if timesteps_before is not None:
            done_here = 0 if progress is None else progress.timesteps
            step = state[0].global_step
            step = step if validation.is_traced(step) else int(step)
            overshoot = step * self.env.n_envs - done_here - timesteps_before
        return make_plan(lengths, self.steps_per_iteration, overshoot, progress)

    def rehearsals(
        self, init_options: Mapping[str, Any], n_eval_episodes: int
    ) -> dict[str, Callable[[], Any]]:
        """The large programs of a training, to have them compiled ahead.

        Returns:
            For each program a function that has it compiled, in the order in which a
            training needs them; by a name that is the same for the same program in
            every process that trains in these environments.
        """
        tracking = Tracking(statistics=self.track_statistics)
        return ahead.rehearsals(self.structure, self.hp, tracking, init_options, n_eval_episodes)

    @property
    def uses_host(self) -> bool:
        """Whether an environment of it steps in Python."""
        return "host" in {self.env.kind, self.eval_env.kind}

    # Acting and training.

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
            obs: Observations, leaves ``[B, ...]``, as the environment gives them.
            rng: A key; None will do if the action is deterministic.
            deterministic: Act greedily; otherwise as in an evaluation that explores.

        Returns:
            Actions, ``[B, ...]``.

        Raises:
            ConfigurationError: If a random action is asked for without a key.
        """
        validation.not_consumed(runner_state)
        validation.batch_of("obs", obs, _example_observation(self.env))
        key = None if deterministic else typed_key(rng)
        agent = self.structure.agent
        return programs.act(agent, runner_state, self.hp, obs, key, bool(deterministic))

    def evaluate(self, runner_state: RunnerT, n_eval_episodes: int = 10) -> jax.Array:
        """Undiscounted returns of whole episodes in ``eval_env``, ``[n_eval_episodes]``."""
        validation.not_consumed(runner_state)
        n = positive_whole("n_eval_episodes", n_eval_episodes)
        is_traced = validation.is_traced((runner_state, self.hp))
        play: Any = segments.evaluate if is_traced else programs.evaluate
        return play(self.structure.agent, n, runner_state, self.hp)[0]

    def play(
        self, runner_state: RunnerT, rng: chex.PRNGKey, n_episodes: int, deterministic: bool = True
    ) -> EpisodeOutcomes:
        """Returns and lengths of whole episodes in ``eval_env``, from a key of their own.

        A traceable function: within ``jax.jit`` it compiles once for any state and key.
        """

        def policy(obs: Any, key: chex.PRNGKey) -> jax.Array:
            return self.predict(runner_state, obs, key, deterministic)

        return play_episodes(self.eval_env, policy, rng, n_episodes)

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

        The memory of both states is taken over: use the returned ones afterwards.
        Inside ``jax.jit`` or ``jax.vmap`` it is an ordinary traceable function, which
        calls nothing on the host: no ``on_progress``, no growing buffer, no
        ``DivergenceError``, and room for records of updates that were never due (NaN).

        Args:
            runner_state: Runner state.
            buffer_state: Buffer state; a state is passed on whole, ``train(*state)``.
            n_total_timesteps: Environment steps, such as ``1e5``, met to within one
                iteration: there are as many iterations as it takes to reach them.
            n_eval_steps: Number of evaluations. Evaluation ``k`` of ``n`` follows the
                iteration nearest to ``k / n`` of all.
            n_eval_episodes: Number of episodes of each evaluation.
            schedule_timesteps: Environment steps over which exploration schedules run,
                counted from the run's beginning; None takes ``n_total_timesteps``. Set it
                to the whole run's length when training in parts.
            on_progress: Called between segments of about a quarter of a second; the
                training stops early if it returns True.
            progress: Where an earlier call with the same numbers stood; this one does
                the rest of it. Evaluations come back whole, records from here on.
            timesteps_before: The sum of the budgets of earlier parts of the same run.
                What they overshot, this part has less, so that all parts together meet
                the sum of their budgets; it may have no iteration at all. None trains
                for the whole budget from here.

        Returns:
            Tuple of the algorithm's state and the training result.

        Raises:
            ConsumedStateError: If an earlier call has taken over the states.
            MemoryLimitError: If buffer and records would not fit in the limit.
            DivergenceError: If what was learnt was not finite at an evaluation; it
                holds the state and the result so far.
        """
        validation.not_consumed(runner_state, buffer_state)
        self.check_state(runner_state, buffer_state)
        lengths = Lengths.checked(
            n_total_timesteps, n_eval_steps, n_eval_episodes, schedule_timesteps
        )
        key = typed_key(runner_state.rng)
        state = self.structure.agent.state(
            runner_state._replace(rng=key),  # type: ignore[attr-defined]  # a named tuple
            buffer_state,
        )
        plan = self.plan_of(state, lengths, timesteps_before, progress)
        if validation.is_traced((state, self.hp)):
            validation.no_progress_when_traced(progress)
            self.require_room(state, None if plan.is_traced else plan.total_timesteps)
            shapes = self._record_shapes(state, plan)
            return training.train_traced(self.structure, self.hp, plan, state, shapes)
        state = self.make_room(state, plan.remaining_timesteps)
        shapes = self._record_shapes(state, plan)
        loop = training.HostTraining(
            self.structure, self.hp, plan, self._pacer, on_progress, progress
        )
        return loop.run(programs.unshared(state), shapes)

    def _record_shapes(self, state: State, plan: Plan) -> Recorder:
        """Shapes of what a training will record.

        Raises:
            MemoryLimitError: If the records and the buffer would take too much together.
        """
        tracking = Tracking(self.track_trajectories, self.track_metrics, self.track_statistics)
        shapes = training.record_shapes(self.structure, self.hp, state, plan, tracking)
        parts = {
            "buffer": memory.tree_bytes(state[1]),
            "trajectories": memory.tree_bytes(shapes.trajectories),
            "metrics": memory.tree_bytes(shapes.metrics),
        }
        memory.check(parts, self.memory_limit_gib, {"buffer": "", **self.memory_cures})
        return shapes


@functools.lru_cache(maxsize=64)
def _example_observation(env: Environment) -> Any:
    """Shapes and dtypes of one observation."""
    _, obs = jax.eval_shape(lambda: env.reset(jax.random.key(0)))
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), obs)


@functools.cache
def _option_names(cls: type[Algorithm]) -> tuple[str, ...]:
    parameters = {**inspect.signature(Algorithm.__init__).parameters}
    parameters |= inspect.signature(cls.__init__).parameters
    named = (name for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD)
    return tuple(name for name in named if name not in _NO_OPTIONS)
