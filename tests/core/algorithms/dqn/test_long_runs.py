"""Runs of hundreds of millions of steps: what counters can hold, and schedules at late steps."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.extensions import registry
from arlbench.core.algorithms.dqn.extensions.batches import scheduled
from arlbench.core.algorithms.dqn.hyperparameters import resolve_hpo, traced
from arlbench.core.algorithms.dqn.learning import exploration
from arlbench.core.algorithms.harness.structure import Inputs
from arlbench.errors import ConfigurationError
from probes import small_dqn, small_state

#: The largest number of environment steps that 4 environments can have done.
MOST = 2**31 - 4

ROUNDING = 2.0**-23


def late_state(dqn: DQN, timesteps: int) -> Any:
    """A new state whose counters are those after this many environment steps."""
    runner, buffer = small_state(dqn)
    seen = runner.normalizer_state._replace(count=jnp.int32(timesteps))
    runner = runner._replace(global_step=jnp.int32(timesteps // 4), normalizer_state=seen)
    return runner, buffer.replace(running_index=jnp.int32(timesteps))


def test_an_agent_may_do_every_step_that_its_counters_hold() -> None:
    dqn = small_dqn(train_freq=1)
    state, _ = dqn.train(*late_state(dqn, MOST - 80), 80, n_eval_steps=1, n_eval_episodes=1)
    assert int(state.runner_state.global_step) * 4 == MOST
    assert int(state.runner_state.normalizer_state.count) == MOST
    assert int(state.buffer_state.running_index) == MOST
    assert np.isfinite(state.runner_state.normalizer_state.std).all()


def test_a_step_more_is_refused_before_the_state_is_used() -> None:
    dqn = small_dqn(train_freq=1)
    runner, buffer = late_state(dqn, MOST - 80)
    with pytest.raises(ConfigurationError, match=r"2147483648 .*32 bits.*train it for fewer steps"):
        dqn.train(runner, buffer, 84, n_eval_steps=1, n_eval_episodes=1)
    assert not runner.obs.is_deleted()


def test_budgets_of_earlier_parts_count_too() -> None:
    dqn = small_dqn(train_freq=1)
    arguments: dict[str, Any] = {"n_eval_steps": 1, "n_eval_episodes": 1}
    with pytest.raises(ConfigurationError, match="would have done 2147483648 environment steps"):
        dqn.train(*late_state(dqn, MOST - 80), 4, **arguments, timesteps_before=MOST)
    # The state is 80 steps behind the budgets of earlier parts.
    state, _ = dqn.train(*late_state(dqn, MOST - 80), 4, **arguments, timesteps_before=MOST - 4)
    assert int(state.runner_state.global_step) * 4 == MOST


def test_a_single_iteration_may_be_too_long() -> None:
    dqn = small_dqn(train_freq=2**31 - 1)
    with pytest.raises(ConfigurationError, match=r"one iteration has 8589934588\)"):
        dqn.train(*small_state(dqn), 10)


def test_inside_a_program_what_is_known_is_checked() -> None:
    dqn = small_dqn(train_freq=2**30)
    with pytest.raises(ConfigurationError, match="would have done 4294967296 environment steps"):
        jax.jit(lambda state: dqn.train(*state, 10, 1, 1))(small_state(dqn))


def test_learning_continues_beyond_the_gradient_steps_that_32_bits_hold() -> None:
    dqn = small_dqn(train_freq=1, gradient_steps=1, learning_starts=0, learning_rate=1e-2)

    def trained(n_updates: int, n_steps: int) -> Any:
        runner, buffer = small_state(dqn)
        train_state = runner.train_state
        adam, *others = train_state.opt_state.inner_state
        updates = jnp.int32(n_updates)
        inner_state = (adam._replace(count=updates), *others)
        opt_state = train_state.opt_state._replace(count=updates, inner_state=inner_state)
        train_state = train_state.replace(step=updates, opt_state=opt_state)
        state = (runner._replace(train_state=train_state), buffer)
        after, _ = dqn.train(*state, 4 * n_steps, n_eval_steps=1, n_eval_episodes=1)
        return after.runner_state.train_state

    after = trained(2**31 - 3, 5)
    assert after.step == -(2**31) + 2
    assert after.opt_state.inner_state[0].count == 2**31 - 1
    # By the inequality of Cauchy and Schwarz, a step of Adam without bias correction is at most
    # sqrt((1 - b1)**2 / (1 - b2) / (1 - b1**2 / b2)) = 7.27 learning rates.
    before = trained(2**31 - 3, 2)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), after.params, before.params)
    assert 0 < max(jax.tree.leaves(moved)) < 3 * 7.27 * 1e-2


# Around the number beyond which floats skip whole steps, and at the end of the range.
STEPS = [2**24 - 4, 2**24, 2**24 + 4, 10**8, 2**30 + 4, 2**31 - 8, MOST]


@pytest.mark.parametrize("timesteps", STEPS)
@pytest.mark.parametrize("horizon", [2 * 10**7, 2**30, 2**31 - 1])
def test_schedules_are_right_to_within_a_step_or_the_last_bit(timesteps: int, horizon: int) -> None:
    extensions = registry.parse(["learning_rate_final_factor", "buffer_beta_anneal"])
    given = {
        "initial_epsilon": 1.0,
        "target_epsilon": 0.0,
        "exploration_fraction": 1.0,
        "learning_rate": 1.0,
        "learning_rate_final_factor": 0.0,
        "buffer_prio_sampling": True,
        "buffer_beta": 0.0,
        "buffer_beta_anneal": 1.0,
    }
    inputs = Inputs(traced(resolve_hpo(given), extensions), np.float32(horizon), None)

    @jax.jit
    def values(global_step: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        hp = scheduled(inputs.hp, global_step * 4, inputs.schedule_timesteps)
        return exploration(inputs, 4, global_step), hp.learning_rate, hp.buffer_beta

    found = np.array(values(jnp.int32(timesteps // 4)), np.float64)
    left = float(max(1 - Fraction(timesteps, horizon), Fraction(0)))
    np.testing.assert_allclose(
        found, [left, left, 1 - left], rtol=0, atol=1 / horizon + 2 * ROUNDING
    )
