"""Faults of environments in Python: which copy is named, and what is kept after them."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments import make_env
from arlbench.core.environments.adapters.instances import INSTANCES
from arlbench.errors import EnvironmentFaultError
from own_probes import OBS, SPACE, giving

N_ENVS = 3
KEY = jax.random.key(7)


def test_a_reset_that_fails_keeps_no_instance() -> None:
    class Busy(giving()):
        n_resets = 0

        def reset(self, **kwargs: Any) -> Any:
            type(self).n_resets += 1
            # Two resets belong to the trial; after it, every second one of the last copy fails.
            if self.n_resets > 2 and self.n_resets % (2 * N_ENVS) == 2:
                raise RuntimeError("the server is busy")
            return super().reset(**kwargs)

    env = make_env("gymnasium", Busy, N_ENVS)
    n_before = len(INSTANCES)
    for _ in range(3):
        env_state, _ = env.reset(KEY)
        env.release(env_state)
        with pytest.raises(EnvironmentFaultError, match=r"\(copy 2\): the server is busy"):
            env.reset(KEY)
    assert len(INSTANCES) == n_before + N_ENVS - 1


def test_the_copy_that_is_wrong_is_named() -> None:
    numbers = itertools.count()

    class Third(giving()):
        """The third copy is faulty; the first one was made for the trial."""

        def __init__(self) -> None:
            super().__init__()
            self._number = next(numbers)

        def step(self, action: Any) -> Any:
            obs, _, *rest = super().step(action)
            return obs * (np.inf if self._number == 3 and self.n_steps == 1 else 1), 1.0, *rest

    env = make_env("gymnasium", Third, 5)
    state, _ = env.reset(KEY)
    state, _ = env.step(state, jnp.zeros(5, jnp.int32), KEY)
    with pytest.raises(
        EnvironmentFaultError, match=r"of inf, .* at step 2 \(copy 3\); return finite"
    ):
        env.step(state, jnp.zeros(5, jnp.int32), KEY)


@pytest.mark.parametrize("composed", [False, True], ids=["plain", "composed"])
def test_the_copy_whose_next_episode_begins_wrongly_is_named(composed: bool) -> None:
    class Late(gymnasium.Env):
        """The first copy ends after three steps, and is reset to a wrong shape."""

        observation_space = spaces.Dict({"x": SPACE}) if composed else SPACE
        action_space = spaces.Discrete(2)

        def __init__(self, number: int = 0) -> None:
            self.number, self.n_steps = number, 0

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            return self._obs(OBS[:2] if self.n_steps == 3 else OBS), {}

        def step(self, action: Any) -> Any:
            self.n_steps += 1
            return self._obs(OBS), 0.0, self.number == 0 and self.n_steps == 3, False, {}

        def _obs(self, x: Any) -> Any:
            return {"x": x} if composed else x

    env = make_env("gymnasium", Late, N_ENVS, {"per_copy": {"number": [0, 1, 2]}})
    state, _ = env.reset(KEY)
    state, _ = env.step(state, jnp.zeros(N_ENVS, jnp.int32), KEY)
    # The first copy took one more step in the trial.
    with pytest.raises(
        EnvironmentFaultError, match=r"of shape \(2,\) .* in the reset after step 2 \(copy 0\); its"
    ):
        env.step(state, jnp.zeros(N_ENVS, jnp.int32), KEY)
