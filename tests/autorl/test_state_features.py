"""State features: values computed by hand, spaces, and new features."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from arlbench.autorl import AutoRLConfig, StepResult, register_state_feature, state_features
from arlbench.autorl.state_features import find_state_features, observation, observation_space
from arlbench.core.algorithms.dqn import DQN
from arlbench.errors import ConfigurationError
from probes import SMALL, Walk
from schedules import begun_env, tiny_env
from step_results import make_result

CONFIG = AutoRLConfig.of({"n_steps": 4})

BY_HAND = {
    "grad_info": [3.0, 0.25],
    "loss_info": [7.0, 2.0],
    "td_error_info": [1.5, 0.75],
    "q_value_info": [-4.0, 1.0],
    "return_history": [20.0, 10.0, 0.0, 0.0],
}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a test register features that the next test does not see."""
    monkeypatch.setattr(state_features, "_features", dict(state_features._features))


def test_every_feature_is_worked_out_here() -> None:
    assert state_features._features.keys() == BY_HAND.keys()


@pytest.mark.parametrize("name", BY_HAND)
def test_a_feature_has_its_value_and_its_space(name: str) -> None:
    (feature,) = find_state_features([name])
    value = feature.of(make_result(), CONFIG)
    np.testing.assert_allclose(value, BY_HAND[name])
    assert feature.space(CONFIG).contains(value)


def test_an_observation_says_where_the_schedule_stands() -> None:
    features = find_state_features(["grad_info"])
    obs = observation(features, make_result(), CONFIG, 2)
    assert obs["steps"].tolist() == [2, 400]
    assert observation_space(features, CONFIG).contains(obs)


def test_after_a_divergence_it_stands_where_that_was_found() -> None:
    obs = observation((), make_result(diverged_at=70), CONFIG, 2)
    assert obs["steps"].tolist() == [2, 370]


def test_a_new_feature_takes_three_lines(registry: None) -> None:
    @register_state_feature("best_return")
    def best_return(result: StepResult) -> float:
        return float(result.returns.max())

    env = begun_env(state_features=["best_return"])
    obs, *_ = env.step({})
    assert obs["best_return"].shape == ()
    register_state_feature("best_return")(best_return)
    with pytest.raises(ConfigurationError, match="'best_return' is already registered"):
        register_state_feature("best_return")(lambda result: 0.0)


def test_a_feature_of_the_wrong_shape_is_told(registry: None) -> None:
    @register_state_feature("both", shape=())
    def both(result: StepResult) -> list[float]:
        return [1.0, 2.0]

    env = tiny_env(state_features=["both"])
    env.reset()
    with pytest.raises(ConfigurationError, match=r"'both' returned the shape \(2,\).*with \(\)"):
        env.step(SMALL)


@pytest.mark.thorough
def test_the_features_of_a_step_are_those_of_its_recorded_updates() -> None:
    names = ["grad_info", "loss_info", "td_error_info", "q_value_info"]
    env = begun_env(state_features=names)
    obs, *_ = env.step({})

    dqn = DQN(SMALL, Walk(), nas_config={"hidden_size": 8}, track_metrics=True)
    state, _ = dqn.train(*dqn.init(jax.random.key(42)), 160, 2, 3, schedule_timesteps=640)
    _, result = dqn.train(*state, 160, 2, 3, schedule_timesteps=640)
    loss, grads, td_error = result.metrics
    norms = jax.vmap(optax.tree.norm)(grads)
    entries = np.concatenate([g.reshape(len(loss), -1) for g in jax.tree.leaves(grads)], axis=1)
    absolute = np.abs(td_error).mean(axis=1)
    np.testing.assert_allclose(
        obs["grad_info"], [norms.mean(), entries.var(axis=1).mean()], rtol=1e-4
    )
    np.testing.assert_allclose(obs["loss_info"], [loss.mean(), loss.std()], rtol=1e-4)
    np.testing.assert_allclose(obs["td_error_info"], [absolute.mean(), absolute.std()], rtol=1e-4)
    assert obs["q_value_info"][1] > 0


def test_looking_at_the_learner_does_not_change_it() -> None:
    watched, alone = begun_env(state_features=["grad_info", "q_value_info"]), begun_env()
    *_, one = watched.step({})
    *_, other = alone.step({})
    assert one["train_info_df"].equals(other["train_info_df"])


def test_before_learning_begins_there_is_nothing_to_tell() -> None:
    env = tiny_env(state_features=["grad_info", "loss_info"])
    env.reset()
    obs, *_ = env.step({**SMALL, "learning_starts": 10_000})
    assert obs["grad_info"].tolist() == [0.0, 0.0]
    assert obs["loss_info"].tolist() == [0.0, 0.0]
