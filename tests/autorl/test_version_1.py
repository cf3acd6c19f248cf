"""A schedule of AutoRLEnv that version 1 saved continues as in that version."""

from __future__ import annotations

from pathlib import Path

import pytest

from arlbench import AutoRLEnv
from version_1 import FOLDER, expected, require_parameters, require_returns

NAME = "autorl_checkpoint"


@pytest.mark.thorough
def test_a_schedule_continues_as_it_did(tmp_path: Path) -> None:
    saved = expected(NAME)
    env = AutoRLEnv({**saved["settings"], "checkpoint": ["all"], "checkpoint_dir": str(tmp_path)})
    env.reset()
    arguments = {"checkpoint_path": FOLDER / NAME / saved["checkpoint"]}
    for action, then in zip(saved["actions"], saved["steps"], strict=True):
        obs, objectives, _, truncated, info = env.step(action, **arguments)
        arguments = {}
        assert obs["steps"].tolist() == then["obs"]["steps"]
        assert truncated == then["truncated"]
        require_returns(info["train_info_df"]["returns"], then["curve"])
        require_returns(objectives["reward_mean"], then["objectives"]["reward_mean"])
        params = env._schedule.state.runner_state.train_state.params
        require_parameters(params, then["sha256_of_params"])
