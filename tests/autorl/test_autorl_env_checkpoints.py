"""Schedules that are saved and continued."""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import pytest

from arlbench.autorl import Checkpointer, objectives
from arlbench.errors import CheckpointError, ConfigurationError, MemoryLimitError
from probes import SMALL, same_bits
from schedules import RATES, begun_env, curve, learnt, tiny_env


def test_the_checkpoint_of_every_step_is_told_and_kept(tmp_path: Path) -> None:
    env = begun_env(checkpoint=["state"], checkpoint_dir=str(tmp_path), checkpoint_name="mine")
    *_, info = env.step({})
    assert env.checkpoints == [str(tmp_path / "mine" / f"checkpoint-{i:06d}") for i in (1, 2)]
    assert info["checkpoint"] == env.checkpoints[-1]


# By ``learning_starts``, the updates of four steps: two in each iteration that ends after it.
UPDATES = {0: [12, 10, 12, 10], 40: [8, 10, 12, 10], 120: [0, 8, 12, 10]}
RECORDED = [
    ("all", 120),
    *(
        pytest.param(part, starts, marks=pytest.mark.thorough)
        for part, starts in [("loss", 0), ("loss", 40), ("loss", 120), ("trajectories", 120)]
    ),
]


@pytest.mark.parametrize(("part", "learning_starts"), RECORDED)
def test_records_do_not_make_a_later_step_compile(
    part: str, learning_starts: int, tmp_path: Path, count_compilations: Any
) -> None:
    # Iterations of 16 steps; with budgets of 88, the four steps have 6, 5, 6 and 5 of them.
    env = tiny_env(checkpoint=[part], checkpoint_dir=str(tmp_path), n_total_timesteps=88)
    env.reset()
    env.step({**SMALL, "learning_starts": learning_starts, "train_freq": 4})
    with count_compilations() as counter:
        infos = [env.step({"learning_rate": rate})[-1] for rate in RATES[1:]]
    assert counter.names == []
    assert [info["compile_seconds"] for info in infos] == [0, 0, 0]
    kept = [Checkpointer.load(path, env._algorithm).parts for path in env.checkpoints]
    if part != "trajectories":
        assert [len(parts["loss"]) for parts in kept] == UPDATES[learning_starts]
        assert not any(jax.numpy.isnan(parts["loss"]).any() for parts in kept)
    if part != "loss":
        lengths = [parts["trajectories"].reward.shape for parts in kept]
        assert lengths == [(24, 4), (20, 4), (24, 4), (20, 4)]


@pytest.mark.thorough
def test_records_are_kept_where_a_checkpoint_asks_for_them(tmp_path: Path) -> None:
    env = begun_env(checkpoint=["params", "loss", "trajectories"], checkpoint_dir=str(tmp_path))
    parts = Checkpointer.load(env.checkpoints[0], env._algorithm).parts
    assert parts.keys() == {"params", "target_params", "loss", "trajectories"}
    assert parts["loss"].ndim == 1
    assert parts["trajectories"].done.shape == (40, 4)


def test_all_parts_include_the_records_and_the_state_does_not(tmp_path: Path) -> None:
    parts = {}
    for name in ("all", "state"):
        env = begun_env(checkpoint=[name], checkpoint_dir=str(tmp_path), checkpoint_name=name)
        parts[name] = Checkpointer.load(env.checkpoints[0], env._algorithm).parts
    assert parts["all"].keys() - parts["state"].keys() == {"loss", "trajectories"}
    assert parts["state"].keys() > {"params", "target_params", "opt_state", "buffer", "rng"}
    assert parts["all"]["loss"].shape == (parts["all"]["train_step"],)
    assert parts["all"]["trajectories"].reward.shape == (40, 4)
    for name in parts["state"]:
        assert same_bits(parts["all"][name], parts["state"][name])


def test_records_that_take_too_much_are_told_how_to_leave_out(tmp_path: Path) -> None:
    env = tiny_env(checkpoint=["all"], checkpoint_dir=str(tmp_path))
    env.reset()
    with pytest.raises(MemoryLimitError, match="'state' saves everything else"):
        env.step(SMALL, n_total_timesteps=2**31 - 8)


@pytest.mark.thorough
def test_a_schedule_goes_on_in_a_new_process_with_the_same_returns(tmp_path: Path) -> None:
    env = tiny_env(checkpoint=["state"], checkpoint_dir=str(tmp_path))
    env.reset()
    curves = [
        curve(env.step({**SMALL, "learning_rate": rate} if i == 0 else {"learning_rate": rate})[-1])
        for i, rate in enumerate(RATES)
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "schedules", env.checkpoints[1]],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    steps, returns = done.stdout.strip().split("] [")
    assert ast.literal_eval(f"{steps}]") == [4, 640]
    assert ast.literal_eval(f"[{returns}") == list(itertools.chain(*curves[2:]))


def test_a_checkpoint_of_the_network_alone_starts_a_new_run_from_it(tmp_path: Path) -> None:
    env = begun_env(checkpoint=["params"], checkpoint_dir=str(tmp_path))
    fresh = tiny_env(seed=5)
    fresh.reset()
    state = fresh._loaded(env.checkpoints[0], fresh._schedule)[0].state
    assert same_bits(state.runner_state.train_state.params, learnt(env))
    assert same_bits(state.runner_state.rng, jax.random.key(5))
    assert state.runner_state.global_step == 0


def test_generations_of_one_step_go_on_from_each_other(tmp_path: Path) -> None:
    # As in population-based training: each time a new environment and a schedule of one step.
    one_by_one, whole = [], tiny_env(n_steps=3)
    arguments: dict[str, Any] = {}
    for generation in range(3):
        env = tiny_env(n_steps=1, checkpoint=["state"], checkpoint_dir=str(tmp_path))
        env.reset()
        obs, _, _, truncated, info = env.step(SMALL, **arguments)
        arguments = {"checkpoint_path": info["checkpoint"]}
        one_by_one.append(curve(info))
        assert truncated
        assert obs["steps"].tolist() == [1, 160 * (generation + 1)]
    whole.reset()
    assert one_by_one == [curve(whole.step(SMALL)[-1]) for _ in range(3)]


def test_parts_alone_do_not_advance_the_schedule(tmp_path: Path) -> None:
    env = begun_env(checkpoint=["params", "buffer"], checkpoint_dir=str(tmp_path))
    fresh = tiny_env()
    fresh.reset()
    obs, *_ = fresh.step(SMALL, checkpoint_path=env.checkpoints[0])
    assert obs["steps"].tolist() == [1, 160]


def test_parts_alone_do_not_change_hyperparameters(tmp_path: Path) -> None:
    env = begun_env(checkpoint=["params"], checkpoint_dir=str(tmp_path))
    fresh = tiny_env()
    fresh.reset()
    own = {**SMALL, "learning_rate": 0.5 * env.hpo_config["learning_rate"]}
    fresh.step(own)
    fresh.step({}, checkpoint_path=env.checkpoints[0])
    assert fresh.hpo_config["learning_rate"] == own["learning_rate"]


def test_a_finished_schedule_that_is_loaded_begins_a_new_one(tmp_path: Path) -> None:
    settings = {"n_steps": 2, "state_features": ["return_history"]}
    env = tiny_env(**settings, checkpoint=["state"], checkpoint_dir=str(tmp_path))
    env.reset()
    for _ in range(2):
        env.step(SMALL)
    env.reset()
    env.step(SMALL)
    # In the middle of another schedule, of which nothing may remain.
    obs, _, _, truncated, _ = env.step({}, checkpoint_path=env.checkpoints[1])
    assert obs["steps"].tolist() == [1, 480]
    assert obs["return_history"][1] == 0
    assert not truncated
    assert env.step({})[3]


def test_an_objective_that_fails_loses_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objectives, "_objectives", dict(objectives._objectives))

    @objectives.register_objective("broken")
    def broken(result: Any) -> float:
        return 1 / 0

    env = tiny_env(objectives=["broken"], checkpoint=["state"], checkpoint_dir=str(tmp_path))
    env.reset()
    with pytest.raises(ZeroDivisionError):
        env.step(SMALL)
    (path,) = env.checkpoints
    assert Checkpointer.load(path, env._algorithm).parts["global_step"] > 0


def test_a_new_seed_makes_a_new_key_for_a_running_learner(tmp_path: Path) -> None:
    env = begun_env(checkpoint=["state"], checkpoint_dir=str(tmp_path))
    clones = []
    for seed in (None, 1, 2):
        clone = tiny_env()
        clone.reset()
        clone.step({}, checkpoint_path=env.checkpoints[0], seed=seed)
        clones.append(learnt(clone))
    env.step({})
    assert same_bits(clones[0], learnt(env))
    assert not same_bits(clones[1], clones[0])
    assert not same_bits(clones[1], clones[2])


def test_environments_may_share_a_folder_of_checkpoints(tmp_path: Path) -> None:
    envs = [tiny_env(checkpoint=["params"], checkpoint_dir=tmp_path) for _ in range(4)]
    for env in envs:
        env.reset()
        env.step(SMALL)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda env: env._save(None), envs * 3))
    written = [path for env in envs for path in env.checkpoints]
    assert len(set(written)) == 16
    assert all(Path(path, "manifest.json").is_file() for path in written)


def test_a_file_in_the_way_of_checkpoints_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="is a file; set another checkpoint_dir"):
        tiny_env(checkpoint=["all"], checkpoint_dir=tmp_path / "file")


def test_a_folder_of_checkpoints_that_cannot_be_written_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The default folder is shared, so it may belong to another user. Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be written; set another checkpoint_dir"):
        tiny_env(checkpoint=["all"], checkpoint_dir=tmp_path / "new")
    tiny_env(checkpoint_dir=tmp_path / "new")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"nas_config": {"hidden_size": 9}}, "another network: hidden_size is 8"),
        ({"n_envs": 5}, "another environment: n_envs is 4"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    other: dict[str, Any], message: str, tmp_path: Path
) -> None:
    env = begun_env(checkpoint=["state"], checkpoint_dir=str(tmp_path))
    another = tiny_env(**other)
    another.reset()
    with pytest.raises((CheckpointError, ConfigurationError), match=message):
        another.step({}, checkpoint_path=env.checkpoints[0])
