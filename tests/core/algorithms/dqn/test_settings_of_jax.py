"""A user's strict promotion of types, or double precision, changes nothing that is trained.

One environment of each library: what is compiled here is also for ``make thorough``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.environments import make_env

#: The first is quick, the others compile for long.
ONE_OF_EACH = [
    ("gymnax", "CartPole-v1"),
    ("xland", "MiniGrid-EmptyRandom-5x5"),
    ("navix", "Navix-Empty-5x5-v0"),
    ("jumanji", "Snake-v1"),
    ("craftax", "Craftax-Classic-Symbolic-v1"),
    ("gymnasium", "FrozenLake-v1"),
]

#: Settings that a user may have made before using the package.
SETTINGS: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "strict promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "double precision": lambda: jax.enable_x64(True),
}


def trained(framework: str, name: str, prioritised: bool) -> Any:
    config = {
        "buffer_size": 256,
        "buffer_batch_size": 4,
        "learning_starts": 16,
        "buffer_prio_sampling": prioritised,
        "normalize_observations": prioritised,
    }
    dqn = DQN(config, make_env(framework, name, n_envs=2), nas_config={"hidden_size": 4})
    state, result = dqn.train(*dqn.init(jax.random.key(0)), 200, n_eval_steps=1, n_eval_episodes=2)
    return state.runner_state.train_state, result.eval_rewards


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("prioritised", [False, True], ids=["uniform", "prioritised"])
@pytest.mark.parametrize(
    ("framework", "name"),
    [
        pytest.param(*case, marks=() if case[0] == "gymnax" else pytest.mark.thorough)
        for case in ONE_OF_EACH
    ],
)
def test_a_training_keeps_its_types_under_settings_of_jax(
    framework: str, name: str, prioritised: bool, setting: str
) -> None:
    plain, _ = trained(framework, name, prioritised)
    with SETTINGS[setting]():
        state, returns = trained(framework, name, prioritised)
    assert state.step == plain.step > 0
    assert np.isfinite(returns).all()
    types = [leaf.dtype for leaf in jax.tree.leaves(state)]
    assert types == [leaf.dtype for leaf in jax.tree.leaves(plain)]
