"""Every adapter returns the same as its library, in the shapes and terms of this package.

Each environment is compared with its library, which plays with the same actions and keys through
its own public functions. Both must agree in every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.environments import make_env
from arlbench.core.randomness import BLOCK, Stream, stream_key
from library_play import CASES, LIBRARIES, QUICKLY_COMPILED, TRAINED, Case, Seen, follow
from probes import same_bits

N_ENVS = 8


#: They compile quickly; the others are for `make thorough`.
QUICK = {"CartPole-v1", "Navix-Empty-5x5-v0"}

#: They compile for long, or are much like DoorKey; they are for `make stress`.
SLOW = {"Craftax-Classic-Symbolic-v1", "MiniGrid-EmptyRandom-5x5"}

#: These also train quickly; the second trains slowly.
QUICKLY_TRAINED, SLOWLY_TRAINED = {"CartPole-v1"}, {"Snake-v1"}


def shared(cases: list[Case], quick: set[str] = QUICK, slow: set[str] = SLOW) -> list[Any]:
    """The cases; slow ones are marked."""

    def marks(name: str) -> Any:
        if name in quick:
            return ()
        return pytest.mark.stress if name in slow else pytest.mark.thorough

    return [pytest.param(case, marks=marks(case.name)) for case in cases]


class Played(NamedTuple):
    """A case played by the adapter and by its library, as NumPy arrays."""

    case: Case
    env: Any
    obs: Any  # the observations before each step
    timesteps: Any  # the results of each step
    seen: Seen
    beginnings: Any
    again: Callable[[int], Any]  # plays with another seed
    follow: Callable[..., Any]


@pytest.fixture(scope="module", params=shared(CASES), ids=str)
def played(request: pytest.FixtureRequest) -> Played:
    case = request.param
    env = make_env(case.framework, case.name, N_ENVS, case.settings)
    library = LIBRARIES[case.framework](case)
    reset, step = jax.jit(env.reset), jax.jit(env.step)

    @partial(jax.jit, compiler_options=QUICKLY_COMPILED)
    def play(key: Any) -> Any:
        def one(carry: Any, given: Any) -> Any:
            env_state, obs = carry
            action, key = given
            env_state, timestep = step(env_state, action, key)
            return (env_state, timestep[0]), (obs, timestep)

        start = reset(key)
        keys = jax.random.split(key, case.n_steps)
        actions = jax.vmap(env.sample_actions)(keys)
        return start[0], actions, keys, jax.lax.scan(one, start, (actions, keys))[1]

    @partial(jax.jit, compiler_options=QUICKLY_COMPILED)
    def by_library(env_state: Any, actions: Any, keys: Any) -> Any:
        return follow(library, env_state, actions, keys)

    start, actions, keys, (obs, timesteps) = play(jax.random.key(0))
    seen, beginnings = by_library(start.env_state, actions, keys)
    found = jax.tree.map(np.asarray, (obs, timesteps, seen, beginnings))
    return Played(case, env, *found, lambda seed: play(jax.random.key(seed))[3], by_library)


def leaves_of(space: spaces.Space, obs: Any) -> Iterator[tuple[spaces.Space, Any]]:
    """The parts of a composed space, with the observations of each."""
    if isinstance(space, spaces.Dict):
        assert obs.keys() == space.spaces.keys()
        for key, part in space.items():
            yield from leaves_of(part, obs[key])
    else:
        yield space, obs


def same(left: Any, right: Any, where: Any = ...) -> None:
    """Asserts that two trees are equal in some rows, up to the rounding of different programs."""
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for x, y in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert x.dtype == y.dtype
        tolerance = 1e-5 if np.issubdtype(x.dtype, np.floating) else 0
        np.testing.assert_allclose(x[where], y[where], rtol=tolerance, atol=tolerance)


def differ(left: Any, right: Any) -> Any:
    """Whether two trees of ``[n_steps, n_envs, ...]`` differ, bool ``[n_steps, n_envs]``."""
    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    return np.any([(x != y).reshape(*x.shape[:2], -1).any(axis=-1) for x, y in pairs], axis=0)


def types_of(tree: Any) -> Any:
    """Everything that a compiled program depends on."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(x.shape, x.dtype, x.weak_type) for x in leaves]


@pytest.mark.thorough
def test_what_a_step_gives_has_the_types_of_a_reset(played: Played) -> None:
    env, key = played.env, jax.random.key(0)
    state, obs = jax.eval_shape(env.reset, key)
    actions = jax.ShapeDtypeStruct((N_ENVS,), jnp.int32)
    after, (next_obs, reward, done, info) = jax.eval_shape(env.step, state, actions, key)
    assert types_of((state, obs)) == types_of((after, next_obs))
    assert types_of(obs) == types_of(info["final_observation"])
    assert not any(x.weak_type for x in jax.tree.leaves(after))
    assert (reward.shape, reward.dtype) == ((N_ENVS,), jnp.float32)
    for flag in (done, info["terminated"], info["truncated"]):
        assert (flag.shape, flag.dtype) == ((N_ENVS,), bool)


def test_observations_lie_in_their_space(played: Played) -> None:
    final = played.timesteps[3]["final_observation"]
    for obs in (played.obs, final):
        for space, values in leaves_of(played.env.observation_space, obs):
            # Spaces of bits and single categories have a dtype of their own.
            if isinstance(space, spaces.Box | spaces.MultiDiscrete):
                assert values.dtype == space.dtype
            rows = values.reshape(-1, *space.shape)
            assert all(space.contains(np.asarray(row)) for row in rows)


def test_episodes_end_where_those_of_the_library_do(played: Played) -> None:
    _, _, done, info = played.timesteps
    np.testing.assert_array_equal(info["terminated"], played.seen.terminated)
    np.testing.assert_array_equal(info["truncated"], played.seen.truncated)
    np.testing.assert_array_equal(done, info["terminated"] | info["truncated"])
    for kind, occurs in {"terminated": True, "truncated": played.case.time_limit}.items():
        assert info[kind].any() == bool(occurs), kind


def test_the_time_limit_is_known_and_kept(played: Played) -> None:
    limit, info = played.case.time_limit, played.timesteps[3]
    assert played.env.max_episode_steps == limit
    if limit is not None:
        assert info["episode_length"].max() == limit
        assert np.all(info["episode_length"][info["truncated"]] == limit)


def test_steps_are_those_of_the_library(played: Played) -> None:
    _, reward, _, info = played.timesteps
    same(info["final_observation"], played.seen.obs)
    np.testing.assert_allclose(reward, played.seen.reward, rtol=1e-5, atol=1e-6)


def test_after_an_end_comes_a_new_beginning(played: Played) -> None:
    next_obs, _, done, info = played.timesteps
    same(next_obs, played.beginnings, done)
    same(next_obs, info["final_observation"], ~done)
    # The final observation differs from the next one.
    assert np.mean(differ(next_obs, info["final_observation"])[done]) > 0.9


def test_return_and_length_of_an_episode_are_counted(played: Played) -> None:
    _, reward, done, info = played.timesteps
    np.testing.assert_array_equal(info["episode_length"], played.seen.time)
    total = np.zeros(N_ENVS)
    for i in range(len(reward)):
        total = total + reward[i]
        np.testing.assert_allclose(info["episode_return"][i], total, rtol=1e-5, atol=1e-5)
        total = np.where(done[i], 0.0, total)


def test_a_seed_decides_everything(played: Played) -> None:
    first = (played.obs, played.timesteps)
    assert same_bits(first, played.again(0))
    assert not same_bits(first, played.again(1))


class Trained(NamedTuple):
    """An agent that was trained in a case."""

    played: Played
    dqn: DQN
    start: Any  # the adapter's first state
    state: Any
    result: Any


SEED = 3
N_EVALUATIONS = 5


def train(dqn: DQN, case: Case, n_evaluations: int) -> tuple[Any, Any]:
    n_rows = case.n_steps * N_ENVS
    state = dqn.init(jax.random.key(SEED), capacity=2048)
    return dqn.train(*state, n_rows, n_evaluations, n_eval_episodes=4)


@pytest.fixture(scope="module")
def trained(played: Played) -> Trained:
    settings = {"buffer_size": 2048, "buffer_batch_size": 4, "learning_starts": 100}
    dqn = DQN(
        {**settings, "train_freq": 4, "initial_epsilon": 1.0},
        played.env,
        nas_config={"hidden_size": 4},
        track_trajectories=True,
    )
    start = as_copied(dqn.init(jax.random.key(SEED), capacity=2048)[0].env_state.env_state)
    return Trained(played, dqn, start, *train(dqn, played.case, N_EVALUATIONS))


def as_copied(tree: Any) -> Any:
    return jax.tree.map(jnp.copy, tree)


def keys_of_training(n_steps: int) -> Any:
    """The key of every vector step of a training."""

    def block(number: Any) -> Any:
        _, env_key = jax.random.split(stream_key(jax.random.key(SEED), Stream.COLLECT, number))
        return jax.random.split(env_key, BLOCK)

    return jax.vmap(block)(jnp.arange(-(-n_steps // BLOCK))).reshape(-1)[:n_steps]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "played", shared(TRAINED, QUICKLY_TRAINED, SLOWLY_TRAINED), indirect=True, ids=str
)
def test_what_training_stores_is_what_the_library_does(trained: Trained) -> None:
    """At the end of an episode too, only steps of the task are stored."""
    case, path = trained.played.case, jax.tree.map(np.asarray, trained.result.trajectories)
    keys = keys_of_training(case.n_steps)
    found = trained.played.follow(trained.start, jnp.asarray(path.action), keys)
    seen, beginnings = jax.tree.map(np.asarray, found)
    assert path.done.sum() > N_ENVS
    np.testing.assert_array_equal(path.info["terminated"], seen.terminated)
    np.testing.assert_array_equal(path.info["truncated"], seen.truncated)
    buffer = trained.state.buffer_state
    n_rows = case.n_steps * N_ENVS
    assert buffer.running_index == n_rows
    stored = jax.tree.map(
        lambda x: np.asarray(x[0, :n_rows]).reshape(-1, N_ENVS, *x.shape[2:]),
        buffer.experience.transition,
    )
    same(stored.next_obs, seen.obs)
    np.testing.assert_allclose(stored.reward, seen.reward, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(stored.terminated, seen.terminated)
    # Each step begins with the observation of the previous one, or with a new episode.
    now, before = (jax.tree.map(lambda x, s=s: x[s], stored) for s in (slice(1, None), slice(-1)))
    same(now.obs, before.next_obs, ~path.done[:-1])
    same(now.obs, jax.tree.map(lambda x: x[:-1], beginnings), path.done[:-1])


@pytest.mark.thorough
@pytest.mark.parametrize(
    "played", shared(TRAINED, QUICKLY_TRAINED, SLOWLY_TRAINED), indirect=True, ids=str
)
def test_evaluations_leave_the_training_alone(trained: Trained) -> None:
    once, result = train(trained.dqn, trained.played.case, 1)
    assert result.eval_rewards.shape == (1, 4)
    assert trained.result.eval_rewards.shape == (N_EVALUATIONS, 4)
    for part in ("params", "opt_state"):
        pair = (getattr(x.runner_state.train_state, part) for x in (once, trained.state))
        assert same_bits(*pair)
    assert same_bits(once.runner_state.obs, trained.state.runner_state.obs)
