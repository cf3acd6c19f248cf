"""A run depends only on its key and hyperparameters, not on how it is divided into calls."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.buffers import replay, sum_tree
from probes import FixedPacer, as_numpy, same_bits, small_dqn, small_state

TIMESTEPS = 1600

KINDS = [
    pytest.param({"buffer_prio_sampling": False}, id="uniform"),
    pytest.param(
        {"buffer_prio_sampling": True, "normalize_observations": True}, id="prioritised+normalised"
    ),
]


def run(dqn: DQN, seed: int = 0, n_eval_steps: int = 2, n_eval_episodes: int = 3) -> Any:
    return dqn.train(*small_state(dqn, seed), TIMESTEPS, n_eval_steps, n_eval_episodes)


@pytest.mark.parametrize("hpo", KINDS)
def test_two_halves_are_the_whole(hpo: dict[str, Any]) -> None:
    dqn = small_dqn(**hpo)
    whole, result = run(dqn)
    half, first = dqn.train(*small_state(dqn), TIMESTEPS // 2, 1, 3, schedule_timesteps=TIMESTEPS)
    halves, second = dqn.train(*half, TIMESTEPS // 2, 1, 3, schedule_timesteps=TIMESTEPS)
    assert same_bits(halves, whole)
    assert same_bits(
        np.concatenate([first.eval_rewards, second.eval_rewards]), np.asarray(result.eval_rewards)
    )


@pytest.mark.parametrize("hpo", KINDS)
@pytest.mark.parametrize("lengths", [(1,), (7, 1, 13), (1000,)], ids=str)
def test_the_cuts_between_segments_leave_no_trace(
    hpo: dict[str, Any], lengths: tuple[int, ...]
) -> None:
    dqn = small_dqn(**hpo)
    dqn._pacer = FixedPacer(3)
    threes = run(dqn)
    dqn._pacer = FixedPacer(*lengths)
    assert same_bits(run(dqn), threes)


def test_without_the_same_schedule_two_halves_differ_from_the_whole() -> None:
    dqn = small_dqn()
    whole, _ = run(dqn)
    half, _ = dqn.train(*small_state(dqn), TIMESTEPS // 2, 1, 3)
    halves, _ = dqn.train(*half, TIMESTEPS // 2, 1, 3)
    assert not same_bits(halves, whole)


@pytest.mark.parametrize("hpo", KINDS)
def test_the_same_seed_gives_the_same_bits(hpo: dict[str, Any]) -> None:
    assert same_bits(run(small_dqn(**hpo)), run(small_dqn(**hpo)))


def test_every_seed_gives_a_run_of_its_own_and_0_is_one_of_them() -> None:
    params = [run(small_dqn(), seed)[0].runner_state.train_state.params for seed in (0, 1, 2, 42)]
    kernels = [np.asarray(p["params"]["out"]["kernel"]) for p in params]
    for i, left in enumerate(kernels):
        for right in kernels[i + 1 :]:
            assert np.abs(left - right).max() > 1e-3


@pytest.mark.parametrize("n_eval_episodes", [1, 9])
def test_the_size_of_an_evaluation_does_not_shift_the_training(n_eval_episodes: int) -> None:
    reference, _ = run(small_dqn())
    state, result = run(small_dqn(), n_eval_episodes=n_eval_episodes)
    assert same_bits(state, reference)
    assert result.eval_rewards.shape == (2, n_eval_episodes)


@pytest.mark.parametrize("n_eval_steps", [1, 4])
def test_the_number_of_evaluations_does_not_shift_the_training(n_eval_steps: int) -> None:
    reference, _ = run(small_dqn())
    state, _ = run(small_dqn(), n_eval_steps=n_eval_steps)
    assert same_bits(state, reference)


def test_a_random_evaluation_does_not_shift_the_training_either() -> None:
    reference, _ = run(small_dqn())
    state, _ = run(small_dqn(settings={"deterministic_eval": False, "eval_eps": 0.5}))
    # The programs differ, so rounding may differ too; the draws are the same.
    assert_close(state, reference)


def assert_close(left: Any, right: Any) -> None:
    """Whole numbers are equal; other numbers are nearly equal."""
    for x, y in zip(as_numpy(left), as_numpy(right), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


@pytest.mark.thorough
def test_training_inside_a_program_is_training_outside() -> None:
    dqn = small_dqn(buffer_prio_sampling=True, normalize_observations=True)
    outside = dqn.train(*small_state(dqn), 160, 2, 3)
    inside = jax.jit(lambda state: dqn.train(*state, 160, 2, 3))(small_state(dqn))
    assert_close(inside, outside)


@pytest.mark.thorough
def test_a_batch_of_seeds_gives_the_runs_of_each_seed() -> None:
    dqn = small_dqn()

    def returns_and_params(seed: Any) -> Any:
        state = dqn.init(jax.random.key(seed), capacity=256)
        state, result = dqn.train(*state, 160, 2, 3)
        return result.eval_rewards, state.runner_state.train_state.params

    batched = jax.jit(jax.vmap(returns_and_params))(jnp.arange(3))
    for seed in range(3):
        state, result = dqn.train(*small_state(dqn, seed), 160, 2, 3)
        single = (result.eval_rewards, state.runner_state.train_state.params)
        assert_close(jax.tree.map(lambda x, seed=seed: x[seed], batched), single)


def leaf_values(buffer: Any, alpha: float) -> np.ndarray:
    """``p^alpha`` for every row that holds a transition, 0 for the others."""
    priority = np.asarray(buffer.experience.priority[0], np.float64)
    return np.where(priority == replay.EMPTY, 0.0, np.maximum(priority, 0.0) ** alpha)


def assert_tree_matches(buffer: Any, alpha: float) -> None:
    nodes = np.asarray(buffer.sum_tree_state.nodes)
    expected = leaf_values(buffer, alpha)
    np.testing.assert_allclose(sum_tree.leaves(nodes), expected, rtol=1e-5)
    np.testing.assert_allclose(nodes[0], expected.sum(), rtol=1e-5)
    inner = np.arange(len(nodes) // 2)
    np.testing.assert_array_equal(nodes[inner], nodes[2 * inner + 1] + nodes[2 * inner + 2])


def test_the_tree_follows_changes_of_alpha_and_of_the_way_of_sampling() -> None:
    dqn = small_dqn(buffer_prio_sampling=True, buffer_alpha=0.9)
    state, _ = dqn.train(*small_state(dqn), 240, 1, 2)
    assert_tree_matches(state.buffer_state, 0.9)
    dqn.update_hpo_config({"buffer_alpha": 0.3})
    state, _ = dqn.train(*state, 240, 1, 2)
    assert_tree_matches(state.buffer_state, 0.3)
    dqn.update_hpo_config({"buffer_prio_sampling": False})
    state, _ = dqn.train(*state, 80, 1, 2)
    dqn.update_hpo_config({"buffer_prio_sampling": True, "buffer_alpha": 0.6})
    state, _ = dqn.train(*state, 240, 1, 2)
    assert_tree_matches(state.buffer_state, 0.6)


def test_priorities_survive_a_time_of_uniform_sampling() -> None:
    dqn = small_dqn(buffer_prio_sampling=True)
    state, _ = dqn.train(*small_state(dqn), 160, 1, 2)
    before = np.asarray(state.buffer_state.experience.priority[0, :160])
    largest = float(state.buffer_state.sum_tree_state.max_recorded_priority)
    dqn.update_hpo_config({"buffer_prio_sampling": False})
    state, _ = dqn.train(*state, 40, 1, 2)
    after = np.asarray(state.buffer_state.experience.priority[0])
    np.testing.assert_array_equal(after[:160], before)
    # Rows written meanwhile have the largest priority, and the others are empty.
    np.testing.assert_array_equal(after[160:200], np.float32(largest))
    assert len(np.unique(before)) > 50


def test_without_a_target_network_the_target_is_the_network() -> None:
    dqn = small_dqn(use_target_network=False)
    state, _ = run(dqn)
    train_state = state.runner_state.train_state
    assert same_bits(train_state.target_params, train_state.params)


def test_the_target_is_a_copy_of_the_network_as_it_was_when_last_due() -> None:
    # Due at vector steps 8, 16, ...; the last iteration ends with step 40, before it learns.
    dqn = small_dqn(target_update_interval=32)
    state, _ = dqn.train(*small_state(dqn), 152, 1, 2, schedule_timesteps=TIMESTEPS)
    before = np.asarray(state.runner_state.train_state.params["params"]["out"]["kernel"])
    state, _ = dqn.train(*state, 8, 1, 2, schedule_timesteps=TIMESTEPS)
    train_state = state.runner_state.train_state
    target = np.asarray(train_state.target_params["params"]["out"]["kernel"])
    np.testing.assert_array_equal(target, before)
    assert np.any(target != np.asarray(train_state.params["params"]["out"]["kernel"]))
