"""How a run begins, and how it goes on with other hyperparameters."""

from __future__ import annotations

import functools
from typing import Any, cast

import chex
import jax
import jax.numpy as jnp
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState
from flax.core import FrozenDict, unfreeze

from arlbench.core import running_statistics
from arlbench.core.algorithms.dqn import checks
from arlbench.core.algorithms.dqn.acting import apply_fn
from arlbench.core.algorithms.dqn.hyperparameters import (
    AgentStructure,
    TracedHyperparameters,
    entries,
    hpo_config_space,
    resolve,
    traced,
)
from arlbench.core.algorithms.dqn.learner import logical_size
from arlbench.core.algorithms.dqn.optimizer import optimizer, with_learning_rate
from arlbench.core.algorithms.dqn.state import (
    DQNRunnerState,
    DQNState,
    DQNTrainState,
    StoredTransition,
)
from arlbench.core.algorithms.dqn.updates import follow_without_target
from arlbench.core.buffers import replay
from arlbench.core.observations import encode
from arlbench.core.randomness import Stream, stream_key
from arlbench.errors import ConfigurationError


def init_params(agent: AgentStructure, rng: chex.PRNGKey, obs: Any) -> Any:
    """Fresh parameters of the network."""
    features = encode(agent.env.observation_space, obs, agent.images)
    return agent.network.init(stream_key(rng, Stream.NETWORK_INIT), features)


@functools.lru_cache(maxsize=64)
def example_transition(agent: AgentStructure) -> StoredTransition:
    """Shapes and dtypes of one stored transition."""
    _, obs = jax.eval_shape(lambda: agent.env.reset(jax.random.key(0)))
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), obs)
    scalar = functools.partial(cast(Any, jax.ShapeDtypeStruct), ())
    return StoredTransition(one, scalar(jnp.int32), scalar(jnp.float32), one, scalar(jnp.bool_))


def init_buffer(agent: AgentStructure, capacity: int) -> PrioritisedTrajectoryBufferState:
    """An empty buffer of this many rows."""
    return replay.init(example_transition(agent), capacity)


def init_runner(
    agent: AgentStructure,
    rng: chex.PRNGKey,
    params: Any,
    target_params: Any,
    opt_state: Any,
    hp: TracedHyperparameters,
) -> DQNRunnerState:
    """A runner state at step 0; each part that is None is made anew."""
    env_state, obs = agent.env.reset(stream_key(rng, Stream.ENV_RESET))
    if params is None:
        params = init_params(agent, rng, obs)
    if target_params is None:
        target_params = params
    # Copies, because training takes over the memory of everything in the state.
    rng, params, target_params, opt_state = jax.tree.map(
        jnp.copy, (rng, params, target_params, opt_state)
    )
    train_state = DQNTrainState.create_with_opt_state(
        apply_fn=apply_fn(agent.network),
        params=params,
        target_params=target_params,
        tx=optimizer(),
        opt_state=opt_state,
    )
    train_state = train_state.replace(
        opt_state=with_learning_rate(train_state.opt_state, hp.learning_rate)
    )
    features = encode(agent.env.observation_space, obs, agent.images)
    return DQNRunnerState(
        rng=rng,
        train_state=train_state,
        normalizer_state=running_statistics.init_state(features.shape[1:]),
        env_state=env_state,
        obs=obs,
        global_step=jnp.zeros((), jnp.int32),
    )


def begin_episodes(agent: AgentStructure, runner: DQNRunnerState) -> DQNRunnerState:
    """The state with new episodes in its environments, and all else as it was."""
    key = stream_key(runner.rng, Stream.ENV_RESET, runner.global_step)
    env_state, obs = agent.env.reset(key)
    return runner._replace(env_state=env_state, obs=obs)


@functools.lru_cache(maxsize=64)
def fresh_runner(agent: AgentStructure) -> DQNRunnerState:
    """Shapes and dtypes of a runner state."""
    hp = traced(resolve(None, entries(hpo_config_space), "hyperparameter"))
    return jax.eval_shape(lambda: init_runner(agent, jax.random.key(0), None, None, None, hp))


def prepare(prioritised: bool, hp: TracedHyperparameters, state: DQNState) -> DQNState:
    """Brings a state in line with hyperparameters that may have changed since it was made."""
    runner, buffer = state
    buffer = replay.resize(buffer, logical_size(hp, buffer))
    if prioritised:
        buffer = replay.rebuild_tree(buffer, hp.buffer_alpha)
    opt_state = with_learning_rate(runner.train_state.opt_state, hp.learning_rate)
    train_state = runner.train_state.replace(opt_state=opt_state)
    if train_state.target_params is None:
        target_params = jax.tree.map(jnp.copy, train_state.params)
        train_state = train_state.replace(target_params=target_params)
    train_state = follow_without_target(hp, train_state)
    return DQNState(runner._replace(train_state=train_state), buffer)


def plain(params: Any) -> Any:
    """Parameters as an ordinary dict, where they are flax's frozen one."""
    return unfreeze(params) if isinstance(params, FrozenDict) else params


def check_parts(agent: AgentStructure, params: Any, target_params: Any, opt_state: Any) -> None:
    """Raises where a given part of a state does not fit; None is not given.

    Raises:
        ConfigurationError: Naming the leaf and both shapes.
    """
    if params is None and target_params is None and opt_state is None:
        return
    fresh = fresh_runner(agent).train_state
    expected = {
        "network_params": (params, fresh.params),
        "target_params": (target_params, fresh.params),
        "opt_state": (opt_state, fresh.opt_state),
    }
    for name, (given, like) in expected.items():
        if given is not None:
            checks.same_structure(name, given, like)


def check_state(agent: AgentStructure, runner_state: Any, buffer_state: Any) -> None:
    """Raises where a state is not one of this agent, naming what does not fit.

    Raises:
        ConfigurationError: If it comes from another network or environment.
    """
    if not isinstance(runner_state, DQNRunnerState) or not isinstance(
        buffer_state, PrioritisedTrajectoryBufferState
    ):
        raise ConfigurationError(
            "train takes a runner_state and a buffer_state, in this order; call train(*state)."
        )
    fresh = fresh_runner(agent)
    checks.same_structure("runner_state", _comparable(runner_state), _comparable(fresh))


def _comparable(runner: DQNRunnerState) -> Any:
    """What of a state has one shape for an agent; keys and missing targets are welcome."""
    train_state = runner.train_state
    return {
        "params": train_state.params,
        "opt_state": train_state.opt_state,
        "normalizer_state": runner.normalizer_state,
        "env_state": runner.env_state,
        "obs": runner.obs,
    }
