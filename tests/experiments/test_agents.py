"""Trained agents are loaded from runs and checkpoints unchanged."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import probe_framework
from arlbench.autorl import Checkpointer
from arlbench.core.checkpoints import CheckpointFolder
from arlbench.errors import ArlbenchError, CheckpointError, ConfigurationError, RunFolderError
from arlbench.experiments.agents import StoredAgents, find_agents, load_agent
from arlbench.experiments.playing import make_player
from arlbench.experiments.run import train_run
from arlbench.experiments.run_folder import RunFolder, Saving
from arlbench.experiments.run_settings import RunSettings, resolve
from arlbench.experiments.training import ExperimentProgress
from drawn_framework import settings_of, write_run
from probes import Walk, same_bits, small_dqn, small_state

SEEDS = (5, 6)

N_EPISODES = 12


@pytest.fixture(scope="module")
def settings() -> RunSettings:
    overrides = {
        "learning_starts": 16, "hidden_size": 8, "normalize_observations": True,
        "learning_rate": 1e-2,
    }  # fmt: skip
    return resolve(
        probe_framework.walk(), overrides, first_seed=5, n_seeds=2, n_total_timesteps=400,
        n_eval_steps=2, n_eval_episodes=2, tuned=False,
    )  # fmt: skip


def trained(settings: RunSettings, path: Path, stop: Any = lambda progress: False) -> Path:
    with RunFolder(path, settings, Saving(0.0)) as run:
        train_run(run, on_progress=stop, on_notice=print)
    return path


def stop_at(index: int, n_evaluations: int) -> Any:
    """Stops when a seed has been evaluated this often."""

    def stop(progress: ExperimentProgress) -> bool:
        members = {member.seed_index: p for member, p in progress.population.members.items()}
        return index in members and len(members[index].eval_rewards) == n_evaluations

    return stop


def at_the_end_of(index: int) -> Any:
    return stop_at(index, 2)


def in_the_middle_of(index: int) -> Any:
    return stop_at(index, 1)


@pytest.fixture(scope="module")
def finished(settings: RunSettings, tmp_path_factory) -> Path:
    return trained(settings, tmp_path_factory.mktemp("runs") / "finished")


def test_the_path_of_a_run_may_be_a_text(finished: Path) -> None:
    assert [agent.name for agent in find_agents(str(finished)).agents] == ["seed 5", "seed 6"]


@pytest.fixture(scope="module")
def stopped(settings: RunSettings, tmp_path_factory) -> Path:
    """Seed 5 has ended, and seed 6 is half done."""
    return trained(settings, tmp_path_factory.mktemp("runs") / "stopped", in_the_middle_of(1))


@pytest.fixture(scope="module")
def ended(settings: RunSettings, tmp_path_factory) -> Path:
    """Stopped at the very end of seed 5, with a checkpoint."""
    return trained(settings, tmp_path_factory.mktemp("runs") / "ended", at_the_end_of(0))


def returns_of(stored: StoredAgents, seed: int = 0) -> list[np.ndarray]:
    algorithm = stored.make_algorithm()
    play = make_player(algorithm, N_EPISODES)
    return [np.asarray(play(load_agent(algorithm, a), seed).returns) for a in stored.agents]


def described(stored: StoredAgents) -> list[tuple[str, str]]:
    return [(agent.name, agent.origin) for agent in stored.agents]


def test_all_seeds_of_a_finished_run_are_found(finished: Path, settings: RunSettings) -> None:
    stored = find_agents(finished)
    assert described(stored) == [
        ("seed 5", "final parameters"),
        ("seed 6", "final parameters"),
    ]
    assert stored.notes == ()
    assert stored.env_spec == settings.problem.env_spec
    assert stored.film == finished / "play"
    assert described(find_agents(finished, run_seed=6)) == [("seed 6", "final parameters")]


def test_an_agent_comes_back_with_what_standardises_its_observations(
    finished: Path, settings: RunSettings
) -> None:
    algorithm = settings.make_algorithm()
    state = algorithm.init(jax.random.key(6), **algorithm.init_options(400))
    state, _ = algorithm.train(*state, 400, 2, 2)
    stored = find_agents(finished, run_seed=6)
    loaded = load_agent(stored.make_algorithm(), stored.agents[0])
    assert same_bits(loaded.train_state.params, state.runner_state.train_state.params)
    assert same_bits(loaded.normalizer_state, state.runner_state.normalizer_state)
    assert same_bits(loaded.rng, jax.random.key(6))
    # With empty statistics it would act differently.
    fresh = algorithm.init(jax.random.key(6), capacity=1).runner_state.normalizer_state
    play = make_player(algorithm, 64)
    assert not np.array_equal(
        play(loaded, 0).returns, play(loaded._replace(normalizer_state=fresh), 0).returns
    )
    np.testing.assert_array_equal(play(loaded, 0).returns, play(state.runner_state, 0).returns)


def test_a_checkpoint_plays_like_the_run_that_it_came_from(ended: Path) -> None:
    of_run = find_agents(ended)
    assert described(of_run) == [("seed 5", "final parameters")]
    assert of_run.notes == ("Left out, because training has not ended: seed 6.",)
    folder = ended / "checkpoints" / "seed-5"
    names = {
        folder / "checkpoint-000001": "checkpoint-000001",
        folder: "checkpoint-000001",
        ended / "checkpoints": "seed 5",
    }
    for path, name in names.items():
        of_checkpoint = find_agents(path)
        assert described(of_checkpoint) == [(name, "checkpoint-000001, after 400 of 400 steps")]
        assert of_checkpoint.film == folder / "play-checkpoint-000001"
        assert same_bits(returns_of(of_checkpoint), returns_of(of_run))


def test_if_no_seed_has_ended_the_newest_checkpoint_is_taken(
    settings: RunSettings, tmp_path: Path
) -> None:
    run = trained(settings, tmp_path, in_the_middle_of(0))
    stored = find_agents(run)
    assert described(stored) == [("seed 5", "checkpoint-000001, after 208 of 400 steps")]
    of_checkpoint = find_agents(run / "checkpoints" / "seed-5" / "checkpoint-000001")
    assert same_bits(returns_of(stored), returns_of(of_checkpoint))


def test_the_newest_checkpoint_of_each_seed_is_taken(settings: RunSettings, tmp_path: Path) -> None:
    run = trained(settings, tmp_path, in_the_middle_of(0))
    folder = run / "checkpoints"
    shutil.copytree(folder / "seed-5", folder / "seed-6")
    origin = "checkpoint-000001, after 208 of 400 steps"
    for path in (run, folder):
        stored = find_agents(path)
        assert described(stored) == [("seed 5", origin), ("seed 6", origin)]
        assert stored.film == path / "play"
        first, second = returns_of(stored)
        assert same_bits(first, second)
    assert described(find_agents(run, run_seed=6)) == [("seed 6", origin)]


def test_a_seed_that_was_stopped_is_its_checkpoint_not_its_parameters(stopped: Path) -> None:
    assert (stopped / "params-seed-6.npz").exists()
    stored = find_agents(stopped)
    assert described(stored) == [("seed 5", "final parameters")]
    assert stored.notes == ("Left out, because training has not ended: seed 6.",)
    of_seed = find_agents(stopped, run_seed=6)
    assert described(of_seed) == [("seed 6", "checkpoint-000001, after 208 of 400 steps")]


def test_a_checkpoint_of_the_library_is_an_agent(tmp_path: Path) -> None:
    env = Walk()
    env.spec = probe_framework.walk()
    dqn = small_dqn(env)
    state = small_state(dqn, seed=3)
    Checkpointer(tmp_path, ["params", "rng"]).save(dqn, state, info={"timesteps": "many"})
    stored = find_agents(tmp_path)
    assert described(stored) == [("checkpoint-000001", "checkpoint-000001")]
    loaded = load_agent(stored.make_algorithm(n_envs=1), stored.agents[0])
    assert same_bits(loaded.train_state.params, state.runner_state.train_state.params)
    assert same_bits(loaded.rng, jax.random.key(3))


def test_rewards_that_only_help_learning_are_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path, 1, wrappers=(("scale_reward", {"scale": 0.5}),))
    stored = find_agents(run)
    assert stored.env_spec.wrappers == ()
    assert set(returns_of(stored)[0].tolist()) <= {6.0, 5.0, 3.0}


def no_folder(path: Path) -> Path:
    return path / "nothing"


def a_file(path: Path) -> Path:
    (path / "params.npz").write_bytes(b"")
    return path / "params.npz"


def a_sweep(path: Path) -> Path:
    (path / "design.json").write_text("{}")
    return path


def not_begun(path: Path) -> Path:
    with RunFolder(path / "run", settings_of(1)):
        return path / "run"


def without_statistics(path: Path) -> Path:
    return write_run(path / "run", 1, normalize_observations=True)


def of_another_network(path: Path) -> Path:
    write_run(path / "run", 1)
    content = json.loads((path / "run" / "settings.json").read_text())
    content["nas_config"]["hidden_size"] = 16
    (path / "run" / "settings.json").write_text(json.dumps(content))
    return path / "run"


def of_a_missing_library(path: Path) -> Path:
    write_run(path / "run", 1)
    content = json.loads((path / "run" / "settings.json").read_text())
    content["env_spec"]["framework"] = "drown"
    (path / "run" / "settings.json").write_text(json.dumps(content))
    return path / "run"


def damaged_settings(path: Path) -> Path:
    (path / "settings.json").write_text("{")
    return path


def a_study(path: Path) -> Path:
    (path / "study.json").write_text("{}")
    return path


def made_by_hand(path: Path) -> Path:
    dqn = small_dqn()
    Checkpointer(path).save(dqn, small_state(dqn))
    return path


def of_something_else(path: Path) -> Path:
    folder = CheckpointFolder(path)
    folder.write(folder.next_path(), {"params": {"w": np.zeros(1)}}, {"mine": 1})
    return path


def without_params(path: Path) -> Path:
    env = Walk()
    env.spec = probe_framework.walk()
    dqn = small_dqn(env)
    Checkpointer(path, ["opt_state"]).save(dqn, small_state(dqn))
    return path


FAULTS: dict[Any, tuple[type[ArlbenchError], str]] = {
    no_folder: (RunFolderError, "nothing is not an existing folder; give the folder"),
    a_file: (RunFolderError, "is not an existing folder; give the folder"),
    a_sweep: (RunFolderError, "is a sweep, which keeps returns but not agents; train"),
    a_study: (RunFolderError, "is a study, which keeps returns but not agents; train"),
    (lambda path: path): (RunFolderError, "neither a run nor a checkpoint"),
    not_begun: (
        RunFolderError,
        "has neither a finished seed nor a checkpoint yet; continue with: arlbench train",
    ),
    without_statistics: (RunFolderError, r"normalizer-seed-0\.npz is missing"),
    of_another_network: (RunFolderError, "belongs to another network"),
    of_a_missing_library: (ConfigurationError, "Did you mean 'drawn'"),
    damaged_settings: (RunFolderError, r"settings\.json is damaged"),
    made_by_hand: (CheckpointError, r"made by hand \(Walk\).*Checkpointer\.load"),
    of_something_else: (CheckpointError, "not a checkpoint of an algorithm"),
    without_params: (CheckpointError, "lacks params, without which"),
}


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_what_holds_no_agent_says_why(make: Any, tmp_path: Path) -> None:
    kind, complaint = FAULTS[make]
    with pytest.raises(kind, match=complaint):
        returns_of(find_agents(make(tmp_path)))


def test_a_seed_that_is_not_there_is_named_with_those_that_are(
    finished: Path, stopped: Path, settings: RunSettings, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"no seed 7; --run-seed takes one of 5, 6\."):
        find_agents(finished, run_seed=7)
    with pytest.raises(ConfigurationError, match="is not a run; leave --run-seed out"):
        find_agents(stopped / "checkpoints", run_seed=5)
    run = trained(settings, tmp_path, in_the_middle_of(0))
    with pytest.raises(RunFolderError, match="has no checkpoint of seed 6"):
        find_agents(run, run_seed=6)


def test_if_nothing_is_left_the_way_to_continue_is_named(
    stopped: Path, settings: RunSettings, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(stopped, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    (run / "params-seed-5.npz").unlink()
    with pytest.raises(
        RunFolderError, match=r"neither a finished seed nor a checkpoint .* --resume"
    ):
        find_agents(run)


def test_an_environment_can_be_made_with_another_number_of_copies(finished: Path) -> None:
    stored = find_agents(finished)
    assert stored.make_algorithm().eval_env.n_envs == 4
    assert stored.make_algorithm(n_envs=1).eval_env.n_envs == 1
    assert dataclasses.replace(stored).make_algorithm(n_envs=3).env.n_envs == 3
