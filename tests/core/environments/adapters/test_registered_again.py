"""A class that is registered again is a different class, even with the same name."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium import spaces

from arlbench import make_env
from arlbench.core.environments.adapters.recipes import find
from own_probes import giving
from probes import small_dqn, small_state

NAME = "Again-v0"

MODULE = """
import gymnasium, numpy as np
from gymnasium import spaces
class Edited(gymnasium.Env):
    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}
    def step(self, action):
        return np.zeros(1, np.float32), REWARD, False, False, {}
"""


def register(cls: Any, name: str = NAME, **settings: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is registered again
        gymnasium.register(name, cls, **settings)


def rewarding(amount: float, size: int = 2) -> type[gymnasium.Env]:
    """The class that one run of a notebook cell defines."""
    obs = np.zeros(size, np.float32)
    space = spaces.Box(-1.0, 1.0, (size,), np.float32)
    return giving(lambda: (obs, {}), lambda n: (obs, amount, n % 4 == 3, False, {}), space)


def stored_rewards(name: str = NAME) -> set[float]:
    """The rewards in the buffer after a short training."""
    dqn = small_dqn(make_env("gymnasium", name, n_envs=2))
    state, result = dqn.train(*small_state(dqn), 32, 1, 2)
    stored = np.asarray(state.buffer_state.experience.transition.reward)[0, :32]
    assert float(result.eval_rewards[0, 0]) == 4 * stored[0]
    return set(stored.tolist())


def first_reward(name: str = NAME) -> float:
    """The reward of one step."""
    env = make_env("gymnasium", name)
    env_state, _ = env.reset(jax.random.key(0))
    _, (_, reward, _, _) = env.step(env_state, np.zeros(1, np.int32), jax.random.key(0))
    return float(reward[0])


@pytest.mark.thorough
def test_every_class_earns_its_own_rewards() -> None:
    for amount in (1.0, 2.0):
        register(rewarding(amount))
        assert stored_rewards() == {amount}
    # The instances of all classes before it are still there.
    register(rewarding(3.0))
    assert first_reward() == 3.0


def test_a_new_space_is_seen() -> None:
    for size in (2, 3):
        register(rewarding(1.0, size))
        assert make_env("gymnasium", NAME).observation_space.shape == (size,)


def test_other_settings_of_the_same_class_are_seen() -> None:
    class Earning(rewarding(1.0)):
        def __init__(self, amount: float) -> None:
            super().__init__()
            self._amount = amount

        def step(self, action: Any) -> Any:
            obs, _, *rest = super().step(action)
            return obs, self._amount, *rest

    for amount in (1.0, 5.0):
        register(Earning, kwargs={"amount": amount})
        assert first_reward() == amount


@pytest.mark.thorough
def test_the_same_class_registered_again_is_the_same(count_compilations: Any) -> None:
    cls = rewarding(1.0)
    register(cls)
    first = make_env("gymnasium", NAME, n_envs=2)
    stored_rewards()
    register(cls)
    assert make_env("gymnasium", NAME, n_envs=2) == first
    with count_compilations() as counter:
        stored_rewards()
    assert counter.count == 0


def test_a_limit_that_is_changed_makes_another() -> None:
    cls = rewarding(1.0)
    register(cls)
    first = make_env("gymnasium", NAME)
    register(cls, max_episode_steps=3)
    second = make_env("gymnasium", NAME)
    assert first != second
    assert (first.max_episode_steps, second.max_episode_steps) == (None, 3)


def test_an_environment_stays_what_it_was_when_it_was_made() -> None:
    register(rewarding(1.0))
    env = make_env("gymnasium", NAME)
    register(rewarding(2.0))
    env_state, _ = env.reset(jax.random.key(0))
    _, (_, reward, _, _) = env.step(env_state, np.zeros(1, np.int32), jax.random.key(0))
    assert reward.tolist() == [1.0]


@pytest.mark.parametrize("registered", [True, False])
def test_a_module_that_is_reloaded(
    registered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is edited; the entry point is a string, or the class is named directly."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "edited_module.py"
    for amount in (1.0, 2.0, 3.0):
        file.write_text(MODULE.replace("REWARD", str(amount)))
        importlib.invalidate_caches()
        module = importlib.import_module("edited_module")
        importlib.reload(module)
        if registered:
            register("edited_module:Edited", "edited_module/Edited-v0", max_episode_steps=4)
        name = "edited_module/Edited-v0" if registered else "edited_module:Edited"
        assert first_reward(name) == amount


def test_settings_that_have_no_answer_are_no_obstacle() -> None:
    """Arrays compare element by element, so they do not give a single bool."""
    table = np.arange(3)
    cls = rewarding(1.0)
    register(cls, kwargs={"table": table})
    one = find(NAME)
    register(cls, kwargs={"table": table})
    assert find(NAME) == one
    register(cls, kwargs={"table": table.copy()})
    assert find(NAME) != one
