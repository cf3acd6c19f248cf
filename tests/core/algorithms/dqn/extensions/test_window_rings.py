"""Windows in rings of any size, also smaller than a vector step, half empty or resized."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.dqn.extensions import windows
from arlbench.core.algorithms.dqn.state import StoredTransition
from arlbench.core.buffers import replay, storage

GAMMA = 0.9
CAPACITY, AT_MOST, N_STEPS = 64, 10, 25
SPACING = 1000

EXAMPLE = StoredTransition(*[jax.ShapeDtypeStruct((), dtype) for dtype in "fiff??"])


class Ends(NamedTuple):
    """What each environment did at each step, ``[n_steps, n_envs]``."""

    reward: np.ndarray
    terminated: np.ndarray
    cut_off: np.ndarray


def drawn(rng: np.random.Generator, n_envs: int) -> Ends:
    shape = (N_STEPS, n_envs)
    terminated = rng.random(shape) < 0.15
    cut_off = (rng.random(shape) < 0.15) & ~terminated
    return Ends(rng.normal(size=shape).astype(np.float32), terminated, cut_off)


append = jax.jit(lambda buffer, rows, size: storage.append(buffer, rows, size, None))
resize = jax.jit(replay.resize)


@functools.partial(jax.jit, static_argnames="n_envs")
def window(buffer: Any, n_step: Any, size: Any, n_envs: int) -> Any:
    rows = jnp.arange(CAPACITY)
    found = windows.window(buffer, rows, size, n_envs, n_step, AT_MOST, GAMMA)
    return found.reward, found.discount, storage.gather(buffer, found.last).obs


def plain_loop(ends: Ends, t: int, env: int, n_step: int, n_steps: int) -> tuple[float, float, int]:
    """The discounted sum, the factor of the value after it, and the last step of a window."""
    total, factor = 0.0, 1.0
    for _ in range(n_step):
        total += factor * float(ends.reward[t, env])
        factor *= GAMMA
        if ends.terminated[t, env] or ends.cut_off[t, env] or t + 1 == n_steps:
            break
        t += 1
    else:
        t -= 1
    return total, 0.0 if ends.terminated[t, env] else factor, t


@pytest.mark.parametrize("n_envs", [1, 3, 16])
def test_a_window_is_that_of_a_plain_loop_in_any_ring(n_envs: int) -> None:
    rng = np.random.default_rng(n_envs)
    for sizes in ((2, 2), (5, 5), (13, 63), (64, 7), (50, 17), (17, 50)):
        ends, n_steps = drawn(rng, n_envs), int(rng.integers(2, N_STEPS))
        buffer, size, zeros = replay.init(EXAMPLE, CAPACITY), sizes[0], np.zeros(n_envs, np.int32)
        for t in range(n_steps):
            if t == n_steps // 2:
                buffer, size = resize(buffer, sizes[1]), sizes[1]
            # The observation says which step of which environment it is.
            obs = (SPACING * np.arange(n_envs) + t).astype(np.float32)
            each = (ends.reward[t], obs, ends.terminated[t], ends.cut_off[t])
            buffer = append(buffer, StoredTransition(obs, zeros, *each), size)
        held = int(replay.count(buffer, size))
        stored = np.asarray(storage.gather(buffer, np.arange(held)).obs, int)
        for n_step in (1, 2, 3, AT_MOST):
            found = jax.tree.map(np.asarray, window(buffer, n_step, size, n_envs))
            for row, (env, t) in enumerate(zip(*divmod(stored, SPACING), strict=True)):
                reward, discount, last = plain_loop(ends, t, env, n_step, n_steps)
                expected = (reward, discount, SPACING * env + last)
                got = [part[row] for part in found]
                np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
