"""DQN algorithm.

A Q-network is learnt from replayed transitions (Mnih et al. 2015), drawn uniformly or by
priority (Schaul et al. 2016). ``learning.py`` is the algorithm; this is its public interface.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax
from ConfigSpace import Configuration
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState
from flax.core.frozen_dict import FrozenDict

from arlbench import runtime
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.declarations import Declarations, probability
from arlbench.core.algorithms.dqn import checkpoint, forecast, hyperparameters, networks
from arlbench.core.algorithms.dqn.agent import AgentStructure, cannot_learn, require_learnable
from arlbench.core.algorithms.dqn.extensions import registry
from arlbench.core.algorithms.dqn.extensions.batches import update_once
from arlbench.core.algorithms.dqn.extensions.hyperparameters import PRESETS
from arlbench.core.algorithms.dqn.learning import Structure
from arlbench.core.algorithms.dqn.state import (
    DQNMetrics,
    DQNRunnerState,
    DQNState,
    DQNTrainingResult,
    DQNTrainReturnT,
    DQNTrainState,
    Transition,
)
from arlbench.core.algorithms.harness import programs, validation
from arlbench.core.algorithms.harness.backend import precise
from arlbench.core.algorithms.harness.structure import State
from arlbench.core.buffers import storage
from arlbench.core.checks import true_or_false
from arlbench.core.environments import Environment
from arlbench.core.environments.faults import answered
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


class DQN(Algorithm[DQNRunnerState, PrioritisedTrajectoryBufferState, DQNTrainingResult]):
    """JAX-based implementation of Deep Q-Network (DQN)."""

    name: str = "dqn"
    title: str = "DQN"
    structure: Structure
    hp: hyperparameters.TracedHyperparameters
    cannot_learn = staticmethod(cannot_learn)
    environment_parts = checkpoint.ENVIRONMENT_PARTS
    tracked_parts = checkpoint.TRACKED_PARTS
    tracked_by_all = checkpoint.TRACKED_BY_ALL
    companion_parts = checkpoint.COMPANION_PARTS
    extended_parts = checkpoint.EXTENDED_PARTS
    memory_cures = {**Algorithm.memory_cures, "buffer": forecast.BUFFER_CURE}  # noqa: RUF012

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
        track_losses: bool = False,
        frame_buffer: bool | None = None,
        extensions: Collection[str] | None = None,
    ) -> None:
        """Binds DQN to an environment; nothing is compiled or allocated yet.

        Traced hyperparameters may be tracers, so that an agent can be made and trained
        inside ``jax.jit`` or ``jax.vmap``; their ranges cannot be checked then.

        Args:
            hpo_config: Hyperparameters; those left out take their defaults.
            env: The environment to learn in.
            eval_env: The environment to evaluate in; None takes ``env``.
            deterministic_eval: Evaluate greedily; otherwise with ``eval_eps``.
            eval_eps: Probability of a random action in a non-greedy evaluation.
            cnn_policy: Use :class:`CNNQ` for pictures, a smaller network for grids of cells.
            nas_config: Architecture choices; those left out take their defaults.
            track_trajectories: Return a record of every step.
            track_metrics: Return every update's loss, gradients and TD errors.
            memory_limit_gib: Refuse runs whose buffer and records would need more memory.
            track_statistics: Give ``on_progress`` means and deviations over all updates.
            batch_sizes: Further values of ``buffer_batch_size`` to compile for; a traced value must
                be one of them. Ignored with ``track_metrics``, whose records fit only one size.
            track_losses: Return every update's loss, without the other metrics.
            frame_buffer: Store each frame of observations that are stacks of frames only once;
                None does so where it saves much memory. Batches are the same.
            extensions: Extended hyperparameters that may be used, such as "double_q" or "n_step=5";
                None takes those that ``hpo_config`` uses. A traced ``n_step`` above the largest
                one counts as the largest.

        Raises:
            ConfigurationError: If a name or value is unknown or impossible.
            UnknownEnvironmentError: If DQN cannot learn in this environment.
        """
        super().__init__(
            hpo_config,
            env,
            eval_env,
            memory_limit_gib=memory_limit_gib,
            track_trajectories=track_trajectories,
            track_metrics=track_metrics,
            track_statistics=track_statistics,
            track_losses=track_losses,
        )
        for each in (self.env, self.eval_env):
            require_learnable(each)
        self.batch_sizes = hyperparameters.check_batch_sizes(batch_sizes)
        self.nas_config = hyperparameters.resolve_nas(nas_config)
        network = networks.choose(self.env, cnn_policy, self.nas_config)
        if images := networks.reads_pictures(network):
            runtime.use_all_threads()
        is_greedy = true_or_false("deterministic_eval", deterministic_eval)
        eps = probability("eval_eps", eval_eps)
        agent = AgentStructure(self.env, self.eval_env, network, images, is_greedy, eps)
        self._plain_agent = agent.with_frames(frame_buffer)
        self.extensions = None if extensions is None else registry.parse(extensions)
        self._set_hpo_config(hpo_config)

    typical_config = staticmethod(hyperparameters.typical_config)
    options_for_space = staticmethod(registry.options_for_space)
    check_space = staticmethod(registry.check_space)
    get_hpo_config_space = staticmethod(hyperparameters.hpo_config_space)
    get_nas_config_space = staticmethod(hyperparameters.nas_config_space)
    get_default_hpo_config = staticmethod(hyperparameters.default_hpo_config)
    get_default_nas_config = staticmethod(hyperparameters.default_nas_config)

    @staticmethod
    def hyperparameters() -> Declarations:
        """The declarations of all hyperparameters."""
        return hyperparameters.ALL_HYPERPARAMETERS

    @staticmethod
    def architecture_choices() -> Declarations:
        """The declarations of all architecture choices."""
        return hyperparameters.ALL_ARCHITECTURE_CHOICES

    @staticmethod
    def presets() -> Mapping[str, Mapping[str, Any]]:
        """See :class:`Algorithm`."""
        return PRESETS

    def describe_agent(self) -> str:
        """The network in a few words."""
        return networks.describe(self._agent.network)

    def update_hpo_config(self, hpo_config: Configuration | Mapping[str, Any]) -> None:
        """Changes hyperparameters of this object; those not given keep their values.

        Inactive ones are ignored and have their defaults.

        A state continues with the new values in the next call to ``train``. Another program is
        only needed for ``buffer_prio_sampling``, a ``buffer_batch_size`` outside ``batch_sizes``,
        a ``buffer_size`` beyond the allocated rows, and another set of extensions or another
        largest ``n_step``; if updates are recorded, also for ``train_freq`` and ``gradient_steps``,
        and with ``track_metrics`` for ``learning_starts``. The extensions ``n_step`` and
        ``exploration`` must be there from the beginning: they add to the state.

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
            buffer_state: Buffer state; None makes an empty buffer.
            network_params: Network parameters; the names of arlbench 0.1.3 also fit.
            target_params: Target network parameters; None takes ``network_params``.
            opt_state: Optimizer state; the configuration's learning rate replaces its own.
            capacity: Rows to allocate, rounded up to a power of two unless they share frames. None
                allocates ``buffer_size``, and at least 8 MiB so that small sizes share a program.

        Raises:
            ConfigurationError: If a part does not fit this network or environment.
            MemoryLimitError: If the buffer would not fit in ``memory_limit_gib``.
        """
        validation.not_consumed(buffer_state, network_params, target_params, opt_state)
        rng = typed_key(rng)
        parts = checkpoint.given_parts(self._agent, network_params, target_params, opt_state)
        if validation.is_traced((rng, self.hp)):
            runner_state = self._agent.init_runner(self.hp, rng, parts)
        else:
            runner_state = answered(lambda: programs.init_runner(self._agent, rng, parts, self.hp))
        size, limit = self.hpo_config["buffer_size"], self.memory_limit_gib
        buffer = checkpoint.first_buffer(self._agent, buffer_state, size, capacity, limit)
        return DQNState(runner_state, buffer)

    def init_options(self, n_total_timesteps: int) -> dict[str, Any]:
        """The capacity that a run of this many environment steps can fill."""
        size, limit = self.hpo_config["buffer_size"], self.memory_limit_gib
        rows = min(size, forecast.rows_to_fill(self, n_total_timesteps))
        return {"capacity": forecast.rows_to_allocate(self._agent, size, rows, limit)}

    shared_init_options = staticmethod(forecast.shared_init_options)

    @staticmethod
    def options_to_share(algorithms: Sequence[Algorithm]) -> list[dict[str, Any]]:
        """The batch sizes with which these algorithms share programs; see :class:`Algorithm`."""
        structures: list[Any] = [algorithm.structure for algorithm in algorithms]
        return hyperparameters.shared_batch_sizes(
            [(each.agent, each.prioritised, each.extensions) for each in structures],
            [structure.batch_sizes for structure in structures],
        )

    def with_equal_shapes(
        self, states: Sequence[State], init_options: Mapping[str, Any]
    ) -> list[State]:
        """The states, all with the rows of the largest buffer, or more if the options say so."""
        rows = max(init_options["capacity"], *(storage.capacity(state[1]) for state in states))
        return [forecast.with_rows(state, rows) for state in states]

    def make_room(self, state: State, n_timesteps: int) -> State:
        """The state with rows for the whole buffer, or fewer if these steps cannot fill it."""
        size, limit = self.hpo_config["buffer_size"], self.memory_limit_gib
        return forecast.with_room(self._agent, state, size, n_timesteps, limit)

    def require_room(self, state: State, n_timesteps: int | None) -> None:
        """Raises if the buffer has too few rows for a training run inside ``jax.jit``."""
        forecast.require_rows(self.hpo_config["buffer_size"], state[1], n_timesteps)

    def check_state(
        self, runner_state: DQNRunnerState, buffer_state: PrioritisedTrajectoryBufferState
    ) -> None:
        """Raises a ConfigurationError if a state belongs to another network or environment."""
        checkpoint.check_state(self._agent, runner_state, buffer_state)

    def check_acting(self, runner_state: DQNRunnerState) -> None:
        """Raises a ConfigurationError unless this is a runner state of this network."""
        checkpoint.check_acting(self._agent, runner_state)

    @staticmethod
    def get_checkpoint_factory(
        runner_state: DQNRunnerState, train_result: DQNTrainingResult | None
    ) -> dict[str, Callable[[], Any]]:
        """For each part that can be saved, a function that returns it.

        The replay buffer is saved separately. Records that were not tracked are None.
        """
        return checkpoint.checkpoint_factory(runner_state, train_result)

    def checkpoint_template(self) -> dict[str, Any]:
        """See :class:`Algorithm`."""
        return checkpoint.template(self._agent)

    def restore(self, parts: Mapping[str, Any], state: DQNState | None = None) -> DQNState:
        """A state made from the parts of a checkpoint; see :class:`Algorithm`.

        If the network is given without its target network, the target is a copy of it. The
        arrays are not copied otherwise, so training the state reuses their memory.
        """
        if state is None:
            # A buffer that is replaced immediately can be small.
            rows = 1 if "buffer" in parts else None
            params = None if "target_params" in parts else parts.get("params")
            state = self.init(jax.random.key(0), network_params=params, capacity=rows)
            # Training starts its own episodes.
            self.release(state)
        return checkpoint.restore(state, parts)

    def pack_buffer(self, buffer_state: PrioritisedTrajectoryBufferState) -> Any:
        """The filled rows of the buffer; see :mod:`arlbench.core.buffers.packing`."""
        return storage.pack(buffer_state)

    def unpack_buffer(self, packed: Any) -> PrioritisedTrajectoryBufferState:
        return storage.unpack(packed)

    @property
    def extension_names(self) -> tuple[str, ...]:
        return self.structure.extensions.names

    @property
    def acting_parts(self) -> tuple[str, ...]:
        """The network, and the statistics of observations if they are standardised."""
        normalizes = self.hpo_config["normalize_observations"]
        return ("params", "normalizer_state") if normalizes else ("params",)

    @property
    def steps_per_iteration(self) -> Any:
        """Environment steps of one iteration, ``n_envs * train_freq``."""
        return self.env.n_envs * self.hpo_config["train_freq"]

    def check_length(self, n_total_timesteps: int) -> None:
        """Raises a ConfigurationError if a run of this length makes no update."""
        forecast.check_length(self.hpo_config, self.env.n_envs, n_total_timesteps)

    def cost(self, n_total_timesteps: int | float) -> float:
        """A rough estimate of a training run's work; see :class:`Algorithm`."""
        on_host = self.env.kind == "host"
        return forecast.cost(self.hpo_config, self.env.n_envs, on_host, n_total_timesteps)

    @precise()
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
            dones: 1 if the task ended, ``[B]``; 0 if only the time ran out.

        Returns:
            Tuple of (train_state, loss ``[]``, td_error ``[B]``, grads).
        """
        validation.not_consumed(train_state)
        batch = {"is_weights": is_weights, "actions": actions, "rewards": rewards, "dones": dones}
        batch = jax.tree.map(jnp.asarray, batch)
        checkpoint.check_batch(self._agent, observations, next_observations, **batch)
        return update_once(
            self._agent, train_state, observations, next_observations, hp=self.hp, **batch
        )

    def _set_hpo_config(
        self,
        given: Configuration | Mapping[str, Any] | None,
        current: Mapping[str, Any] | None = None,
    ) -> None:
        config = hyperparameters.resolve_hpo(given, current)
        batch_sizes = hyperparameters.compiled_batch_sizes(
            config, self.batch_sizes, self._tracking.metrics
        )
        extensions = hyperparameters.compiled_extensions(config, self.extensions)
        self._agent = self._plain_agent.with_extensions(extensions)
        prioritised = config["buffer_prio_sampling"]
        self.structure = Structure(self._agent, batch_sizes, prioritised, extensions)
        self.hpo_config, self.hp = config, hyperparameters.traced(config, extensions)
