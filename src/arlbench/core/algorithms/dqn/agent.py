"""An agent: its initial state, how it reads observations, and how it acts."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState
from gymnasium import spaces

from arlbench.core import running_statistics
from arlbench.core.algorithms import framing
from arlbench.core.algorithms.dqn import losses
from arlbench.core.algorithms.dqn.extensions import exploring, networks
from arlbench.core.algorithms.dqn.extensions.registry import Extensions
from arlbench.core.algorithms.dqn.hyperparameters import TracedHyperparameters, default_inputs
from arlbench.core.algorithms.dqn.models import MAX_PIXEL, MLPQ
from arlbench.core.algorithms.dqn.state import (
    DQNRunnerState,
    DQNState,
    DQNTrainState,
    StoredTransition,
)
from arlbench.core.algorithms.dqn.updates import optimizer, with_learning_rate
from arlbench.core.algorithms.harness.structure import Acting
from arlbench.core.buffers import frames, replay
from arlbench.core.buffers.frame_slots import Layout
from arlbench.core.environments import Environment, EnvListing, example_observation
from arlbench.core.observations import ACTION_MASK, action_mask, encode, has_action_mask
from arlbench.core.randomness import Stream, stream_key
from arlbench.core.running_statistics import RunningStatisticsState
from arlbench.errors import UnknownEnvironmentError


class Parts(NamedTuple):
    """Parts of a state that a caller gives; a part that is None is newly made."""

    params: Any = None
    target_params: Any = None
    opt_state: Any = None


class ActionDraws(NamedTuple):
    """Random numbers for choosing actions, ``[..., B]``.

    Attributes:
        explore: Uniform in [0, 1); if below epsilon, the action is random.
        action: Uniform actions, int32; if some actions may be illegal, uniform in [0, 1).
    """

    explore: jax.Array
    action: jax.Array


@functools.cache
def apply_fn(network: nn.Module) -> Any:
    """``network.apply``; equal networks share one object, because a new one is traced again."""
    return network.apply


@dataclasses.dataclass(frozen=True)
class AgentStructure(Acting):
    """Everything that shapes acting and evaluation. Equal agents share their compiled programs.

    Attributes:
        env: The environment in which it learns.
        eval_env: The environment in which it is evaluated.
        network: The network, compared by its class and fields.
        images: Whether observations reach the network as images.
        deterministic_eval: Whether evaluations are greedy; if not, they are epsilon-greedy
            with ``eval_eps``.
        eval_eps: Probability of a random action in an evaluation that is not greedy.
        frames: How its replay buffer divides observations into frames, each of which it stores
            once; None if it stores whole observations.
        keeps_ends: Whether it also stores where episodes were cut off.
    """

    env: Environment
    eval_env: Environment
    network: Any
    images: bool
    deterministic_eval: bool
    eval_eps: float
    frames: Layout | None = None
    keeps_ends: bool = False

    @property
    def label(self) -> str:
        return str(self.network)

    def features(self, obs: Any) -> jax.Array:
        """Converts observations of the environment into the network's input, ``[B, ...]``."""
        return encode(self.env.observation_space, obs, self.images)

    @property
    def n_features(self) -> int:
        """How many numbers of one observation the network reads."""
        obs = example_transition(self).obs
        batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct((1, *x.shape), x.dtype), obs)
        return int(jax.eval_shape(self.features, batch).size)

    def with_frames(self, asked: bool | None) -> AgentStructure:
        """The same, with a replay buffer that stores frames once if ``framing`` chooses that."""
        layout = framing.choose(self.env, example_transition(self), asked)
        return dataclasses.replace(self, frames=layout)

    def with_extensions(self, extensions: Extensions) -> AgentStructure:
        """The same, with what these extensions need."""
        env = exploring.with_persistence(self.env) if extensions.persists else self.env
        return dataclasses.replace(self, env=env, keeps_ends=extensions.keeps_ends)

    @property
    def overflow_sentence(self) -> str:
        """Says that the replay buffer has no room for further frames."""
        return framing.overflow_sentence(self.env.env_name)

    def fits_a_kernel(self, batch_sizes: Sequence[int]) -> bool:
        """Whether one GPU kernel can compute the gradients of batches of all these sizes."""
        # Pallas takes long to import, and is for GPUs only.
        from arlbench.core.algorithms import two_layers  # noqa: PLC0415

        network = self.network
        if not isinstance(network, MLPQ) or has_action_mask(self.env.observation_space):
            return False
        sizes = (network.hidden_size, network.action_dim, self.n_features)
        return all(two_layers.fits(*sizes, batch_size) for batch_size in batch_sizes)

    def read(
        self, normalizer_state: RunningStatisticsState, normalize: chex.Numeric, obs: Any
    ) -> jax.Array:
        """The features of observations, standardised if ``normalize``."""
        features = self.features(obs)
        standardised = running_statistics.normalize(normalizer_state, features)
        if self.images:
            # CNNQ divides by this. That suits pixels, but would make standardised values too small.
            standardised = standardised * MAX_PIXEL
        return jnp.where(normalize, standardised, features)

    def legal(self, obs: Any) -> jax.Array | None:
        """Legal actions, bool ``[B, num_actions]``; None if all actions are always legal."""
        return action_mask(self.env.observation_space, obs)

    def q_values(
        self,
        params: Any,
        normalizer_state: RunningStatisticsState,
        normalize: chex.Numeric,
        obs: Any,
    ) -> jax.Array:
        """Values ``[B, num_actions]`` for observations of the environment."""
        return apply_fn(self.network)(params, self.read(normalizer_state, normalize, obs))

    def draw_actions(self, rng: chex.PRNGKey, shape: tuple[int, ...]) -> ActionDraws:
        """Independent draws; each kind has its own key."""
        explore_key, action_key = jax.random.split(rng)
        if has_action_mask(self.env.observation_space):
            action = jax.random.uniform(action_key, shape, jnp.float32)
        else:
            action = jax.random.randint(action_key, shape, 0, self.network.action_dim, jnp.int32)
        return ActionDraws(jax.random.uniform(explore_key, shape, jnp.float32), action)

    def greedy(self, q: jax.Array, obs: Any) -> jax.Array:
        """The legal actions with the largest values, int32 ``[B]``, from ``q [B, num_actions]``."""
        return jnp.argmax(losses.legal_values(q, self.legal(obs)), axis=-1).astype(jnp.int32)

    def epsilon_greedy(
        self, q: jax.Array, obs: Any, draws: ActionDraws, epsilon: chex.Numeric
    ) -> jax.Array:
        """Legal actions ``[B]``: a random one with probability epsilon, otherwise the best one."""
        mask = self.legal(obs)
        random = draws.action if mask is None else _random_legal(mask, draws.action)
        return jnp.where(draws.explore < epsilon, random, self.greedy(q, obs))

    def explore(
        self,
        hp: TracedHyperparameters,
        runner_state: DQNRunnerState,
        draws: ActionDraws,
        epsilon: chex.Numeric,
    ) -> tuple[jax.Array, Any]:
        """Actions ``[n_envs]`` for training, and the state of its environments before the step."""
        rng, _, normalizer_state, env_state, obs, step = runner_state
        params = runner_state.train_state.params
        features = self.read(normalizer_state, hp.normalize_observations, obs)
        if networks.is_noisy(self.network):
            key = stream_key(rng, Stream.NOISE_OF_ACTING, step)
            noise = networks.draw_noise(params, key)
            outputs = networks.outputs(self.network, params, features, noise)
            q = networks.head_of(self.network).values(outputs)
        else:
            q = apply_fn(self.network)(params, features)
        if hp.extended is None or hp.extended.exploration is None:
            return self.epsilon_greedy(q, obs, draws, epsilon), env_state
        mask = self.legal(obs)
        random = draws.action if mask is None else _random_legal(mask, draws.action)
        proposal = exploring.Proposal(self.greedy(q, obs), random, draws.explore < epsilon)
        key = stream_key(rng, Stream.EXPLORE, step)
        return exploring.choose(hp.extended, q, mask, proposal, env_state, key)

    def act(
        self,
        hp: TracedHyperparameters,
        runner_state: DQNRunnerState,
        obs: Any,
        rng: chex.PRNGKey | None,
        deterministic: bool,
    ) -> jax.Array:
        params, normalizer_state = runner_state.train_state.params, runner_state.normalizer_state
        q = self.q_values(params, normalizer_state, hp.normalize_observations, obs)
        if deterministic:
            return self.greedy(q, obs)
        draws = self.draw_actions(cast(chex.PRNGKey, rng), q.shape[:1])
        return self.epsilon_greedy(q, obs, draws, self.eval_eps)

    def learnt(self, runner_state: DQNRunnerState) -> Any:
        # An optimiser that has overflowed makes no further steps, so the parameters stay finite.
        return (runner_state.train_state.params, runner_state.train_state.opt_state)

    def init_runner(
        self, hp: TracedHyperparameters, rng: chex.PRNGKey, parts: Parts | None
    ) -> DQNRunnerState:
        params, target_params, opt_state = parts or Parts()
        env_state, obs = self.env.reset(stream_key(rng, Stream.ENV_RESET))
        if params is None:
            params = self.network.init(stream_key(rng, Stream.NETWORK_INIT), self.features(obs))
        if target_params is None:
            target_params = params
        # Copies, because training reuses the memory of everything in the state.
        rng, params, target_params, opt_state = jax.tree.map(
            jnp.copy, (rng, params, target_params, opt_state)
        )
        train_state = DQNTrainState.create_with_opt_state(
            apply_fn=apply_fn(self.network),
            params=params,
            target_params=target_params,
            tx=optimizer(),
            opt_state=opt_state,
        )
        opt_state = with_learning_rate(train_state.opt_state, hp.learning_rate)
        return DQNRunnerState(
            rng=rng,
            train_state=train_state.replace(opt_state=opt_state),
            normalizer_state=running_statistics.init_state(self.features(obs).shape[1:]),
            env_state=env_state,
            obs=obs,
            global_step=jnp.zeros((), jnp.int32),
        )

    def init_buffer(self, capacity: int) -> PrioritisedTrajectoryBufferState:  # type: ignore[override]
        """An empty buffer of this many rows."""
        example = example_transition(self)
        if self.frames is not None:
            return frames.init(example, capacity, self.env.n_envs, self.frames)
        return replay.init(example, capacity)

    def state(
        self, runner_state: DQNRunnerState, buffer_state: PrioritisedTrajectoryBufferState
    ) -> DQNState:
        return DQNState(runner_state, buffer_state)


# Descriptions of action spaces that DQN cannot learn in, by their kind.
_UNLEARNABLE = {
    "Box": "continuous actions",
    "MultiDiscrete": "an action consists of several choices",
    "MultiBinary": "an action consists of several choices",
}


def cannot_learn(listing: EnvListing) -> str | None:
    """Why DQN cannot learn in a listed environment, in words; None if it can."""
    if listing.n_actions is not None or listing.action_kind is None:
        return None
    return _in_words(listing.action_kind)


def _in_words(action_kind: str) -> str:
    return _UNLEARNABLE.get(action_kind, f"actions of the kind {action_kind}")


def require_learnable(env: Environment) -> None:
    """Raises an UnknownEnvironmentError if DQN cannot learn in this environment."""
    if not isinstance(env.action_space, spaces.Discrete):
        reason = _in_words(type(env.action_space).__name__)
        raise UnknownEnvironmentError(
            f"DQN cannot learn in {env.env_name} ({reason}), because it needs a Discrete action "
            "space; choose another environment ('arlbench envs' lists them)."
        )
    if env.action_space.start != 0:
        raise UnknownEnvironmentError(
            f"{env.env_name} numbers its actions from {env.action_space.start}; wrap it so that "
            "they start at 0."
        )
    space, n_actions = env.observation_space, int(env.action_space.n)
    if has_action_mask(space) and space[ACTION_MASK].shape != (n_actions,):  # type: ignore[index]
        raise UnknownEnvironmentError(
            f"{env.env_name} has an '{ACTION_MASK}' of shape {space[ACTION_MASK].shape}, "  # type: ignore[index]
            f"but {n_actions} actions; give it one entry for each action, or rename it."
        )


def _random_legal(mask: jax.Array, fraction: jax.Array) -> jax.Array:
    """The legal action at a fraction in [0, 1) of the list of legal actions, int32 ``[B]``."""
    n_in_all = jnp.sum(mask, axis=-1).astype(jnp.float32)
    n_before = jnp.floor(fraction * n_in_all).astype(jnp.int32)
    # The first action at which the running number of legal actions exceeds ``n_before``.
    n_legal = jnp.cumsum(mask, axis=-1, dtype=jnp.int32)
    return jnp.argmax(n_legal > n_before[:, None], axis=-1).astype(jnp.int32)


@functools.lru_cache(maxsize=64)
def example_transition(agent: AgentStructure) -> StoredTransition:
    """Shapes and dtypes of one stored transition."""
    one = example_observation(agent.env)
    scalar = functools.partial(cast(Any, jax.ShapeDtypeStruct), ())
    flag = scalar(jnp.bool_)
    cut_off = flag if agent.keeps_ends else None
    return StoredTransition(one, scalar(jnp.int32), scalar(jnp.float32), one, flag, cut_off)


@functools.lru_cache(maxsize=64)
def fresh_runner(agent: AgentStructure) -> DQNRunnerState:
    """Shapes and dtypes of a runner state."""
    return jax.eval_shape(lambda: agent.init_runner(default_inputs(), jax.random.key(0), None))
