"""The functions in compiled programs: a loop of iterations, and the evaluation of episodes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from arlbench.core import lockstep
from arlbench.core.algorithms.harness.evaluation import evaluate_at_once, evaluate_episodes
from arlbench.core.algorithms.harness.recording import Recorder
from arlbench.core.algorithms.harness.structure import Acting, Carry, Inputs, Learning, State
from arlbench.core.lockstep import Active
from arlbench.core.randomness import Stream, stream_key


def run_segment(
    structure: Learning,
    hp: Any,
    schedule_timesteps: chex.Numeric,
    state: State,
    recorder: Recorder,
    n_iterations: chex.Numeric,
    axis: str | None = None,
) -> tuple[State, Recorder]:
    """Runs ``n_iterations`` iterations.

    Args:
        structure: Static.
        hp: Traced hyperparameters.
        schedule_timesteps: Environment steps of the exploration schedule, float32 ``[]``.
        state: The state to start from.
        recorder: The records so far.
        n_iterations: int32 ``[]``.
        axis: The name of the batch of members that train in lockstep; None without a batch.
    """
    inputs = Inputs(hp, schedule_timesteps, axis)
    carry = Carry(state, recorder, structure.no_draws(state[0].rng))

    def iterate(carry: Carry, active: Active) -> Carry:
        return structure.iterate(inputs, carry, active)

    if lockstep.may_wait():
        carry = lockstep.repeat(n_iterations, iterate, carry, axis)
        return carry.state, carry.recorder
    carry = carry._replace(state=structure.begin(state))
    carry = _in_spans(n_iterations, iterate, carry, axis, structure.span)
    return structure.end(carry.state), carry.recorder


def _in_spans(
    n: chex.Numeric,
    iterate: Callable[[Carry, Active], Carry],
    carry: Carry,
    axis: str | None,
    length: int,
) -> Carry:
    """Runs ``n`` iterations in spans of this length; the program only waits between spans."""

    def span(number: jax.Array, carry: Carry) -> Carry:
        rest = n - number * length
        return lockstep.repeat(rest, iterate, carry, axis, at_most=length)

    longest = n if axis is None else jax.lax.pmax(n, axis)
    return jax.lax.fori_loop(0, -(-longest // length), span, carry)


def evaluate(
    agent: Acting, n_episodes: int, runner_state: Any, hp: Any, axis: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """Returns of whole episodes ``[n_episodes]``, and whether what was learnt is finite, ``[]``.

    Args:
        agent: Static.
        n_episodes: Static.
        runner_state: The runner state with the policy to evaluate.
        hp: Traced hyperparameters.
        axis: The name of the batch of members that are evaluated together; None without a batch.
    """

    def policy(obs: Any, key: chex.PRNGKey) -> jax.Array:
        return agent.act(hp, runner_state, obs, key, agent.deterministic_eval)

    key = stream_key(runner_state.rng, Stream.EVALUATE, runner_state.global_step)
    finite = [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(agent.learnt(runner_state))]
    all_finite = functools.reduce(jnp.logical_and, finite)
    play = (
        evaluate_episodes if lockstep.may_wait() else functools.partial(evaluate_at_once, axis=axis)
    )
    return play(agent.eval_env, policy, key, n_episodes), all_finite
