"""DQN algorithm."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax
from ConfigSpace import Configuration, ConfigurationSpace
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState
from flax.core.frozen_dict import FrozenDict

from arlbench.core.algorithms.algorithm import Algorithm, OnProgress, TrainingProgress
from arlbench.core.algorithms.dqn import (
    acting,
    allocation,
    beginning,
    checkpoint,
    checks,
    hyperparameters,
    networks,
    programs,
    sharing,
    training,
)
from arlbench.core.algorithms.dqn.batched import DQNBatch
from arlbench.core.algorithms.dqn.forecast import DQNForecast
from arlbench.core.algorithms.dqn.recording import Recorder, Tracking
from arlbench.core.algorithms.dqn.state import (
    DQNMetrics,
    DQNRunnerState,
    DQNState,
    DQNTrainingResult,
    DQNTrainReturnT,
    DQNTrainState,
    Transition,
)
from arlbench.core.algorithms.pacing import Pacer
from arlbench.core.checks import positive_whole
from arlbench.core.environments import Environment
from arlbench.core.randomness import typed_key

__all__ = [
    "DQN",
    "DQNMetrics",
    "DQNRunnerState",
    "DQNState",
    "DQNTrainReturnT",
    "DQNTrainState",
    "DQNTrainingResult",
    "Transition",
]


class DQN(Algorithm):
    """JAX-based implementation of Deep Q-Network (DQN)."""

    name: str = "dqn"
    structure: hyperparameters.Structure
    environment_parts = checkpoint.ENVIRONMENT_PARTS
    tracked_parts = checkpoint.TRACKED_PARTS
    batch_class = DQNBatch
    cannot_learn = staticmethod(checks.cannot_learn)

    def __init__(
        self,
        hpo_config: Configuration | Mapping[str, Any] | None,
        env: Environment,
        eval_env: Environment | None = None,
        deterministic_eval: bool = True,
        eval_eps: float = 0.05,
        cnn_policy: bool = False,
        nas_config: Configuration | Mapping[str, Any] | None = None,
        track_trajectories: bool = False,
        track_metrics: bool = False,
        memory_limit_gib: float = 4.0,
        track_statistics: bool = False,
        batch_sizes: Collection[int] = (),
    ) -> None:
        """Binds DQN to an environment; nothing is compiled or allocated yet.

        Args:
            hpo_config: Hyperparameters; those left out take their defaults.
            env: Where to learn.
            eval_env: Where to evaluate; ``env`` where None.
            deterministic_eval: Evaluate greedily; otherwise with ``eval_eps``.
            eval_eps: Probability of a random action in a non-greedy evaluation.
            cnn_policy: Use :class:`CNNQ` for pictures, a smaller network for grids of cells.
            nas_config: Architecture; defaults as for ``hpo_config``.
            track_trajectories: Return every step.
            track_metrics: Return every update's loss, gradients and TD errors.
            memory_limit_gib: Refuse runs whose buffer and records would take more.
            track_statistics: Tell ``on_progress`` mean and deviation of what updates gave.
            batch_sizes: Further values of ``buffer_batch_size`` to compile for, so that a
                change to one of them compiles nothing; not with ``track_metrics``, whose
                records have the shape of one.

        Raises:
            ConfigurationError: If a name or value is unknown or impossible.
            UnknownEnvironmentError: If DQN cannot learn in this environment.
        """
        self.env, self.eval_env = env, env if eval_env is None else eval_env
        checks.environments(self.env, self.eval_env)
        self.eval_eps = float(hyperparameters.check_probability("eval_eps", eval_eps))
        self.deterministic_eval, self.cnn_policy = bool(deterministic_eval), bool(cnn_policy)
        self.track_trajectories, self.track_metrics = bool(track_trajectories), bool(track_metrics)
        self.track_statistics = bool(track_statistics)
        self.batch_sizes = sharing.check_batch_sizes(batch_sizes)
        self.memory_limit_gib = hyperparameters.check_positive("memory_limit_gib", memory_limit_gib)
        self._pacer = Pacer()
        choices = hyperparameters.entries(hyperparameters.nas_config_space)
        self.nas_config = hyperparameters.resolve(nas_config, choices, "architecture choice")
        network = networks.choose(self.env, self.cnn_policy, self.nas_config)
        self._agent = hyperparameters.AgentStructure(
            env=self.env,
            eval_env=self.eval_env,
            network=network,
            images=networks.reads_pictures(network),
            deterministic_eval=self.deterministic_eval,
            eval_eps=self.eval_eps,
        )
        self._set_hpo_config(hpo_config)

    @staticmethod
    def get_hpo_config_space(seed: int | None = None) -> ConfigurationSpace:
        """Returns the hyperparameter optimization (HPO) configuration space for DQN."""
        return hyperparameters.hpo_config_space(seed)

    @staticmethod
    def get_default_hpo_config() -> Configuration:
        """Returns the default hyperparameter configuration for DQN."""
        return hyperparameters.hpo_config_space().get_default_configuration()

    @staticmethod
    def get_nas_config_space(seed: int | None = None) -> ConfigurationSpace:
        """Returns the neural architecture search (NAS) configuration space for DQN."""
        return hyperparameters.nas_config_space(seed)

    @staticmethod
    def get_default_nas_config() -> Configuration:
        """Returns the default NAS configuration for DQN."""
        return hyperparameters.nas_config_space().get_default_configuration()

    @staticmethod
    def get_checkpoint_factory(
        runner_state: DQNRunnerState, train_result: DQNTrainingResult | None
    ) -> dict[str, Callable[[], Any]]:
        """Creates a factory dictionary of all possible checkpointing options for DQN.

        The replay buffer is saved apart. What was not tracked is None.
        """
        return checkpoint.checkpoint_factory(runner_state, train_result)

    def checkpoint_template(self) -> dict[str, Any]:
        """Shapes of every part of a checkpoint; see :class:`Algorithm`."""
        return checkpoint.template(self._agent)

    def restore(self, parts: Mapping[str, Any], state: DQNState | None = None) -> DQNState:
        """A state made of the parts of a checkpoint; see :class:`Algorithm`.

        Where the network is given without its target, that is a copy of it.
        """
        if state is None:
            # A buffer that is replaced at once need not be a large one.
            rows = 1 if "buffer" in parts else None
            params = None if "target_params" in parts else parts.get("params")
            state = self.init(jax.random.key(0), network_params=params, capacity=rows)
            self.env.release(state.runner_state.env_state)  # training begins episodes of its own
        return checkpoint.restore(state, parts)

    def update_hpo_config(self, hpo_config: Configuration | Mapping[str, Any]) -> None:
        """Changes hyperparameters of this object; those not given stay as they are.

        A state goes on under the new values with the next call of ``train``. What needs
        another program is ``buffer_prio_sampling``, a ``buffer_batch_size`` that is not among
        ``batch_sizes``, and a ``buffer_size`` beyond the rows that were allocated.

        Raises:
            ConfigurationError: If a name or value is unknown or impossible.
        """
        self._set_hpo_config(hpo_config, self.hpo_config)

    def init(
        self,
        rng: chex.PRNGKey,
        buffer_state: PrioritisedTrajectoryBufferState | None = None,
        network_params: FrozenDict | dict | None = None,
        target_params: FrozenDict | dict | None = None,
        opt_state: optax.OptState | None = None,
        capacity: int | None = None,
    ) -> DQNState:
        """Initializes DQN state. Passed parameters are copied into the final state.

        Args:
            rng: One random key, typed or raw.
            buffer_state: Buffer state.
            network_params: Network parameters.
            target_params: Target network parameters; ``network_params`` where None.
            opt_state: Optimizer state; the configuration's learning rate replaces its own.
            capacity: Rows to allocate, rounded up to a power of two. None allocates
                ``buffer_size``, and at least 8 MiB so that small sizes share a program.

        Raises:
            ConfigurationError: If a part does not fit this network or environment.
            MemoryLimitError: If the buffer would not fit in ``memory_limit_gib``.
        """
        checks.not_consumed(buffer_state, network_params, target_params, opt_state)
        rng = typed_key(rng)
        params, target = map(beginning.plain, (network_params, target_params))
        beginning.check_parts(self._agent, params, target, opt_state)
        begin = beginning.init_runner if checks.is_traced(rng) else programs.init_runner
        runner_state = begin(self._agent, rng, params, target, opt_state, self.hp)
        size = self.hpo_config["buffer_size"]
        return DQNState(
            runner_state,
            allocation.buffer_for(self._agent, buffer_state, size, capacity, self.memory_limit_gib),
        )

    def predict(
        self,
        runner_state: DQNRunnerState,
        obs: Any,
        rng: chex.PRNGKey | None,
        deterministic: bool = True,
    ) -> jax.Array:
        """Predict action(s) based on the current observation(s).

        Args:
            runner_state: Algorithm runner state.
            obs: Observations, leaves ``[B, ...]``, as the environment gives them.
            rng: A key; None will do where the action is deterministic.
            deterministic: Greedy; otherwise epsilon-greedy with ``eval_eps``.

        Returns:
            Actions, int32 ``[B]``.

        Raises:
            ConfigurationError: If a random action is asked for without a key.
        """
        checks.not_consumed(runner_state)
        checks.batch_of("obs", obs, beginning.example_transition(self._agent).obs)
        key = None if deterministic else typed_key(rng)
        normalize = self.hp.normalize_observations
        return programs.act(self._agent, runner_state, normalize, obs, key, bool(deterministic))

    def update(
        self,
        train_state: DQNTrainState,
        observations: jax.Array,
        is_weights: jax.Array,
        actions: jax.Array,
        next_observations: jax.Array,
        rewards: jax.Array,
        dones: jax.Array,
    ) -> tuple[DQNTrainState, jax.Array, jax.Array, Any]:
        """Update the Q-network.

        Args:
            train_state: DQN training state; without ``target_params`` the target is
                computed with ``params``.
            observations: Batch of observations, leaves ``[B, ...]``. They are not
                normalised here.
            is_weights: Importance weights, ``[B]``; ones for a uniform batch.
            actions: Batch of actions, integers ``[B]``.
            next_observations: Batch of next observations.
            rewards: Batch of rewards, ``[B]``.
            dones: 1 where the task ended, ``[B]``; not where only the time ran out.

        Returns:
            Tuple of (train_state, loss ``[]``, td_error ``[B]``, grads).
        """
        checks.not_consumed(train_state)
        batch = {"is_weights": is_weights, "actions": actions, "rewards": rewards, "dones": dones}
        batch = jax.tree.map(jnp.asarray, batch)
        example = beginning.example_transition(self._agent).obs
        checks.transitions(example, observations, next_observations, **batch)
        return programs.update(
            self._agent, train_state, observations, next_observations, hp=self.hp, **batch
        )

    def train(
        self,
        runner_state: DQNRunnerState,
        buffer_state: PrioritisedTrajectoryBufferState,
        n_total_timesteps: int | float = 1_000_000,
        n_eval_steps: int = 100,
        n_eval_episodes: int = 10,
        schedule_timesteps: int | float | None = None,
        on_progress: OnProgress | None = None,
        progress: TrainingProgress | None = None,
    ) -> DQNTrainReturnT:
        """Performs one full training.

        The memory of both states is taken over: use the returned ones afterwards.
        Inside ``jax.jit`` or ``jax.vmap`` it is an ordinary traceable function, which
        calls nothing on the host: no ``on_progress``, no growing buffer, no
        ``DivergenceError``, and room for records of updates that were never due (NaN).

        Args:
            runner_state: DQN runner state.
            buffer_state: Buffer state.
            n_total_timesteps: Environment steps, such as ``1e5``. Rounded up so that
                every interval between evaluations has as many whole iterations.
            n_eval_steps: Number of evaluations, one after each of as many intervals.
            n_eval_episodes: Number of episodes of each evaluation.
            schedule_timesteps: Environment steps over which the exploration schedule
                runs, counted from the run's beginning; ``n_total_timesteps`` where
                None. Set it to the whole run's length when training in parts.
            on_progress: Called between segments of about a quarter of a second; the
                training stops early where it returns True.
            progress: Where an earlier call with the same numbers stood; this one does
                the rest of it. Evaluations come back whole, records from here on.

        Returns:
            Tuple of DQN algorithm state and training result.

        Raises:
            ConsumedStateError: If an earlier call has taken over the states.
            MemoryLimitError: If buffer and records would not fit in the limit.
            DivergenceError: If the parameters were not finite at an evaluation; it
                holds the state and the result so far.
        """
        checks.not_consumed(runner_state, buffer_state)
        beginning.check_state(self._agent, runner_state, buffer_state)
        length = (n_total_timesteps, n_eval_steps, n_eval_episodes, schedule_timesteps)
        per_iteration = self.env.n_envs * self.hpo_config["train_freq"]
        plan = training.make_plan(*length, per_iteration, progress)
        state = DQNState(runner_state._replace(rng=typed_key(runner_state.rng)), buffer_state)
        if checks.is_traced(state):
            checks.no_progress_when_traced(progress)
            allocation.require_room(self.hpo_config["buffer_size"], state, plan)
            records = self._room_for_records(state, plan)
            return training.train_traced(self.structure, self.hp, plan, state, records)
        size = self.hpo_config["buffer_size"]
        state = allocation.with_room(self._agent, size, state, plan, self.memory_limit_gib)
        loop = training.HostTraining(
            self.structure, self.hp, plan, self._pacer, on_progress, progress
        )
        return loop.run(programs.unshared(state), self._room_for_records(state, plan))

    def _room_for_records(self, state: DQNState, plan: training.Plan) -> Recorder:
        tracked = Tracking(self.track_trajectories, self.track_metrics, self.track_statistics)
        return allocation.recorder_shapes(
            self.structure, self.hp, state, plan, tracked, self.memory_limit_gib
        )

    def evaluate(self, runner_state: DQNRunnerState, n_eval_episodes: int = 10) -> jax.Array:
        """Undiscounted returns of whole episodes in ``eval_env``, ``[n_eval_episodes]``."""
        checks.not_consumed(runner_state)
        n = positive_whole("n_eval_episodes", n_eval_episodes)
        play = acting.evaluate if checks.is_traced(runner_state) else programs.evaluate
        return play(self._agent, n, runner_state, self.hp.normalize_observations)[0]

    @property
    def forecast(self) -> DQNForecast:
        """What trainings with the present configuration would take."""
        return DQNForecast(self)

    @staticmethod
    def options_to_share(algorithms: Sequence[Any]) -> list[dict[str, Any]]:
        """Settings of the class with which these share programs; see :class:`Algorithm`."""
        return sharing.options_to_share([a.structure for a in algorithms])

    def _set_hpo_config(
        self,
        given: Configuration | Mapping[str, Any] | None,
        current: Mapping[str, Any] | None = None,
    ) -> None:
        space = hyperparameters.entries(hyperparameters.hpo_config_space)
        config = hyperparameters.resolve(given, space, "hyperparameter", current)
        self.hpo_config = config
        self.hp = hyperparameters.traced(config)
        further = () if self.track_metrics else self.batch_sizes
        batch_sizes = tuple(sorted({config["buffer_batch_size"], *further}))
        self.structure = hyperparameters.Structure(
            self._agent, batch_sizes, config["buffer_prio_sampling"]
        )
