"""An episode that a compiled environment keeps in itself is found before compiling."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from arlbench import make_env
from arlbench.core.environments import SingleStep
from arlbench.errors import EnvironmentFaultError
from own_compiled import Tube


def test_an_environment_that_keeps_an_episode_in_itself_is_told() -> None:
    class Keeping(Tube):
        def reset_one(self, rng: Any) -> Any:
            state, obs = super().reset_one(rng)
            self.names, self.place = {1: 0, "a": 1}, {"now": state[0]}
            return state, obs

    message = "keeps a value of an episode in self.place; return it as a part of the state"
    with pytest.raises(EnvironmentFaultError, match=message):
        make_env("jax", Keeping)


def keeping(begin: Callable[[Any], None], go_on: Callable[[Any], None]) -> type[Tube]:
    """A class that calls functions of itself when an episode begins and in each step."""

    class Keeping(Tube):
        def reset_one(self, rng: Any) -> Any:
            begin(self)
            return super().reset_one(rng)

        def step_one(self, env_state: Any, action: Any, rng: Any) -> SingleStep:
            go_on(self)
            return super().step_one(env_state, action, rng)

    return Keeping


def count(env: Any) -> None:
    env.kept = getattr(env, "kept", 0) + 1


@pytest.mark.parametrize(
    ("begin", "go_on"),
    [
        (lambda env: setattr(env, "kept", 0), count),
        (lambda env: setattr(env, "kept", [2]), lambda env: env.kept.append(1)),
        (lambda env: setattr(env, "kept", [2]), lambda env: setattr(env, "kept", (3,))),
        (lambda env: setattr(env, "kept", {"a": [2]}), lambda env: env.kept["a"].append(1)),
        (lambda env: setattr(env, "kept", {"a": 2}), lambda env: env.kept.pop("a")),
        (lambda env: setattr(env, "kept", {2}), lambda env: env.kept.add(1)),
        (
            lambda env: setattr(env, "kept", np.zeros(2)),
            lambda env: setattr(env, "kept", np.ones(2)),
        ),
    ],
    ids=["number", "list", "tuple", "list in a dict", "entry", "set", "array"],
)
def test_python_values_of_an_episode_are_found_too(begin: Any, go_on: Any) -> None:
    message = "keeps a value of an episode in self.kept; return it as a part of the state"
    with pytest.raises(EnvironmentFaultError, match=message):
        make_env("jax", keeping(begin, go_on))


def test_episodes_may_not_be_counted_either() -> None:
    class Counting(Tube):
        def __init__(self, n_envs: int) -> None:
            super().__init__(n_envs)
            self.n_episodes = 0

        def reset_one(self, rng: Any) -> Any:
            self.n_episodes += 1
            return super().reset_one(rng)

    with pytest.raises(EnvironmentFaultError, match=r"in self\.n_episodes"):
        make_env("jax", Counting)


def test_caches_are_no_episodes() -> None:
    class Caching(Tube):
        def __init__(self, n_envs: int) -> None:
            super().__init__(n_envs)
            self.table, self.by_name = None, {"a": 1}

        @functools.cached_property
        def five(self) -> int:
            return 5

        def observe(self, place: Any, n_steps: Any) -> jax.Array:
            self.by_name["b"] = self.five
            self.table = self.table or [1, 2]
            self.size, self.shape, self.array = 3, (2, 2), np.zeros(2)
            self.function = lambda: None
            return super().observe(place, n_steps)

    make_env("jax", Caching)
