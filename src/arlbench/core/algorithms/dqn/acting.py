"""Acting and evaluating: what a trained agent does."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from arlbench.core import running_statistics
from arlbench.core.algorithms.dqn import losses
from arlbench.core.algorithms.dqn.hyperparameters import AgentStructure
from arlbench.core.algorithms.dqn.models import MAX_PIXEL
from arlbench.core.algorithms.dqn.state import DQNRunnerState
from arlbench.core.algorithms.evaluation import evaluate_episodes
from arlbench.core.observations import action_mask, encode, has_action_mask
from arlbench.core.randomness import Stream, stream_key
from arlbench.core.running_statistics import RunningStatisticsState


@functools.cache
def apply_fn(network: nn.Module) -> Any:
    """``network.apply``, one object for equal networks: a new one would trace again."""
    return network.apply


def q_values(
    agent: AgentStructure,
    params: Any,
    normalizer_state: RunningStatisticsState,
    normalize: chex.Numeric,
    obs: Any,
) -> jax.Array:
    """Values ``[B, num_actions]`` of observations as the environment gives them."""
    return apply_fn(agent.network)(params, read(agent, normalizer_state, normalize, obs))


def read(
    agent: AgentStructure,
    normalizer_state: RunningStatisticsState,
    normalize: chex.Numeric,
    obs: Any,
) -> jax.Array:
    """What the network reads of observations, standardised where that is wanted, ``[B, ...]``."""
    features = encode(agent.env.observation_space, obs, agent.images)
    standardised = running_statistics.normalize(normalizer_state, features)
    if agent.images:
        # CNNQ divides by this, which suits pixels and would blind it to deviations.
        standardised = standardised * MAX_PIXEL
    return jnp.where(normalize, standardised, features)


class ActionDraws(NamedTuple):
    """Random numbers for choosing actions, ``[..., B]``.

    Attributes:
        explore: Uniform in [0, 1); below epsilon the action is random.
        action: Uniform actions, int32; where not all are always legal, uniform in [0, 1).
    """

    explore: jax.Array
    action: jax.Array


def draw_actions(agent: AgentStructure, rng: chex.PRNGKey, shape: tuple[int, ...]) -> ActionDraws:
    """Independent draws, each kind from its own key."""
    explore_key, action_key = jax.random.split(rng)
    if has_action_mask(agent.env.observation_space):
        action = jax.random.uniform(action_key, shape)
    else:
        action = jax.random.randint(action_key, shape, 0, agent.network.action_dim, jnp.int32)
    return ActionDraws(jax.random.uniform(explore_key, shape), action)


def greedy(agent: AgentStructure, q: jax.Array, obs: Any) -> jax.Array:
    """The best legal actions, int32 ``[B]``, of values ``[B, num_actions]``."""
    mask = action_mask(agent.env.observation_space, obs)
    return jnp.argmax(losses.legal_values(q, mask), axis=-1).astype(jnp.int32)


def epsilon_greedy(
    agent: AgentStructure, q: jax.Array, obs: Any, draws: ActionDraws, epsilon: chex.Numeric
) -> jax.Array:
    """Actions ``[B]``: random with probability epsilon, otherwise the best; always legal ones."""
    mask = action_mask(agent.env.observation_space, obs)
    random = draws.action if mask is None else _random_legal(mask, draws.action)
    return jnp.where(draws.explore < epsilon, random, greedy(agent, q, obs))


def _random_legal(mask: jax.Array, fraction: jax.Array) -> jax.Array:
    """The legal action that lies at a fraction in [0, 1) of all legal ones, int32 ``[B]``."""
    n_before = jnp.floor(fraction * jnp.sum(mask, axis=-1)).astype(jnp.int32)
    # The first action with more legal ones up to and with it.
    n_legal = jnp.cumsum(mask, axis=-1)
    return jnp.argmax(n_legal > n_before[:, None], axis=-1).astype(jnp.int32)


def act(
    agent: AgentStructure,
    runner: DQNRunnerState,
    normalize: chex.Numeric,
    obs: Any,
    rng: chex.PRNGKey | None,
    deterministic: bool,
) -> jax.Array:
    """Actions ``[B]``: greedy, or epsilon-greedy with ``eval_eps``."""
    q = q_values(agent, runner.train_state.params, runner.normalizer_state, normalize, obs)
    if deterministic:
        return greedy(agent, q, obs)
    return epsilon_greedy(agent, q, obs, draw_actions(agent, rng, q.shape[:1]), agent.eval_eps)


def evaluate(
    agent: AgentStructure,
    n_episodes: int,
    runner: DQNRunnerState,
    normalize: chex.Numeric,
) -> tuple[jax.Array, jax.Array]:
    """Returns of whole episodes ``[n_episodes]``, and whether what was learnt is finite."""

    def policy(obs: Any, key: chex.PRNGKey) -> jax.Array:
        return act(agent, runner, normalize, obs, key, agent.deterministic_eval)

    key = stream_key(runner.rng, Stream.EVALUATE, runner.global_step)
    learnt = (runner.train_state.params, runner.train_state.opt_state)
    # An optimiser that has overflowed takes no more steps, and leaves the parameters finite.
    all_finite = functools.reduce(
        jnp.logical_and, [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(learnt)]
    )
    return evaluate_episodes(agent.eval_env, policy, key, n_episodes), all_finite
