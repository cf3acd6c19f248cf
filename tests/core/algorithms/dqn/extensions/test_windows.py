"""Windows of several steps, compared with a plain loop over the episodes that were stored."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.dqn.agent import example_transition
from arlbench.core.algorithms.dqn.extensions import windows
from arlbench.core.algorithms.dqn.state import StoredTransition
from arlbench.core.buffers import frames, replay, storage
from arlbench.core.environments.wrappers import FrameStack
from probes import Pictures, Walk, same_bits, small_dqn

GAMMA = np.float32(0.9)
N_VECTOR_STEPS = 40
AT_MOST = 10


class Stream(NamedTuple):
    """What environments did, leaves ``[steps, n_envs, ...]``, and a buffer that holds the rest."""

    steps: Any
    buffer: Any
    size: int
    n_envs: int


class Expected(NamedTuple):
    """The window of one row, by a plain loop."""

    reward: float
    discount: float
    next_obs: np.ndarray


@functools.cache
def stream(env: Any, size: int, framed: bool) -> Stream:
    """Random actions in an environment, written to a buffer of this logical size."""
    settings = {"extensions": ["n_step"], "frame_buffer": framed}
    agent = small_dqn(env, settings=settings).structure.agent
    assert (agent.frames is not None) == framed
    empty = agent.init_buffer(size if framed else replay.power_of_two_at_least(size))

    def step(carry: Any, key: Any) -> Any:
        env_state, obs, buffer = carry
        action = jax.random.randint(key, (env.n_envs,), 0, 2)
        env_state, (after, reward, _, info) = env.step(env_state, action, key)
        ends = (info["final_observation"], info["terminated"], info["truncated"])
        one = StoredTransition(obs, action, reward, *ends)
        return (env_state, after, storage.append(buffer, one, size, None)), one

    @jax.jit
    def run(key: Any) -> Any:
        env_state, obs = env.reset(key)
        keys = jax.random.split(key, N_VECTOR_STEPS)
        carry, steps = jax.lax.scan(step, (env_state, obs, empty), keys)
        return steps, carry[2]

    steps, buffer = run(jax.random.key(1))
    assert example_transition(agent).cut_off is not None
    assert frames.is_framed(buffer) == framed
    return Stream(jax.tree.map(np.asarray, steps), buffer, size, env.n_envs)


def held_rows(of: Stream) -> dict[int, int]:
    """The number of the write, counted from 0, that each row of the ring holds."""
    n_written = N_VECTOR_STEPS * of.n_envs
    return {i % of.size: i for i in range(n_written)}


def plain_loop(of: Stream, write: int, n_step: int) -> Expected:
    """Follows one environment from a write on, step by step."""
    t, env = divmod(write, of.n_envs)
    total, factor = 0.0, 1.0
    for _ in range(n_step):
        total += factor * float(of.steps.reward[t, env])
        factor *= float(GAMMA)
        ended = of.steps.terminated[t, env]
        if ended or of.steps.cut_off[t, env] or t + 1 == N_VECTOR_STEPS:
            break
        t += 1
    else:
        t -= 1
    discount = 0.0 if of.steps.terminated[t, env] else factor
    return Expected(total, discount, of.steps.next_obs[t, env])


@functools.partial(jax.jit, static_argnames=("size", "n_envs"))
def window(buffer: Any, n_step: Any, size: int, n_envs: int) -> Any:
    rows = jnp.arange(size)
    found = windows.window(buffer, rows, size, n_envs, n_step, AT_MOST, GAMMA)
    return found, storage.gather(buffer, found.last).next_obs


def check(of: Stream, n_step: int) -> None:
    found, next_obs = window(of.buffer, n_step, of.size, of.n_envs)
    found, next_obs = jax.tree.map(np.asarray, (found, next_obs))
    for row, write in held_rows(of).items():
        expected = plain_loop(of, write, n_step)
        np.testing.assert_allclose(found.reward[row], expected.reward, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.discount[row], expected.discount, rtol=1e-5)
        np.testing.assert_array_equal(next_obs[row], expected.next_obs)


@pytest.mark.parametrize(("n_envs", "size"), [(1, 23), (3, 50), (4, 64), (16, 640)])
def test_a_window_is_what_a_plain_loop_over_the_episodes_gives(n_envs: int, size: int) -> None:
    of = stream(Walk(n_envs, max_episode_steps=7), size, False)
    for n_step in range(1, AT_MOST + 1):
        check(of, n_step)


@pytest.mark.parametrize("n_envs", [1, pytest.param(16, marks=pytest.mark.thorough)])
def test_it_is_the_same_over_a_buffer_of_frames(n_envs: int) -> None:
    of = stream(FrameStack(Pictures(n_envs), 4), 30 if n_envs < 16 else 330, True)
    check(of, 3)
    check(of, 10)


def test_both_kinds_of_ends_occur() -> None:
    steps = stream(Walk(4, max_episode_steps=7), 64, False).steps
    assert 3 < steps.terminated.sum() < 80
    assert 3 < steps.cut_off.sum() < 80


def test_a_window_of_one_step_is_the_transition_itself() -> None:
    of = stream(Walk(4, max_episode_steps=7), 64, False)
    found, _ = window(of.buffer, 1, of.size, of.n_envs)
    terminated = np.asarray(storage.field(of.buffer, "terminated"))
    assert same_bits(found.last, np.arange(64, dtype=np.int32))
    assert same_bits(found.reward, storage.field(of.buffer, "reward"))
    assert same_bits(found.discount, GAMMA * (1 - terminated.astype(np.float32)))


def test_the_value_of_a_time_limit_within_the_window_is_kept() -> None:
    """Three steps that earn 1, of which the second is the last before a time limit."""
    example = StoredTransition(*[jax.ShapeDtypeStruct((), dtype) for dtype in "fiff??"])
    obs, zeros, cut_off = np.float32([10, 11, 12]), np.zeros(3, np.int32), [False, True, False]
    ones, never = np.ones(3, np.float32), np.zeros(3, bool)
    stored = StoredTransition(obs, zeros, ones, obs + 1, never, np.array(cut_off))

    @jax.jit
    def found() -> Any:
        buffer = storage.append(replay.init(example, 4), stored, 4, None)
        of_each = windows.window(buffer, jnp.arange(3), 4, 1, 3, 3, jnp.float32(0.5))
        return of_each, storage.gather(buffer, of_each.last).next_obs

    of_each, next_obs = found()
    np.testing.assert_array_equal(of_each.reward, [1.5, 1.0, 1.0])
    np.testing.assert_array_equal(of_each.discount, [0.25, 0.5, 0.5])
    np.testing.assert_array_equal(next_obs, [12.0, 12.0, 13.0])


def test_episodes_that_begin_anew_without_an_end_are_cut_off() -> None:
    of = stream(Walk(4, max_episode_steps=7), 64, False)
    newest = np.arange(of.buffer.current_index - 4, of.buffer.current_index) % 64
    led_to = np.asarray(of.steps.next_obs[-1])
    moved = led_to + np.float32([[0], [1], [0], [1]])
    with_cuts = jax.jit(functools.partial(windows.with_cuts, size=64, n_envs=4))
    before = np.asarray(storage.field(of.buffer, "cut_off"))
    after = np.asarray(storage.field(with_cuts(of.buffer, moved), "cut_off"))
    expected = before.copy()
    expected[newest[[1, 3]]] = True
    np.testing.assert_array_equal(after, expected)
    assert not np.array_equal(before, after)
    assert same_bits(with_cuts(of.buffer, led_to), of.buffer)
