"""Steps of a schedule share a cumulative budget, whatever an iteration is long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.autorl import AutoRLConfig, AutoRLEnv, Checkpointer
from probes import SMALL
from schedules import TINY, tiny_env

# Of ``TINY``, whose steps have a budget of 160 in 4 environments.
FREQUENCIES = (30, 10, 100, 10)
# 2 iterations of 120; 2 of 40 reach 320; 1 of 400 reaches 480; 640 is passed already.
TIMESTEPS = ([120, 240], [40, 80], [400, 400], [0, 0])
DONE = (240, 320, 720, 720)


def made_steps(info: dict[str, Any]) -> list[int]:
    """Environment steps of a step at each of its evaluations."""
    return info["train_info_df"]["steps"].tolist()


def begun_with(train_freq: int, **changes: Any) -> tuple[AutoRLEnv, dict[str, Any]]:
    env = tiny_env(**changes)
    env.reset()
    *_, info = env.step({**SMALL, "train_freq": train_freq})
    return env, info


def test_what_a_step_overshoots_the_next_has_less() -> None:
    env = tiny_env()
    env.reset()
    for i, train_freq in enumerate(FREQUENCIES):
        obs, *_, info = env.step({**SMALL, "train_freq": train_freq})
        assert made_steps(info) == TIMESTEPS[i]
        assert obs["steps"].tolist() == [i + 1, DONE[i]]


def test_a_step_without_an_iteration_evaluates_the_present_learner() -> None:
    env, _ = begun_with(100)  # 400 of a budget of 160
    present = env.eval(TINY["n_eval_episodes"]).mean()
    obs, objectives, _, _, info = env.step({})
    assert made_steps(info) == [0, 0]
    assert info["train_info_df"]["returns"].tolist() == pytest.approx([present, present])
    assert objectives["reward_mean"] == pytest.approx(present)
    assert obs["steps"].tolist() == [2, 400]
    # 480 is 80 more.
    assert made_steps(env.step({"train_freq": 10})[-1]) == [40, 80]


@pytest.mark.thorough
def test_the_default_lengths_are_met_to_within_an_iteration() -> None:
    defaults = AutoRLConfig()
    env = AutoRLEnv(
        {
            "env_framework": "tiny",
            "env_name": "Walk",
            "nas_config": {"hidden_size": 8},
            "n_eval_steps": 1,
            "n_eval_episodes": 1,
        }
    )
    env.reset()
    # Nothing is learnt, which takes no time: 1e6 is the end.
    idle = {"train_freq": 256, "learning_starts": 2_000_000, "buffer_size": 1024}
    iterations = []
    for _ in range(defaults.n_steps):
        obs, *_, info = env.step(idle)
        iterations.append(made_steps(info)[-1] / (256 * defaults.n_envs))
    # 100,000 are 39.06 iterations of 2560.
    assert iterations == [40] + 9 * [39]
    assert obs["steps"].tolist() == [10, 391 * 2560]


def test_a_budget_of_its_own_counts_in_the_sum() -> None:
    env, info = begun_with(30)
    assert made_steps(info)[-1] == 240
    # 160 and 200 are 360: one more iteration.
    assert made_steps(env.step({}, n_total_timesteps=200)[-1])[-1] == 120
    # 520 is 160 more than the 360 done.
    assert made_steps(env.step({"train_freq": 20})[-1])[-1] == 160


def test_a_checkpoint_brings_the_budget_that_was_used_up(tmp_path: Path) -> None:
    _, info = begun_with(30, checkpoint=["state"], checkpoint_dir=str(tmp_path))
    later = tiny_env()
    later.reset()
    obs, *_, resumed = later.step({"train_freq": 10}, checkpoint_path=info["checkpoint"])
    assert made_steps(resumed) == [40, 80]
    assert obs["steps"].tolist() == [2, 320]


@pytest.mark.parametrize("place", ["of version 1", "of no schedule"])
def test_without_a_budget_what_was_done_is_taken_for_it(place: str, tmp_path: Path) -> None:
    env, _ = begun_with(30)
    saved = {"seed": 42, "config_step": 1, "timesteps": 240, "last_returns": [1.0]}
    info = {"autorl": {**saved, "hpo_config": env.hpo_config}} if place == "of version 1" else {}
    path = Checkpointer(tmp_path).save(env._algorithm, env._schedule.state, info=info)
    later = tiny_env()
    later.reset()
    action = {**SMALL, "train_freq": 10}
    obs, *_, resumed = later.step(action, checkpoint_path=path)
    assert made_steps(resumed) == [80, 160]
    assert obs["steps"][1] == 400


def test_generations_of_one_step_share_a_budget_too(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {}
    done = []
    for _ in range(4):
        env = tiny_env(n_steps=1, checkpoint=["state"], checkpoint_dir=str(tmp_path))
        env.reset()
        obs, *_, info = env.step({**SMALL, "train_freq": 30}, **arguments)
        arguments = {"checkpoint_path": info["checkpoint"]}
        done.append(int(obs["steps"][1]))
    # The least multiples of 120 from 160, 320, 480 and 640 on.
    assert done == [240, 360, 480, 720]


def test_a_reset_begins_with_the_whole_budget() -> None:
    env, _ = begun_with(100)
    env.reset()
    *_, info = env.step({**SMALL, "train_freq": 10})
    np.testing.assert_array_equal(made_steps(info), [80, 160])
