"""What components learn, compared with the known values of tiny environments."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.extensions import networks
from arlbench.core.environments import SingleStep
from probes import HIGH, LEARNING, LOW, OneStep, Probe, TimeLimit, TwoSteps, observation

GAMMA = LEARNING["gamma"]

HYPERPARAMETERS = {**LEARNING, "target_epsilon": 1.0}


class Coin(OneStep):
    """An episode of one step, which earns -1 or 1 with equal chances."""

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        reward = jnp.where(jax.random.bernoulli(rng), 1.0, -1.0)
        return SingleStep(env_state, env_state, reward, True, False)


class NoisyBandit(Probe):
    """Goes from LOW to HIGH for nothing; there, each of 8 actions earns noise, and it ends."""

    @property
    def action_space(self) -> spaces.Space:
        return spaces.Discrete(8)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        last = env_state[0] == HIGH
        reward = jnp.where(last, jax.random.normal(rng), 0.0)
        return SingleStep(observation(HIGH), observation(HIGH), reward, last, False)


def trained(env: Probe, nas: Any = None, n_timesteps: int = 6000, **hpo: Any) -> tuple[DQN, Any]:
    choices = {"hidden_size": 16, **(nas or {})}
    dqn = DQN({**HYPERPARAMETERS, **hpo}, env, nas_config=choices)
    state, _ = dqn.train(*dqn.init(jax.random.key(0), capacity=512), n_timesteps, 1, 1)
    return dqn, state.runner_state.train_state


def outputs(dqn: DQN, train_state: Any, value: float) -> np.ndarray:
    network = dqn.structure.agent.network
    return np.asarray(networks.outputs(network, train_state.params, observation(value)[None], None))


@pytest.mark.thorough
@pytest.mark.parametrize("prioritised", [False, True])
def test_several_steps_bootstrap_from_a_time_limit_within_the_window(prioritised: bool) -> None:
    """An episode has three steps, so most windows of five end with the time limit."""
    dqn, state = trained(TimeLimit(), n_step=5, buffer_prio_sampling=prioritised)
    np.testing.assert_allclose(outputs(dqn, state, LOW), 1 / (1 - GAMMA), rtol=0.05)


@pytest.mark.thorough
def test_several_steps_end_with_the_task() -> None:
    dqn, state = trained(TwoSteps(), n_step=5)
    np.testing.assert_allclose(outputs(dqn, state, LOW), GAMMA, atol=0.05)
    np.testing.assert_allclose(outputs(dqn, state, HIGH), 1.0, atol=0.05)


@pytest.mark.thorough
def test_a_categorical_head_learns_both_sides_of_a_coin() -> None:
    head = {"distribution": "categorical", "n_atoms": 3, "v_min": -1.0, "v_max": 1.0}
    dqn, state = trained(Coin(), head)
    probabilities = np.asarray(jax.nn.softmax(outputs(dqn, state, LOW)))[0]
    np.testing.assert_allclose(probabilities, [[0.5, 0.0, 0.5]] * 2, atol=0.1)


@pytest.mark.thorough
def test_a_quantile_head_learns_both_sides_of_a_coin() -> None:
    dqn, state = trained(Coin(), {"distribution": "quantile", "n_quantiles": 4})
    quantiles = np.sort(outputs(dqn, state, LOW)[0])
    # Huber's loss draws them a little towards the middle.
    assert (quantiles[:, :2] < -0.3).all()
    assert (quantiles[:, 2:] > 0.3).all()


@pytest.mark.thorough
def test_double_q_learning_is_less_biased_on_a_noisy_bandit() -> None:
    """Every value is 0, but the largest of eight noisy estimates is above it."""
    biases = []
    for double_q in (False, True):
        dqn, state = trained(NoisyBandit(), double_q=double_q, n_timesteps=8000, gamma=1.0)
        biases.append(float(np.mean(outputs(dqn, state, LOW))))
    assert biases[0] > 0.05
    assert biases[1] < biases[0]
