"""Illegal actions are not explored, not chosen, and not bootstrapped from."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.algorithms.dqn import DQN, losses
from arlbench.core.environments import SingleStep
from arlbench.errors import UnknownEnvironmentError
from probes import Probe

#: Legal actions in each of three situations; the last has only one.
LEGAL = jnp.array(
    [[True, False, True, True], [False, True, True, False], [False, False, False, True]]
)

#: The reward of an illegal action: large enough that a learner would find it.
TEMPTATION = 100.0


class Masked(Probe):
    """One step in one of three situations: legal actions earn 1, illegal ones far more."""

    n_actions = 4

    @property
    def action_space(self) -> spaces.Space:
        return spaces.Discrete(self.n_actions)

    @property
    def observation_space(self) -> spaces.Space:
        mask = spaces.MultiBinary(self.n_actions)
        return spaces.Dict({"situation": spaces.Discrete(3), "action_mask": mask})

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        situation = jax.random.randint(rng, (), 0, 3)
        return situation, self.observe(situation)

    def observe(self, situation: jax.Array) -> Any:
        return {"situation": situation, "action_mask": LEGAL[situation]}

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        reward = jnp.where(LEGAL[env_state, action], 1.0, TEMPTATION)
        # No action is legal after the end.
        over = {"situation": env_state, "action_mask": jnp.zeros(self.n_actions, bool)}
        return SingleStep(env_state, over, reward, True, False)


CONFIG = {
    "buffer_size": 1024,
    "buffer_batch_size": 16,
    "learning_starts": 0,
    "learning_rate": 1e-2,
    "train_freq": 1,
    "gamma": 0.9,
    "target_update_interval": 1,
}


def train(**config: Any) -> tuple[Any, Any]:
    dqn = DQN({**CONFIG, **config}, Masked(n_envs=8), track_trajectories=True)
    return dqn.train(*dqn.init(jax.random.key(0)), 4000, 2, 32)


def legal(trajectories: Any) -> np.ndarray:
    """Whether each action taken was legal."""
    situation, action = np.asarray(trajectories.obs["situation"]), np.asarray(trajectories.action)
    return np.asarray(LEGAL)[situation, action]


@pytest.mark.thorough
def test_exploration_takes_legal_actions_and_all_of_them_as_often() -> None:
    _, result = train(initial_epsilon=1.0, target_epsilon=1.0)
    trajectories = result.trajectories
    assert legal(trajectories).all()
    for situation, actions in ((0, [0, 2, 3]), (1, [1, 2])):
        taken = np.asarray(trajectories.action)[
            np.asarray(trajectories.obs["situation"]) == situation
        ]
        shares = np.array([np.mean(taken == action) for action in actions])
        # Four standard deviations of a share over about 1,300 draws.
        np.testing.assert_allclose(shares, 1 / len(actions), atol=0.055)


@pytest.mark.thorough
@pytest.mark.parametrize("prioritised", [pytest.param(False, marks=pytest.mark.thorough), True])
def test_a_greedy_learner_never_acts_against_the_mask(prioritised: bool) -> None:
    state, result = train(buffer_prio_sampling=prioritised)
    assert legal(result.trajectories).all()
    # An illegal action would have had a hundred times the reward.
    np.testing.assert_array_equal(result.eval_rewards, 1.0)
    assert np.isfinite(
        np.concatenate(
            [np.ravel(x) for x in jax.tree.leaves(state.runner_state.train_state.params)]
        )
    ).all()


def test_predictions_are_legal() -> None:
    dqn = DQN(CONFIG, Masked(), eval_eps=1.0)
    runner, _ = dqn.init(jax.random.key(0))
    situations = jnp.arange(300) % 3
    obs = {"situation": situations, "action_mask": LEGAL[situations]}
    for deterministic in (True, False):
        actions = dqn.predict(runner, obs, jax.random.key(1), deterministic)
        assert np.asarray(LEGAL)[situations, actions].all()


def test_the_target_is_the_best_of_the_legal_next_actions() -> None:
    dqn = DQN(CONFIG, Masked())
    runner, _ = dqn.init(jax.random.key(0))
    situations = jnp.arange(3)
    obs = {"situation": situations, "action_mask": LEGAL}
    zeros, actions = jnp.zeros(3), jnp.array([0, 1, 3])
    _, _, td_error, _ = dqn.update(runner.train_state, obs, jnp.ones(3), actions, obs, zeros, zeros)
    network = dqn.structure.agent.network
    q = np.asarray(network.apply(runner.train_state.params, jnp.eye(3)))
    best = [max(q[i][np.asarray(LEGAL[i])]) for i in range(3)]
    np.testing.assert_allclose(td_error, q[range(3), actions] - 0.9 * np.array(best), atol=1e-6)


def test_illegal_values_are_never_the_largest() -> None:
    q = jnp.array([[5.0, -1e30, 2.0], [1.0, 2.0, 3.0]])
    mask = jnp.array([[False, True, False], [False, False, False]])
    values = losses.legal_values(q, mask)
    assert jnp.argmax(values[0]) == 1
    # If nothing is legal, nothing is chosen, and all values stay finite.
    np.testing.assert_array_equal(values[1], q[1])
    np.testing.assert_array_equal(losses.legal_values(q, None), q)


def test_a_mask_of_the_wrong_length_is_refused() -> None:
    class TooShort(Masked):
        @property
        def action_space(self) -> spaces.Space:
            return spaces.Discrete(5)

    with pytest.raises(
        UnknownEnvironmentError, match=r"'action_mask' of shape \(4,\), but 5 actions"
    ):
        DQN(CONFIG, TooShort())
