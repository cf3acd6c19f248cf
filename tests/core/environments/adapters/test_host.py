"""Environments in Python, stepped from within compiled programs."""

from __future__ import annotations

import re
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments import make_env, make_env_from_spec
from arlbench.core.environments.adapters import host_calls
from arlbench.core.environments.adapters.instances import INSTANCES
from arlbench.core.environments.wrappers import FrameStack
from arlbench.errors import ConfigurationError, EnvironmentFaultError, StaleEnvironmentError
from host_probes import LIMIT, stairs
from own_probes import giving, with_observation, with_reward
from probes import same_bits

N_ENVS, N_STEPS = 3, 40
KEY = jax.random.key(7)


def seeds_of(key: Any, n_envs: int = N_ENVS) -> list[int]:
    """The seeds of the copies' next episodes."""
    return jax.random.bits(key, (n_envs,), jnp.uint32).tolist()


@jax.jit
def actions_of(key: Any) -> Any:
    return jax.random.randint(key, (N_STEPS, N_ENVS), 0, 2)


def play(env: Any, key: Any = KEY) -> Any:
    """Random steps as one program: the first observations, and the result of each step."""

    @jax.jit
    def played(key: Any) -> Any:
        reset_key, action_key, step_key = jax.random.split(key, 3)
        env_state, obs = env.reset(reset_key)

        def step(env_state: Any, given: Any) -> Any:
            return env.step(env_state, *given)

        given = (actions_of(action_key), jax.random.split(step_key, N_STEPS))
        return obs, *jax.lax.scan(step, env_state, given)

    return jax.tree.map(np.asarray, played(key))


@pytest.fixture(scope="module")
def env() -> Any:
    return make_env_from_spec(stairs(N_ENVS))


@pytest.fixture(params=["in place", "copied"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in which a program calls the host: on the CPU, and on anything else."""
    if request.param == "copied":
        monkeypatch.setattr(jax, "default_backend", lambda: "an accelerator")
    return request.param


def test_steps_are_those_of_the_environment_itself(way: str) -> None:
    reset_key, action_key, step_key = jax.random.split(KEY, 3)
    actions, keys = np.asarray(actions_of(action_key)), jax.random.split(step_key, N_STEPS)
    first, _, (obs, reward, done, info) = play(make_env_from_spec(stairs(N_ENVS)))
    for i in range(N_ENVS):
        copy = gymnasium.make("Stairs-v0")
        now, _ = copy.reset(seed=seeds_of(reset_key)[i])
        np.testing.assert_array_equal(first[i], now.astype(np.float32))
        for t in range(N_STEPS):
            now, earned, terminated, truncated, _ = copy.step(actions[t, i])
            np.testing.assert_array_equal(info["final_observation"][t, i], now.astype(np.float32))
            assert (reward[t, i], info["terminated"][t, i]) == (earned, terminated)
            assert info["truncated"][t, i] == (truncated and not terminated)
            assert done[t, i] == (terminated or truncated)
            if done[t, i]:
                now, _ = copy.reset(seed=seeds_of(keys[t])[i])
            np.testing.assert_array_equal(obs[t, i], now.astype(np.float32))
    assert info["terminated"].any()
    assert info["truncated"].any()


def test_return_and_length_of_an_episode_are_counted(env: Any) -> None:
    _, _, (_, reward, done, info) = play(env)
    earned, length = np.zeros(N_ENVS), np.zeros(N_ENVS)
    for t in range(N_STEPS):
        earned, length = earned + reward[t], length + 1
        np.testing.assert_array_equal(info["episode_return"][t], earned)
        np.testing.assert_array_equal(info["episode_length"][t], length)
        earned, length = np.where(done[t], 0, earned), np.where(done[t], 0, length)
    assert info["episode_length"].max() == LIMIT


def test_keys_and_actions_decide_everything(env: Any) -> None:
    first, again = (jax.tree.leaves((x[0], x[2])) for x in (play(env), play(env)))
    assert same_bits(first, again)
    assert not same_bits(play(env, jax.random.key(8))[0], first[0])


def test_the_seed_of_a_spec_gives_other_episodes(env: Any) -> None:
    other = make_env_from_spec(stairs(N_ENVS, seed=1))
    assert other != env
    reset = jax.jit(other.reset)(KEY)[1]
    expected = [gymnasium.make("Stairs-v0").reset(seed=s + 1)[0] for s in seeds_of(KEY)]
    np.testing.assert_array_equal(reset, np.array(expected, np.float32))


def test_there_are_no_more_copies_than_are_kept() -> None:
    assert make_env_from_spec(stairs(256)).n_envs == 256
    with pytest.raises(ConfigurationError, match="n_envs can be at most 256, not 257"):
        make_env_from_spec(stairs(257))


def test_equal_specs_are_equal_environments_with_instances_of_their_own(env: Any) -> None:
    twin = make_env_from_spec(stairs(N_ENVS))
    assert twin == env
    assert (twin.kind, twin.max_episode_steps) == ("host", LIMIT)
    one, _ = env.reset(KEY)
    two, _ = twin.reset(KEY)
    assert not set(one.env_state.instance.tolist()) & set(two.env_state.instance.tolist())


def test_a_state_has_one_future(env: Any, way: str) -> None:
    start, _ = env.reset(KEY)
    assert env.is_present(start)
    action = jnp.zeros(N_ENVS, jnp.int32)
    after, _ = env.step(start, action, KEY)
    assert env.is_present(after)
    assert not env.is_present(start)
    with pytest.raises(
        StaleEnvironmentError, match="Continue from the state that the last step returned"
    ):
        env.step(start, action, KEY)
    # The others continue.
    assert env.is_present(env.step(after, action, KEY)[0])


def test_what_is_released_is_used_again() -> None:
    env = make_env_from_spec(stairs(N_ENVS, breaks_after=10**6))
    # One was made for the trial.
    before = len(INSTANCES) - 1
    for _ in range(4):
        env_state, _ = env.reset(KEY)
        env.release(env_state)
        assert not env.is_present(env_state)
    assert len(INSTANCES) == before + N_ENVS


def test_an_error_of_the_environment_is_told_with_its_place(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(giving()):
        def step(self, action: Any) -> Any:
            if self.n_steps == 1:
                raise ValueError("a step is broken")
            return super().step(action)

    with pytest.raises(EnvironmentFaultError) as raised:
        take_steps(make_env("gymnasium", Broken, N_ENVS), 4)
    said = str(raised.value).splitlines()
    # The first copy had one earlier step, in the trial.
    assert said[0].endswith("Broken raised ValueError at step 2 (copy 0): a step is broken")
    assert [line for line in said if line.startswith("  File")] == [said[1]]
    assert f'{__file__}", line' in said[1]
    assert isinstance(raised.value.original, ValueError)
    assert caplog.records == []


def take_steps(env: Any, n_steps: int) -> None:
    state, _ = env.reset(KEY)
    for _ in range(n_steps):
        state, _ = env.step(state, jnp.zeros(env.n_envs, jnp.int32), KEY)


def test_what_an_environment_gives_is_checked_in_every_step(way: str) -> None:
    late = {
        "gave an observation of shape () (0.5) at step 3 (copy 0)": with_observation(0.5, after=3),
        "gave an observation of 300, which Box(0, 255, (1,), uint8) cannot hold at step 2": (
            with_observation(np.array([300]), spaces.Box(0, 255, (1,), np.uint8), after=2)
        ),
        "gave an observation of 4294967296, which Box(0, 9, (1,), int64) cannot hold at step 2": (
            with_observation(np.array([2**32]), spaces.Box(0, 9, (1,), np.int64), after=2)
        ),
        "gave an observation of nan, which": with_observation(np.full(3, np.nan), after=2),
        "gave a reward of nan at step 2 (copy 0); rewards must be finite": with_reward(np.nan, 2),
        "gave a reward of -inf at step 2": with_reward(-np.inf, 2),
        "gave a reward of 1e+39 at step 2": with_reward(1e39, 2),
        "gave a reward of None, a NoneType at step 2": with_reward(None, 2),
    }
    for message, cls in late.items():
        env = make_env("gymnasium", cls, N_ENVS)
        with pytest.raises(EnvironmentFaultError, match=re.escape(message)):
            take_steps(env, 4)


def test_a_reward_in_an_array_counts_by_its_value() -> None:
    env = make_env("gymnasium", with_reward(np.array([2.5])))
    state, _ = env.reset(KEY)
    assert env.step(state, jnp.zeros(1, jnp.int32), KEY)[1][1].tolist() == [2.5]


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3),
        spaces.Discrete(3, start=4),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(2),
        spaces.Box(-1, 1, (2,), np.float64),
        spaces.Box(-1, 1, (2,), np.float32),
    ],
    ids=str,
)
def test_actions_have_the_type_that_the_space_itself_draws(space: spaces.Space) -> None:
    seen = []

    class Watching(giving()):
        action_space = space

        def step(self, action: Any) -> Any:
            seen.append(action)
            return super().step(action)

    env = make_env("gymnasium", Watching)
    state, _ = env.reset(KEY)
    env.step(state, env.sample_actions(KEY), KEY)
    drawn = space.sample()
    assert type(seen[-1]) is type(drawn)
    assert (seen[-1].dtype, seen[-1].shape) == (drawn.dtype, drawn.shape)
    assert space.contains(seen[-1])


def test_a_broken_program_of_the_users_own_still_names_the_fault() -> None:
    env = make_env("gymnasium", with_reward(np.nan, 1))
    # The trial took one step in the first copy.
    with pytest.raises(jax.errors.JaxRuntimeError, match="gave a reward of nan at step 1"):
        jax.jit(lambda: env.step(env.reset(KEY)[0], jnp.zeros(1, jnp.int32), KEY)[1])()


def test_observations_have_the_types_of_their_spaces() -> None:
    env = make_env("gymnasium", "host_probes:Parts-v0", n_envs=2)
    env_state, obs = env.reset(KEY)
    assert obs["pair"][0].tolist() == [3, 3]
    assert obs["pair"][1].tolist() == [[1, 0, 1]] * 2
    for name, value in {"counts": [2, 4], "bytes": [[9, 9], [9, 9]], "far": [7]}.items():
        assert obs[name].tolist() == [value] * 2
        assert obs[name].dtype == env.observation_space[name].dtype
    # If an environment counts actions from 5, they are still counted from 0 here.
    _, (_, reward, _, _) = env.step(env_state, jnp.array([0, 1]), KEY)
    assert reward.tolist() == [5.0, 6.0]


def test_it_is_drawn_where_it_stands(env: Any) -> None:
    env_state, obs = env.reset(KEY)
    assert (env.render(env_state) == int(obs[0, 0])).all()
    after, _ = env.step(env_state, jnp.zeros(N_ENVS, jnp.int32), KEY)
    assert env.render(after).shape == (2, 2, 3)
    with pytest.raises(StaleEnvironmentError):
        env.render(env_state)


def test_wrappers_pass_on_what_becomes_of_a_state(env: Any) -> None:
    wrapped = FrameStack(env, n_frames=2)
    env_state, _ = wrapped.reset(KEY)
    assert wrapped.is_present(env_state)
    wrapped.release(env_state)
    assert not wrapped.is_present(env_state)


def test_a_step_costs_no_copy_of_its_buffers() -> None:
    """The function that is called gets the memory itself, which is ten times faster."""
    seen: list[Any] = []
    shape = jax.ShapeDtypeStruct((4,), jnp.int32)

    def fill(out: Any, given: Any) -> None:
        seen.append(out.flags.owndata or given.flags.owndata)
        out[:] = given + 1

    assert host_calls._called(fill, shape)(jnp.arange(4)).tolist() == [1, 2, 3, 4]
    assert seen == [False]


@pytest.mark.parametrize("name", ["Steering", "Levers", "Bits"])
def test_actions_may_be_arrays(name: str, way: str) -> None:
    env = make_env("gymnasium", f"host_probes:{name}-v0", N_ENVS)
    env_state, obs = env.reset(KEY)
    first, second = (env.sample_actions(jax.random.key(i)) for i in (0, 1))
    assert first.shape == (N_ENVS, 2)
    assert not np.array_equal(first, second)
    step = jax.jit(env.step)
    for action, before in ((first, obs), (second, first), (first, second)):
        env_state, (shown, reward, _, _) = step(env_state, action, KEY)
        np.testing.assert_allclose(shown, before)
        np.testing.assert_allclose(reward, np.sum(action, axis=1), rtol=1e-6)
