"""What a training returns besides its state, and how it can be watched and stopped."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.algorithm import TrainingProgress
from arlbench.core.algorithms.dqn import DQN
from probes import CAPACITY, SMALL, FixedPacer, as_numpy, same_bits, small_dqn, small_state

N_ENVS = 4
# 103 iterations of 2 vector steps of 4 environments.
TIMESTEPS = 824
N_STEPS = TIMESTEPS // N_ENVS
BUFFER_SIZE = SMALL["buffer_size"]


def tracked_dqn(**hpo: Any) -> DQN:
    return small_dqn(settings={"track_trajectories": True, "track_metrics": True}, **hpo)


def expected_updates(learning_starts: int, n_iterations: int) -> int:
    """``gradient_steps`` for each iteration that ends after ``learning_starts``."""
    steps = [SMALL["train_freq"] * (i + 1) for i in range(n_iterations)]
    return SMALL["gradient_steps"] * sum(step > learning_starts // N_ENVS for step in steps)


def test_the_shapes_of_the_records_are_those_of_the_run() -> None:
    _, result = tracked_dqn().train(*small_state(tracked_dqn()), TIMESTEPS, 1, 3)
    n_updates = expected_updates(16, 103)
    assert result.eval_rewards.shape == (1, 3)
    assert result.trajectories.obs.shape == (N_STEPS, N_ENVS, 2)
    assert result.trajectories.done.dtype == bool
    assert result.metrics.loss.shape == (n_updates,)
    assert result.metrics.td_error.shape == (n_updates, 8)
    assert result.metrics.grads["params"]["out"]["bias"].shape == (n_updates, 2)
    assert all(np.all(np.isfinite(leaf)) for leaf in as_numpy(result))


def test_nothing_is_recorded_unless_asked_for() -> None:
    _, result = small_dqn().train(*small_state(small_dqn()), TIMESTEPS, 1, 3)
    assert result.trajectories is None
    assert result.metrics is None


@pytest.mark.thorough
def test_losses_alone_are_those_of_all_metrics() -> None:
    dqn = small_dqn(settings={"track_losses": True, "batch_sizes": (4,)})
    state, result = dqn.train(*small_state(dqn), TIMESTEPS, 1, 3)
    tracked, of_all = tracked_dqn().train(*small_state(tracked_dqn()), TIMESTEPS, 1, 3)
    assert result.metrics.grads is None
    assert result.metrics.td_error is None
    assert same_bits(result.metrics.loss, of_all.metrics.loss)
    assert same_bits(state, tracked)


def test_recording_does_not_change_the_run() -> None:
    tracked, _ = tracked_dqn().train(*small_state(tracked_dqn()), TIMESTEPS, 1, 3)
    untracked, _ = small_dqn().train(*small_state(small_dqn()), TIMESTEPS, 1, 3)
    assert same_bits(tracked, untracked)


def test_the_trajectories_hang_together() -> None:
    _, result = tracked_dqn().train(*small_state(tracked_dqn()), TIMESTEPS, 1, 3)
    path = jax.tree.map(np.asarray, result.trajectories)
    final = path.info["final_observation"]
    terminated, truncated = path.info["terminated"], path.info["truncated"]
    np.testing.assert_array_equal(path.done, terminated | truncated)
    assert not np.any(terminated & truncated)
    assert np.any(terminated)
    assert np.any(truncated)
    # A walk continues from its last position, or starts again within 0.5 of the middle.
    goes_on = ~path.done[:-1]
    np.testing.assert_array_equal(path.obs[1:][goes_on], final[:-1][goes_on])
    assert np.all(np.abs(path.obs[1:][path.done[:-1]]) <= 0.5)
    np.testing.assert_allclose(path.reward, 1 - final[..., 0] ** 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(terminated, np.abs(final[..., 0]) > 1.0)


def test_the_buffer_holds_the_newest_steps_of_the_trajectories() -> None:
    (_, buffer), result = tracked_dqn().train(*small_state(tracked_dqn()), TIMESTEPS, 1, 3)
    stored = jax.tree.map(lambda x: x[0, :BUFFER_SIZE], buffer.experience.transition)
    # Row r was last written by environment step s, the newest step with s % 200 == r.
    rows = np.arange(BUFFER_SIZE)
    newest = rows + (TIMESTEPS - 1 - rows) // BUFFER_SIZE * BUFFER_SIZE
    flat = jax.tree.map(lambda x: np.asarray(x).reshape(TIMESTEPS, *x.shape[2:]), result[1])
    np.testing.assert_array_equal(stored.obs, flat.obs[newest])
    np.testing.assert_array_equal(stored.action, flat.action[newest])
    np.testing.assert_array_equal(stored.reward, flat.reward[newest])
    np.testing.assert_array_equal(stored.next_obs, flat.info["final_observation"][newest])
    np.testing.assert_array_equal(stored.terminated, flat.info["terminated"][newest])
    assert buffer.is_full
    assert buffer.current_index == TIMESTEPS % BUFFER_SIZE
    assert buffer.running_index == TIMESTEPS


@pytest.mark.parametrize("learning_starts", [0, 7, 8, 11, 12, 39, 40, 10_000])
def test_updates_begin_once_enough_steps_lie_behind(learning_starts: int) -> None:
    dqn = small_dqn(learning_starts=learning_starts)
    (runner, _), _ = dqn.train(*small_state(dqn), 80, 1, 3)
    assert runner.train_state.step == expected_updates(learning_starts, 10)


@pytest.mark.thorough
def test_a_run_that_never_learns_has_empty_metrics() -> None:
    dqn = tracked_dqn(learning_starts=10_000)
    (runner, _), result = dqn.train(*small_state(dqn), 80, 1, 3)
    assert result.metrics.loss.shape == (0,)
    assert result.trajectories.reward.shape == (20, N_ENVS)
    assert runner.train_state.step == 0


@pytest.mark.thorough
def test_a_continued_run_records_its_own_part_only() -> None:
    dqn = tracked_dqn(learning_starts=100)
    first, before = dqn.train(*small_state(dqn), 80, 1, 3)
    _, after = dqn.train(*first, 80, 1, 3)
    assert before.metrics.loss.shape == (0,)
    # These ten iterations end at vector steps 22, 24, ..., 40; the eight from 26 on count.
    assert after.metrics.loss.shape == (2 * 8,)
    assert after.trajectories.reward.shape == (20, N_ENVS)
    assert np.all(np.isfinite(after.metrics.loss))


def test_progress_is_told_between_segments_and_after_evaluations() -> None:
    dqn = small_dqn()
    dqn._pacer = FixedPacer(3)
    told: list[tuple[int, int, int]] = []

    def tell(progress: TrainingProgress) -> None:
        assert progress.state.runner_state.global_step * N_ENVS == progress.timesteps
        assert progress.eval_rewards.shape[1] == 3
        told.append((progress.timesteps, progress.total_timesteps, len(progress.eval_rewards)))

    dqn.train(*small_state(dqn), 80, 2, 3, on_progress=tell)
    # Two intervals of five iterations, each of eight environment steps.
    assert told == [
        (24, 80, 0),
        (40, 80, 0),
        (40, 80, 1),
        (64, 80, 1),
        (80, 80, 1),
        (80, 80, 2),
    ]


@pytest.mark.thorough
def test_a_run_that_is_stopped_returns_what_was_done() -> None:
    dqn = tracked_dqn()
    dqn._pacer = FixedPacer(3)
    state, result = dqn.train(
        *small_state(dqn), 80, 2, 3, on_progress=lambda progress: progress.timesteps >= 64
    )
    assert state.runner_state.global_step == 16
    assert result.eval_rewards.shape == (1, 3)
    assert result.trajectories.reward.shape == (16, N_ENVS)
    assert result.metrics.loss.shape == (expected_updates(16, 8),)
    assert all(np.all(np.isfinite(leaf)) for leaf in as_numpy(result))


def test_a_stopped_run_can_be_taken_up_again() -> None:
    dqn = small_dqn()
    dqn._pacer = FixedPacer(3)
    stopped, _ = dqn.train(*small_state(dqn), 80, 1, 3, on_progress=lambda p: p.timesteps >= 48)
    resumed, _ = dqn.train(*stopped, 32, 1, 3, schedule_timesteps=80)
    whole, _ = dqn.train(*small_state(dqn), 80, 1, 3)
    assert same_bits(resumed, whole)


def test_learning_from_a_raw_key_is_learning_from_the_typed_one() -> None:
    dqn = small_dqn()
    runner, buffer = small_state(dqn)
    raw = runner._replace(rng=jax.random.PRNGKey(0))
    from_raw, _ = dqn.train(jax.tree.map(jnp.copy, raw), jax.tree.map(jnp.copy, buffer), 80, 1, 3)
    from_typed, _ = dqn.train(runner, buffer, 80, 1, 3)
    assert same_bits(from_raw, from_typed)


def test_a_training_that_is_shorter_than_an_iteration_still_has_one() -> None:
    dqn = small_dqn()
    (runner, _), result = dqn.train(*dqn.init(jax.random.key(0), capacity=CAPACITY), 1, 3, 3)
    assert runner.global_step == SMALL["train_freq"]
    # Two thirds are nearer to the end of the iteration: one evaluation before it, two after.
    assert result.eval_rewards.shape == (3, 3)
    np.testing.assert_array_equal(result.eval_rewards[1], result.eval_rewards[2])


def statistics_of(dqn: DQN, timesteps: int = TIMESTEPS) -> Any:
    """The statistics in the last progress of a training."""
    told: list[TrainingProgress] = []
    dqn.train(*small_state(dqn), timesteps, 1, 3, on_progress=told.append)
    return told[-1].statistics


def test_statistics_are_those_of_the_recorded_updates() -> None:
    _, result = tracked_dqn().train(*small_state(tracked_dqn()), TIMESTEPS, 1, 3)
    statistics = statistics_of(small_dqn(settings={"track_statistics": True}))
    assert list(statistics) == ["grad_norm", "grad_variance", "loss", "td_error", "q_value"]
    loss, td_error = np.asarray(result.metrics.loss), np.abs(result.metrics.td_error).mean(axis=1)
    np.testing.assert_allclose(statistics["loss"], [loss.mean(), loss.std()], rtol=1e-4)
    np.testing.assert_allclose(statistics["td_error"], [td_error.mean(), td_error.std()], rtol=1e-4)


def test_without_an_update_the_statistics_are_nothing() -> None:
    statistics = statistics_of(
        small_dqn(settings={"track_statistics": True}, learning_starts=10_000), 80
    )
    assert {tuple(statistic) for statistic in statistics.values()} == {(0.0, 0.0)}


def test_statistics_are_told_only_where_they_are_tracked() -> None:
    assert statistics_of(small_dqn()) is None


def test_tracking_statistics_does_not_change_the_run() -> None:
    watched = small_dqn(settings={"track_statistics": True})
    one, _ = watched.train(*small_state(watched), TIMESTEPS, 1, 3)
    other, _ = small_dqn().train(*small_state(small_dqn()), TIMESTEPS, 1, 3)
    assert same_bits(one, other)


def test_evaluate_gives_the_returns_of_the_last_evaluation() -> None:
    dqn = small_dqn()
    state, result = dqn.train(*small_state(dqn), TIMESTEPS, 2, 3)
    assert same_bits(dqn.evaluate(state.runner_state, 3), result.eval_rewards[-1])
