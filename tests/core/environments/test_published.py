"""Environments made with the calls of arlbench 0.1.3."""

from __future__ import annotations

import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments import EnvSpec, make_env
from arlbench.core.environments.published import Discrete, published_calls
from arlbench.errors import ConfigurationError

SETTINGS = {"max_steps_in_episode": 9}
WANTED = EnvSpec("gymnax", "CartPole-v1", 3, SETTINGS, cnn_policy=False, seed=5)


def spec_of(
    framework: str,
    name: str,
    n_envs: int = 1,
    env_kwargs: Any = None,
    cnn_policy: bool = False,
    seed: int | None = None,
) -> EnvSpec:
    """The same parameters as in ``make_env``."""
    return EnvSpec(framework, name, n_envs, env_kwargs or {}, cnn_policy, seed)


CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "order of arlbench": (("gymnax", "CartPole-v1", False, 3, 5, SETTINGS), {}),
    "order and names": (("gymnax", "CartPole-v1", False, 3), {"env_kwargs": SETTINGS, "seed": 5}),
    "half of it": (
        ("gymnax", "CartPole-v1", False), {"n_envs": 3, "env_kwargs": SETTINGS, "seed": 5}
    ),
    "published names in any order": (
        (),
        {
            "env_kwargs": SETTINGS, "seed": 5, "n_envs": 3, "cnn_policy": False,
            "env_name": "CartPole-v1", "env_framework": "gymnax",
        },
    ),
    "today's order": (("gymnax", "CartPole-v1", 3, SETTINGS, False, 5), {}),
    "today's names": (
        (),
        {
            "framework": "gymnax", "name": "CartPole-v1", "n_envs": 3, "env_kwargs": SETTINGS,
            "seed": 5,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_every_call_says_the_same(case: str) -> None:
    positional, by_name = CALLS[case]
    assert published_calls(spec_of)(*positional, **by_name) == WANTED


def test_environments_are_made_by_such_calls() -> None:
    made = make_env("gymnax", "CartPole-v1", False, 3, 0, SETTINGS)
    assert made == make_env("gymnax", "CartPole-v1", n_envs=3, env_kwargs=SETTINGS)
    assert (made.n_envs, made.max_episode_steps) == (3, 9)


def test_what_is_given_twice_or_too_much_is_told() -> None:
    with pytest.raises(ConfigurationError, match="n_envs is given twice"):
        make_env("gymnax", "CartPole-v1", False, 3, n_envs=4)
    with pytest.raises(ConfigurationError, match="name is given twice"):
        make_env("gymnax", name="CartPole-v1", env_name="CartPole-v1")  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match=r"7 arguments.*order of arlbench 0.1.3 has six"):
        make_env("gymnax", "CartPole-v1", False, 3, 0, {}, 1)  # type: ignore[call-arg]


def test_a_key_samples_an_action_of_a_library_s_environment() -> None:
    space = make_env("gymnax", "Acrobot-v1").action_space
    assert space == spaces.Discrete(3)
    keys = jax.random.split(jax.random.key(0), 200)
    actions = jax.jit(jax.vmap(space.sample))(keys)
    assert actions.dtype == jnp.int32
    assert set(actions.tolist()) == {0, 1, 2}
    assert space.sample(keys[3]) == actions[3] == space.sample(rng=keys[3])
    # Raw keys too, and gymnasium's own masks.
    assert int(space.sample(jax.random.PRNGKey(1))) in {0, 1, 2}
    assert space.sample() in {0, 1, 2}
    assert space.sample(np.array([0, 1, 0], np.int8)) == 1


def test_a_space_sampled_by_keys_can_be_sent_and_compared() -> None:
    space = Discrete.of(spaces.Discrete(4, start=2))
    assert pickle.loads(pickle.dumps(space)) == space == spaces.Discrete(4, start=2)
    assert int(space.sample(jax.random.key(1))) in range(2, 6)
    box = spaces.Box(0.0, 1.0, (2,))
    assert Discrete.of(box) is box
