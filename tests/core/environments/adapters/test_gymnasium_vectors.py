"""Gymnasium's vector environments: by name, a class of the user's own, and an existing object."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from arlbench.core.environments import make_env
from arlbench.errors import ConfigurationError, EnvironmentFaultError
from probes import same_bits

KEY = jax.random.key(3)
LIMIT = {"max_episode_steps": 7}


class Counters(VectorEnv):
    """Copy ``i`` counts from ``10 * i``; its episodes have ``i + 1`` steps."""

    single_observation_space = spaces.Box(0.0, 100.0, (1,), np.float32)
    single_action_space = spaces.Discrete(2)

    def __init__(self, num_envs: int, mode: AutoresetMode = AutoresetMode.SAME_STEP) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": mode}
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self.n_steps = np.zeros(num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.n_steps = np.zeros(self.num_envs)
        return self._obs(), {}

    def step(self, actions: Any) -> Any:
        self.n_steps += 1
        obs, ended = self._obs(), self.n_steps == np.arange(self.num_envs) + 1
        self.n_steps[ended] = 0
        final = np.array([obs[i] if ended[i] else None for i in range(len(obs))], object)
        info = {"final_obs": final} if ended.any() else {}
        return self._obs(), np.ones(self.num_envs), ended, np.zeros_like(ended), info

    def _obs(self) -> np.ndarray:
        counts = 10 * np.arange(self.num_envs) + self.n_steps
        return counts[:, None].astype(np.float32)


class Reusing(Counters):
    """Resets the copies of a mask, and returns the same arrays again and again."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(num_envs, AutoresetMode.DISABLED)
        self.ended, self.rewards = np.zeros(num_envs, bool), np.zeros(num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        for values in (self.n_steps, self.ended, self.rewards):
            values[mask] = 0
        return self._obs(), {}

    def step(self, actions: Any) -> Any:
        self.n_steps += 1
        self.ended[:] = self.n_steps == np.arange(self.num_envs) + 1
        self.rewards[:] = self.n_steps
        return self._obs(), self.rewards, self.ended, np.zeros(self.num_envs, bool), {}


def play(env: Any, n_steps: int) -> list[Any]:
    """Everything that a reset and some steps return."""
    env_state, obs = env.reset(KEY)
    step, seen = jax.jit(env.step), [obs]
    for i in range(n_steps):
        action = jnp.arange(env.n_envs) % env.action_space.n
        env_state, (obs, reward, done, info) = step(env_state, action, jax.random.key(i))
        seen.append((obs, reward, done, info))
    env.release(env_state)
    return seen


def test_gymnasium_s_own_give_the_results_of_single_copies() -> None:
    single = make_env("gymnasium", "CartPole-v1", 2, LIMIT)
    vector = make_env("gymnasium", "CartPole-v1", 2, {**LIMIT, "vectorization_mode": "sync"})
    assert same_bits(play(vector, 20), play(single, 20))
    assert vector.max_episode_steps == 7


def test_a_vector_environment_of_a_library_is_used() -> None:
    # CartPole has one, which is written for all copies together.
    settings = {"vectorization_mode": "vector_entry_point"}
    with pytest.raises(ConfigurationError, match=r"autoreset_mode=AutoresetMode\.SAME_STEP"):
        make_env("gymnasium", "CartPole-v1", 2, settings)


def test_a_class_of_the_user_s_own_makes_all_copies() -> None:
    env = make_env("gymnasium", Counters, 3)
    (first, *steps) = play(env, 3)
    assert first.tolist() == [[0], [10], [20]]
    assert [step[2].tolist() for step in steps] == [
        [True, False, False],
        [True, True, False],
        [True, False, True],
    ]
    # The last observations of episodes, and the first ones of the next.
    assert [step[3]["final_observation"][:, 0].tolist() for step in steps] == [
        [1, 11, 21],
        [1, 12, 22],
        [1, 11, 23],
    ]
    assert [step[0][:, 0].tolist() for step in steps] == [[0, 11, 21], [0, 10, 22], [0, 11, 20]]


def test_a_reset_does_not_overwrite_what_the_step_returned() -> None:
    (_, *steps) = play(make_env("gymnasium", Reusing, 2), 3)
    assert [step[2].tolist() for step in steps] == [[True, False], [True, True], [True, False]]
    assert [step[1].tolist() for step in steps] == [[1, 1], [1, 2], [1, 1]]


@pytest.mark.parametrize("own", [Counters, Counters(2)], ids=["class", "existing"])
def test_copies_cannot_be_reset_without_the_others(own: Any) -> None:
    """An evaluation resets only those copies whose episodes are too long."""
    env = make_env("gymnasium", own, 2)
    first, second = env.reset(KEY)[0], env.reset(KEY)[0]
    mixed = jax.tree.map(lambda one, other: jnp.stack([other[0], one[1]]), first, second)
    with pytest.raises(EnvironmentFaultError, match="too long for an evaluation, and its copies"):
        env.step(mixed, jnp.zeros(2, jnp.int32), KEY)


def test_an_existing_one_is_evaluated_in_place() -> None:
    env = make_env("gymnasium", Counters(2), 2)
    assert (env.n_envs, env.spec, env.evaluated_in_place) == (2, None, True)
    first, _ = env.reset(KEY)
    second, _ = env.reset(KEY)
    assert not env.is_present(first)
    assert env.is_present(second)


def test_an_existing_one_is_tried_out_once_and_never_closed() -> None:
    class Closable(Counters):
        is_closed = False

        def close(self, **kwargs: Any) -> None:
            self.is_closed = True

    vector = Closable(2)
    env = make_env("gymnasium", vector)
    env_state, _ = env.reset(KEY)
    assert make_env("gymnasium", vector) == env
    _, (obs, *_) = env.step(env_state, jnp.zeros(2, jnp.int32), KEY)
    assert obs.tolist() == [[0], [11]]
    # Others take its place among the few that are kept.
    for _ in range(20):
        make_env("gymnasium", Counters(2))
    assert not vector.is_closed
    assert env.reset(KEY)[1].tolist() == [[0], [10]]


def test_exactly_one_instance_may_be_made() -> None:
    class Counted(Counters):
        made = 0

        def __init__(self, num_envs: int) -> None:
            type(self).made += 1
            super().__init__(num_envs)

    for _ in range(2):
        env = make_env("gymnasium", Counted, 2, {"evaluate_in_place": True})
        env.reset(KEY)
    assert Counted.made == 1


def test_those_that_reset_in_a_step_of_their_own_are_refused() -> None:
    match = "resets a copy in the step after the end of its episode"
    with pytest.raises(ConfigurationError, match=match):
        make_env("gymnasium", SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 2), 2)
    with pytest.raises(ConfigurationError, match=match):
        make_env("gymnasium", Counters(2, AutoresetMode.NEXT_STEP), 2)


@pytest.mark.parametrize("part", ["a reward", "terminated", "truncated"])
@pytest.mark.parametrize(
    ("values", "shape"), [(0.0, "()"), ([0.0], "(1,)"), ([[0.0], [0.0]], "(2, 1)")]
)
def test_rewards_and_flags_have_one_value_for_each_copy(part: str, values: Any, shape: str) -> None:
    class Misshapen(Counters):
        def step(self, actions: Any) -> Any:
            obs, reward, terminated, truncated, info = super().step(actions)
            parts = {"a reward": reward, "terminated": terminated, "truncated": truncated}
            return obs, *(parts | {part: np.array(values)}).values(), info

    with pytest.raises(EnvironmentFaultError) as raised:
        make_env("gymnasium", Misshapen, 2)
    assert str(raised.value).endswith(
        f"Misshapen gave {part} of shape {shape} at its first step; return an array of shape (2,) "
        "from step, with one value for each copy."
    )


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda obs, reward, ended, cut, _: (obs, reward, ended, {}), "returned 4 values from"),
        (lambda *parts: (*parts[:4], {}), "ended an episode without info['final_obs'] at its"),
        (lambda *parts: (*parts[:4], {"final_obs": [None] * 2}), "ended an episode without info"),
    ],
    ids=["four values", "no last observations", "empty ones"],
)
def test_a_step_returns_five_values_and_last_observations(returned: Any, message: str) -> None:
    class Incomplete(Counters):
        def step(self, actions: Any) -> Any:
            return returned(*super().step(actions))

    with pytest.raises(EnvironmentFaultError, match=re.escape(f"Incomplete {message}")):
        make_env("gymnasium", Incomplete, 2)


def test_a_reset_returns_two_values() -> None:
    class Old(Counters):
        def reset(self, **kwargs: Any) -> Any:
            return super().reset(**kwargs)[0]

    with pytest.raises(EnvironmentFaultError, match="Old returned a single ndarray from reset"):
        make_env("gymnasium", Old, 2)


def test_the_copy_that_is_wrong_is_named() -> None:
    class Uneven(Counters):
        def step(self, actions: Any) -> Any:
            self.n_steps += 1
            obs, no = self._obs(), np.zeros(2, bool)
            seen = [obs[0], np.zeros(3)] if self.n_steps[0] == 2 else obs
            return seen, np.ones(2), no, no, {}

    env = make_env("gymnasium", Uneven, 2)
    env_state, _ = env.reset(KEY)
    env_state, _ = env.step(env_state, jnp.zeros(2, jnp.int32), KEY)
    match = r"gave an observation of shape \(3,\) .* at step 2 \(copy 1\); its space is"
    with pytest.raises(EnvironmentFaultError, match=match):
        env.step(env_state, jnp.zeros(2, jnp.int32), KEY)


def test_a_reset_may_take_a_single_seed() -> None:
    seeds = []

    class Seeded(Counters):
        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            VectorEnv.reset(self, seed=seed)
            seeds.append(seed)
            return super().reset(seed=seed)

    env = make_env("gymnasium", Seeded, 2)
    env.reset(KEY)
    # The first of the seeds that copies would get, which is 0 in the trial.
    assert seeds == [0, int(jax.random.bits(KEY, (2,), jnp.uint32)[0])]


def test_the_error_of_a_reset_is_the_first_one() -> None:
    class Broken(Counters):
        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            raise TypeError(f"{type(seed).__name__} of seeds")

    match = "Broken raised TypeError at its first reset: list of seeds"
    with pytest.raises(EnvironmentFaultError, match=match):
        make_env("gymnasium", Broken, 2)


def test_a_reset_of_some_copies_leaves_the_others_alone() -> None:
    class Heedless(Reusing):
        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            return super().reset(seed=seed)

    match = (
        r"changed the observations of copies whose episodes had not ended at its first step; "
        r"reset only the copies that are true in options\['reset_mask'\]\."
    )
    with pytest.raises(EnvironmentFaultError, match=match):
        make_env("gymnasium", Heedless, 2)


def test_a_process_that_dies_is_reported_with_its_copy() -> None:
    makes = [lambda: gymnasium.make("CartPole-v1")] * 2
    vector = AsyncVectorEnv(makes, context="spawn", autoreset_mode=AutoresetMode.DISABLED)
    env = make_env("gymnasium", vector, 2)
    env_state, _ = env.reset(KEY)
    os.kill(vector.processes[1].pid or 0, signal.SIGKILL)
    match = "steps copy 1 of AsyncVectorEnv has died"
    with pytest.raises(EnvironmentFaultError, match=match):
        env.step(env_state, jnp.zeros(2, jnp.int32), KEY)


@pytest.mark.parametrize(
    ("own", "n_envs", "settings", "match"),
    [
        (Counters, 2, {"per_copy": {"mode": [1, 2]}}, "makes all copies together"),
        (Counters, 2, {"env_workers": 2}, "so env_workers cannot spread them over processes"),
        ("CartPole-v1", 2, {"vectorization_mode": "async"}, "not 'async'; env_workers steps"),
        ("CartPole-v1", 2, {"vectorization_mode": "sync", "gravty": 1}, "settings .*'gravty'$"),
        (
            "CartPole-v1",
            2,
            {"vectorization_mode": "sync", "max_episode_steps": -1},
            "must be a whole number of at least 1, not -1",
        ),
        (lambda num_envs: None, 2, {}, "takes num_envs, but made a NoneType"),
        (lambda num_envs: Counters(3), 2, {}, "made 3 copies where num_envs=2"),
    ],
)
def test_wrong_use_is_one_sentence(own: Any, n_envs: int, settings: Any, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        make_env("gymnasium", own, n_envs, settings)


def test_an_existing_one_has_its_own_number_of_copies() -> None:
    with pytest.raises(ConfigurationError, match="has 2 copies, so n_envs must be 2"):
        make_env("gymnasium", Counters(2), 3)
