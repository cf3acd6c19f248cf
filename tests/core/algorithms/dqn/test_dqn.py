"""The public interface of DQN: init, predict, configuration, and refused arguments."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import freeze

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.models import MLPQ
from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.algorithms.harness.training import divergence_sentence
from arlbench.core.algorithms.measured import train_measured
from arlbench.core.buffers import replay
from arlbench.core.environments.wrappers import FrameStack
from arlbench.core.running_statistics import RunningStatisticsState
from arlbench.errors import (
    ConfigurationError,
    ConsumedStateError,
    DivergenceError,
    MemoryLimitError,
)
from probes import CAPACITY, Constant, OneStep, Walk, same_bits, small_dqn, small_state

OPTIONS = ("deterministic_eval", "cnn_policy", "frame_buffer", "track_trajectories")
OPTIONS += ("track_metrics", "track_statistics", "track_losses")
OBSERVATIONS = jax.random.normal(jax.random.key(9), (500, 2))


def scaled(tree: Any, factor: float) -> Any:
    return jax.tree.map(lambda x: factor * x, tree)


def test_a_run_begins_at_step_0_with_a_target_equal_to_the_network() -> None:
    runner, buffer = small_state(small_dqn())
    assert runner.global_step == 0
    assert runner.train_state.step == 0
    assert runner.obs.shape == (4, 2)
    assert same_bits(runner.train_state.params, runner.train_state.target_params)
    assert not buffer.is_full
    assert replay.count(buffer, 200) == 0


def test_init_takes_over_each_part_that_is_passed() -> None:
    dqn = small_dqn()
    runner, buffer = small_state(dqn)
    params, target = scaled(runner.train_state.params, 2.0), scaled(runner.train_state.params, 3.0)
    opt_state = runner.train_state.opt_state._replace(count=jnp.int32(7))
    filled = buffer.replace(running_index=jnp.int32(5), current_index=jnp.int32(5))
    state = dqn.init(jax.random.key(1), filled, params, target, opt_state)
    train_state = state.runner_state.train_state
    assert same_bits(train_state.params, params)
    assert same_bits(train_state.target_params, target)
    assert same_bits(train_state.opt_state, opt_state)
    assert same_bits(state.buffer_state, filled)


def test_passed_network_parameters_become_the_target_too() -> None:
    dqn = small_dqn()
    params = scaled(small_state(dqn).runner_state.train_state.params, 2.0)
    runner = dqn.init(jax.random.key(1), network_params=params, capacity=CAPACITY).runner_state
    assert same_bits(runner.train_state.target_params, params)


def test_parameters_may_be_frozen_dicts() -> None:
    dqn = small_dqn()
    params = small_state(dqn).runner_state.train_state.params
    given = freeze(params)
    runner = dqn.init(jax.random.key(1), network_params=given, capacity=CAPACITY).runner_state
    assert type(runner.train_state.params) is dict
    assert same_bits(runner.train_state.params, params)


@pytest.mark.thorough
def test_training_leaves_the_parts_that_init_was_given_alone() -> None:
    dqn = small_dqn()
    first = small_state(dqn)
    train_state = first.runner_state.train_state
    parts = (first.buffer_state, train_state.params, train_state.target_params)
    second = dqn.init(jax.random.key(1), *parts, train_state.opt_state)
    dqn.train(*second, 80, 1, 2)
    # Reading an array whose memory was reused would raise.
    assert all(not leaf.is_deleted() for leaf in jax.tree.leaves(first))


def test_the_configured_learning_rate_overrides_that_of_a_passed_optimiser() -> None:
    old = small_state(small_dqn(learning_rate=1e-2)).runner_state.train_state.opt_state
    dqn = small_dqn(learning_rate=5e-3)
    runner = dqn.init(jax.random.key(0), opt_state=old, capacity=CAPACITY).runner_state
    rate = runner.train_state.opt_state.hyperparams["learning_rate"]
    np.testing.assert_allclose(rate, 5e-3, rtol=1e-6)


@pytest.mark.parametrize(("asked", "allocated"), [(1, 2), (256, 256), (257, 512), (1e3, 1024)])
def test_a_capacity_is_rounded_up_to_a_power_of_two(asked: float, allocated: int) -> None:
    state = small_dqn().init(jax.random.key(0), capacity=asked)  # type: ignore[arg-type]
    assert replay.capacity(state.buffer_state) == allocated


@pytest.mark.thorough
def test_the_buffer_grows_to_what_the_run_fills_but_not_beyond_its_size() -> None:
    dqn = small_dqn(buffer_size=100)
    state = dqn.init(jax.random.key(0), capacity=16)
    (_, buffer), _ = dqn.train(*state, 40, 1, 2)
    assert replay.capacity(buffer) == 64
    assert replay.count(buffer, 100) == 40


def test_init_refuses_both_a_buffer_and_a_capacity() -> None:
    dqn = small_dqn()
    with pytest.raises(ConfigurationError, match="not both"):
        dqn.init(jax.random.key(0), small_state(dqn).buffer_state, capacity=CAPACITY)


def test_init_names_the_part_that_does_not_fit_and_both_shapes() -> None:
    params = small_state(small_dqn(hidden_size=4)).runner_state.train_state.params
    with pytest.raises(ConfigurationError, match=r"network_params.*\(4,\).*\(8,\)"):
        small_dqn().init(jax.random.key(0), network_params=params)


def test_raw_and_typed_keys_begin_the_same_run() -> None:
    dqn = small_dqn()
    typed = dqn.init(jax.random.key(3), capacity=CAPACITY)
    raw = dqn.init(jax.random.PRNGKey(3), capacity=CAPACITY)
    assert same_bits(typed, raw)


@pytest.mark.parametrize("key", [None, 0, jnp.zeros(2), jax.random.split(jax.random.key(0))])
def test_something_else_than_one_key_is_refused(key: Any) -> None:
    with pytest.raises(ConfigurationError, match="one random key"):
        small_dqn().init(key, capacity=CAPACITY)


def test_a_prediction_is_the_action_of_the_largest_value() -> None:
    dqn = small_dqn()
    runner = small_state(dqn).runner_state
    actions = dqn.predict(runner, OBSERVATIONS, None)
    q = MLPQ(2, hidden_size=8).apply(runner.train_state.params, OBSERVATIONS)
    np.testing.assert_array_equal(actions, np.argmax(q, axis=1))
    assert actions.dtype == jnp.int32
    assert 0 < np.mean(actions) < 1


def test_a_prediction_reads_observations_through_the_normaliser_where_that_is_on() -> None:
    runner = small_state(small_dqn()).runner_state
    mean, std = jnp.array([2.0, -1.0]), jnp.array([0.5, 4.0])
    statistics = RunningStatisticsState(jnp.int32(9), mean, 9 * std**2, std)
    runner = runner._replace(normalizer_state=statistics)
    standardised = (np.asarray(OBSERVATIONS) - [[2.0, -1.0]]) / [[0.5, 4.0]]
    expected = small_dqn().predict(runner, np.clip(standardised, -10, 10).astype(np.float32), None)
    actual = small_dqn(normalize_observations=True).predict(runner, OBSERVATIONS, None)
    np.testing.assert_array_equal(actual, expected)
    assert np.any(actual != small_dqn().predict(runner, OBSERVATIONS, None))


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_random_prediction_departs_from_the_greedy_one_at_the_rate_of_eval_eps(
    rate: float,
) -> None:
    dqn = small_dqn(settings={"eval_eps": rate})
    runner = small_state(dqn).runner_state
    same = jnp.broadcast_to(OBSERVATIONS[:1], (20_000, 2))
    actions = dqn.predict(runner, same, jax.random.key(5), deterministic=False)
    departures = np.mean(np.asarray(actions) != np.asarray(dqn.predict(runner, same, None)))
    # One of two random actions is the greedy one; five standard errors are 0.013.
    assert abs(departures - rate / 2) < 0.013 * (rate > 0) + 1e-9


def test_a_random_prediction_needs_a_key() -> None:
    dqn = small_dqn()
    with pytest.raises(ConfigurationError, match="random key"):
        dqn.predict(small_state(dqn).runner_state, OBSERVATIONS, None, deterministic=False)


def test_the_checkpoint_factory_offers_every_part_of_a_run() -> None:
    dqn = small_dqn()
    runner = small_state(dqn).runner_state
    factory = DQN.get_checkpoint_factory(runner, None)
    parts = {name: make() for name, make in factory.items()}
    assert parts.pop("loss") is None
    assert parts.pop("trajectories") is None
    assert [parts.pop(name) for name in ("eval_rewards", "grads", "td_error")] == [None] * 3
    expected = {
        "opt_state": runner.train_state.opt_state,
        "params": runner.train_state.params,
        "target_params": runner.train_state.target_params,
        "train_step": runner.train_state.step,
        "normalizer_state": runner.normalizer_state,
        "env_state": runner.env_state,
        "obs": runner.obs,
        "rng": runner.rng,
        "global_step": runner.global_step,
    }
    assert parts.keys() == expected.keys()
    assert all(parts[name] is expected[name] for name in expected)


def test_a_configuration_object_and_a_mapping_mean_the_same() -> None:
    configuration = DQN.get_default_hpo_config()
    from_object = DQN(configuration, OneStep(), nas_config=DQN.get_default_nas_config())
    from_mapping = DQN({"gamma": 0.99}, OneStep(), nas_config={})
    assert from_object.hpo_config == from_mapping.hpo_config
    assert dict(configuration).items() <= from_object.hpo_config.items()
    published = {"activation": "tanh", "hidden_size": 64}
    assert published.items() <= from_object.nas_config.items()
    assert DQN(None, OneStep()).hpo_config == from_object.hpo_config


def test_an_inactive_hyperparameter_takes_its_default() -> None:
    space = DQN.get_hpo_config_space(seed=1)
    drawn = next(c for c in space.sample_configuration(50) if not c["use_target_network"])
    config = DQN(drawn, OneStep()).hpo_config
    assert (config["tau"], config["target_update_interval"]) == (1.0, 1000)
    assert {name: config[name] for name in drawn} == dict(drawn)


@pytest.mark.thorough
def test_what_is_given_for_an_inactive_hyperparameter_is_ignored() -> None:
    dqn = small_dqn(use_target_network=False, tau=0.5, target_update_interval=7)
    without = small_dqn(use_target_network=False)
    assert dqn.hpo_config == without.hpo_config
    for each in (dqn, without):
        each.update_hpo_config({"use_target_network": True})
    assert (dqn.hpo_config["tau"], dqn.hpo_config["target_update_interval"]) == (1.0, 1000)
    assert same_bits(
        dqn.train(*small_state(dqn), 80, 1, 2), without.train(*small_state(without), 80, 1, 2)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hpo_config": {"hidden_size": 32}}, "hidden_size is an architecture.*in nas_config"),
        ({"nas_config": {"gamma": 0.9}}, "gamma is a hyperparameter.*in hpo_config"),
    ],
)
def test_what_is_given_in_the_wrong_place_is_told_the_right_one(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DQN(**{"hpo_config": None, "env": OneStep(), **arguments})


def test_updating_a_configuration_keeps_what_is_not_given() -> None:
    dqn = small_dqn(gamma=0.5)
    before = dict(dqn.hpo_config)
    dqn.update_hpo_config({"learning_rate": 0.05, "tau": None})
    assert dqn.hpo_config == {**before, "learning_rate": 0.05}


def test_a_wrong_update_changes_nothing() -> None:
    dqn = small_dqn()
    before = dict(dqn.hpo_config)
    with pytest.raises(ConfigurationError, match="Did you mean 'learning_rate'"):
        dqn.update_hpo_config({"gamma": 0.5, "learning_rat": 0.1})
    assert dqn.hpo_config == before


@pytest.mark.parametrize("consume", ["train", "train_measured", "predict", "init", "update"])
def test_a_state_that_training_took_over_cannot_be_used_again(consume: str) -> None:
    dqn = small_dqn()
    runner, buffer = small_state(dqn)
    dqn.train(runner, buffer, 80, 1, 2)
    params = runner.train_state.params
    uses = {
        "train": lambda: dqn.train(runner, buffer, 80, 1, 2),
        "train_measured": lambda: train_measured(
            dqn, (runner, buffer), Lengths(80, 1, 2, 80), timesteps_before=0
        ),
        "predict": lambda: dqn.predict(runner, OBSERVATIONS, None),
        "init": lambda: dqn.init(jax.random.key(0), network_params=params),
        "update": lambda: dqn.update(runner.train_state, *[None] * 6),  # type: ignore[list-item]
    }
    with pytest.raises(ConsumedStateError, match=r"jnp\.copy"):
        uses[consume]()


# 1e38 is finite, but its square is not: Adam divides by infinity and makes no progress.
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("reward", "reason"),
    [(float("nan"), "Constant gave rewards that were not finite"), (1e38, "lower learning_rate")],
)
def test_learning_that_is_not_finite_ends_with_an_error_that_holds_the_state(
    reward: float, reason: str
) -> None:
    dqn = small_dqn(Constant(reward), learning_starts=100, settings={"track_metrics": True})
    # Learning starts in the second of three intervals.
    with pytest.raises(DivergenceError, match=f"first 192 of 288 steps; {reason}") as caught:
        dqn.train(*small_state(dqn), 288, 3, 2)
    assert caught.value.state.runner_state.global_step == 192 // 4
    assert caught.value.result.eval_rewards.shape == (1, 2)
    assert not np.all(np.isfinite(caught.value.result.metrics.loss))


@pytest.mark.parametrize("framed", [False, True])
def test_what_the_environment_gave_is_found_in_the_state(framed: bool) -> None:
    """The reason for a divergence, without training for it."""
    env = FrameStack(Walk(), 2) if framed else Walk()
    dqn = small_dqn(env, settings={"frame_buffer": framed})
    state = small_state(dqn)
    given = dqn.structure.given(state)
    assert given["rewards"].shape == (1, CAPACITY)

    def sentence(given: Any) -> str:
        return divergence_sentence(dqn.structure, dqn.hp, 8, 9, given)

    assert sentence(given) == (
        "Learning became non-finite within the first 8 of 9 steps; lower learning_rate (now 0.01) "
        "or scale the rewards down."
    )
    for name, arrays in given.items():
        wrong = jax.tree.map(lambda x: x.at[0, 7].set(jnp.inf), arrays)
        assert sentence({**given, name: wrong}).endswith(
            f"; Walk gave {name} that were not finite, which is a fault of the environment and not "
            "of a hyperparameter."
        )


def test_the_memory_error_of_a_buffer_names_its_size_and_the_cure() -> None:
    dqn = small_dqn(buffer_size=2**20, settings={"memory_limit_gib": 0.01})
    with pytest.raises(MemoryLimitError, match=r"buffer 37\.0 MiB.*0\.01 GiB.*lower buffer_size"):
        # 25 bytes of transition (two observations of 8), 4 of priority and 8 of the tree.
        dqn.init(jax.random.key(0))


@pytest.mark.parametrize("record", ["trajectories", "metrics"])
def test_the_memory_error_of_a_record_names_its_size_and_the_cure(record: str) -> None:
    dqn = small_dqn(settings={"memory_limit_gib": 0.01, f"track_{record}": True})
    state = small_state(dqn)
    with pytest.raises(MemoryLimitError, match=rf"{record} \d.*track_{record}=False"):
        dqn.train(*state, 1e7, 1, 2)
    # It was refused before any memory was reused.
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("argument", ["n_total_timesteps", "n_eval_steps", "n_eval_episodes"])
@pytest.mark.parametrize("value", [0, -1, 0.5, float("nan"), True, "10"])
def test_numbers_that_no_training_can_have_are_refused(argument: str, value: Any) -> None:
    dqn = small_dqn()
    with pytest.raises(ConfigurationError, match=f"{argument} must be a positive whole number"):
        dqn.train(*small_state(dqn), **{argument: value})


def test_a_number_of_timesteps_may_be_written_as_a_float() -> None:
    dqn = small_dqn()
    from_float, _ = dqn.train(*small_state(dqn), 1.6e2, 2, 3)
    from_int, _ = dqn.train(*small_state(dqn), 160, 2, 3)
    assert same_bits(from_float, from_int)
    assert from_float.runner_state.global_step == 40


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_is_true_or_false_cannot_be_a_text(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{option} must be True or False, not 'no'.$"):
        small_dqn(settings={option: "no"})
    small_dqn(settings={option: np.False_})


def test_a_configuration_of_the_wrong_kind_is_refused() -> None:
    dqn = small_dqn()
    for attempt in (lambda: DQN(5, dqn.env), lambda: dqn.update_hpo_config(5)):  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="Configuration or a mapping, not a int"):
            attempt()


def test_parameters_that_stand_twice_in_a_state_are_copied_once() -> None:
    dqn = small_dqn()
    runner, buffer = small_state(dqn)
    shared = runner.train_state.replace(target_params=runner.train_state.params)
    twice, _ = dqn.train(runner._replace(train_state=shared), buffer, 320, 1, 2)
    apart, _ = dqn.train(*small_state(dqn), 320, 1, 2)
    assert same_bits(twice.runner_state.train_state, apart.runner_state.train_state)
