"""A schedule of AutoRLEnv that version 1 saved continues as in that version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arlbench import AutoRLEnv
from version_1 import FOLDER, TOLERANCE, expected, require_parameters

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
        np.testing.assert_allclose(info["train_info_df"]["returns"], then["curve"], rtol=TOLERANCE)
        np.testing.assert_allclose(
            objectives["reward_mean"], then["objectives"]["reward_mean"], rtol=TOLERANCE
        )
        params = env._schedule.state.runner_state.train_state.params
        require_parameters(params, then["sha256_of_params"])
