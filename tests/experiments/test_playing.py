"""Episodes of agents made by hand, whose returns, lengths and pictures are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.algorithms.harness.evaluation import play_episodes
from arlbench.core.randomness import Stream, stream_key
from arlbench.errors import RenderingError
from arlbench.experiments.agents import find_agents, load_agent
from arlbench.experiments.playing import make_player, watch
from drawn_framework import GOAL, place_of, write_run

FORWARD, STAY = 1, 0

#: Return and length of an episode that goes forward, by the place where it begins.
FORWARD_FROM = {0: (6.0, 3), 1: (5.0, 2), 2: (3.0, 1)}

FRAME_STACK = (("frame_stack", {"n_frames": 2}),)


def agent_of(path: Path, n_envs: int | None = None, index: int = 0) -> tuple[Any, Any]:
    """The algorithm and the runner state of an agent in a run."""
    stored = find_agents(path)
    algorithm = stored.make_algorithm(n_envs)
    return algorithm, load_agent(algorithm, stored.agents[index])


def watched(path: Path, seed: int = 0, n_episodes: int = 1, max_steps: int = 99) -> Any:
    """Episodes, and for each the places that were drawn."""
    algorithm, runner_state = agent_of(path, n_envs=1)
    frames: list[np.ndarray] = []
    episodes, places = [], []
    for episode in watch(algorithm, runner_state, seed, n_episodes, max_steps, frames.append):
        episodes.append(episode)
        places.append([place_of(frame) for frame in frames])
        frames.clear()
    return episodes, places


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """An agent that goes forward and one that stays."""
    return write_run(tmp_path_factory.mktemp("runs") / "run", FORWARD, STAY)


def test_agents_earn_what_their_actions_earn(run: Path) -> None:
    algorithm, forward = agent_of(run)
    outcomes = make_player(algorithm, 40)(forward, 0)
    seen = set(zip(outcomes.returns.tolist(), outcomes.lengths.tolist(), strict=True))
    assert seen == set(FORWARD_FROM.values())
    algorithm, stay = agent_of(run, index=1)
    outcomes = make_player(algorithm, 40)(stay, 0)
    # Five steps in the same place until the time is up.
    assert set(outcomes.returns.tolist()) == {5.0, 10.0, 15.0}
    assert set(outcomes.lengths.tolist()) == {5}


def test_episodes_are_a_function_of_their_seed_and_of_the_agents_own_key(run: Path) -> None:
    algorithm, first = agent_of(run)
    second = first._replace(rng=jax.random.key(1))
    play = make_player(algorithm, 40)
    again = make_player(algorithm, 40)
    np.testing.assert_array_equal(play(first, 7).returns, again(first, 7).returns)
    assert not np.array_equal(play(first, 7).returns, play(first, 8).returns)
    assert not np.array_equal(play(first, 7).returns, play(second, 7).returns)


def test_every_agent_and_seed_plays_in_one_program(run: Path, count_compilations) -> None:
    algorithm, forward = agent_of(run)
    stay = load_agent(algorithm, find_agents(run).agents[1])
    play = make_player(algorithm, 40)
    play(forward, 0)
    with count_compilations() as counter:
        play(stay, 0)
        play(forward, 2**32 - 1)
    assert counter.names == []


@pytest.mark.thorough
def test_an_agent_that_explores_always_acts_at_random(run: Path) -> None:
    stored = find_agents(run)
    algorithm = stored.make_algorithm(epsilon=1.0)
    stay = load_agent(algorithm, stored.agents[1])
    lengths = make_player(algorithm, 64, greedy=False)(stay, 0).lengths
    assert 1 <= lengths.min() < lengths.max() == 5


def test_every_state_of_an_episode_is_drawn_the_last_one_too(run: Path) -> None:
    episodes, places = watched(run, seed=3, n_episodes=12)
    assert len({of_one[0] for of_one in places}) == 3  # they begin everywhere
    for episode, of_one in zip(episodes, places, strict=True):
        assert of_one == list(range(of_one[0], GOAL + 1))
        assert (episode.episode_return, episode.length) == FORWARD_FROM[of_one[0]]
        assert episode.ended


def test_what_is_watched_is_what_is_measured_with_one_environment(run: Path) -> None:
    algorithm, runner_state = agent_of(run, n_envs=1)
    outcomes = make_player(algorithm, 9)(runner_state, 5)
    episodes, _ = watched(run, seed=5, n_episodes=9)
    assert [e.episode_return for e in episodes] == outcomes.returns.tolist()
    assert [e.length for e in episodes] == outcomes.lengths.tolist()


def test_an_episode_that_takes_too_long_is_cut_off_and_the_next_begins_afresh(run: Path) -> None:
    algorithm, runner_state = agent_of(run, n_envs=1)
    episodes, places = watched(run, seed=1, n_episodes=8, max_steps=2)
    key = stream_key(runner_state.rng, Stream.PLAY, np.uint32(1))

    def policy(obs: Any, key: Any) -> jax.Array:
        return algorithm.predict(runner_state, obs, key)

    capped = play_episodes(algorithm.eval_env, policy, key, 8, step_cap=2)
    assert [e.episode_return for e in episodes] == capped.returns.tolist()
    assert [e.length for e in episodes] == capped.lengths.tolist()
    # From place 0 the goal is three steps away.
    assert [e.ended for e in episodes] == [of_one[0] > 0 for of_one in places]
    assert {e.ended for e in episodes} == {True, False}
    assert all(len(of_one) == e.length + 1 for e, of_one in zip(episodes, places, strict=True))


def test_if_the_last_state_cannot_be_told_the_one_before_is_the_last_picture(
    tmp_path: Path,
) -> None:
    episodes, places = watched(
        write_run(tmp_path, FORWARD, wrappers=FRAME_STACK), seed=3, n_episodes=6
    )
    for episode, of_one in zip(episodes, places, strict=True):
        assert of_one == list(range(of_one[0], GOAL))
        assert episode.length == len(of_one)


def test_an_environment_that_cannot_be_drawn_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(RenderingError, match="Unseen cannot be drawn"):
        watched(write_run(tmp_path, FORWARD, name="Unseen"))


def test_stepping_and_acting_are_compiled_once(run: Path, count_compilations) -> None:
    algorithm, runner_state = agent_of(run, n_envs=1)
    playing = watch(algorithm, runner_state, 0, 3, 99, lambda frame: None)
    next(playing)
    with count_compilations() as counter:
        list(playing)
    assert counter.names == []
