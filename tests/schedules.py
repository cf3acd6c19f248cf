"""A tiny AutoRLEnv, whose schedules may continue in another process."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import probe_framework  # noqa: F401  (makes the framework "tiny" known)
from arlbench.autorl import AutoRLEnv
from probes import SMALL, as_numpy

#: Settings of a learner in the ``Walk`` probe.
TINY: dict[str, Any] = {
    "env_framework": "tiny",
    "env_name": "Walk",
    "n_envs": 4,
    "nas_config": {"hidden_size": 8},
    "n_steps": 4,
    "n_total_timesteps": 160,
    "n_eval_steps": 2,
    "n_eval_episodes": 3,
    "schedule_timesteps": 640,
}

#: The actions of the schedule that is interrupted.
RATES = (1e-2, 3e-3, 1e-3, 1e-4)


def tiny_env(**changes: Any) -> AutoRLEnv:
    return AutoRLEnv({**TINY, **changes})


def begun_env(**changes: Any) -> AutoRLEnv:
    """An environment with a small learner, after its first step."""
    env = tiny_env(**changes)
    env.reset()
    env.step(SMALL)
    return env


def learnt(env: AutoRLEnv) -> Any:
    """Copies of the parameters, because the next step reuses their memory."""
    return as_numpy(env._schedule.state.runner_state.train_state.params)


def curve(info: dict[str, Any]) -> list[float]:
    """The learning curve of a step."""
    return info["train_info_df"]["returns"].tolist()


def go_on(checkpoint: str) -> None:
    """Prints the rest of the schedule from a checkpoint of its second step."""
    env = tiny_env()
    env.reset()
    *_, third = env.step({"learning_rate": RATES[2]}, checkpoint_path=checkpoint)
    obs, *_, fourth = env.step({"learning_rate": RATES[3]})
    # Printing and reading a Python float does not change it.
    print(np.array(obs["steps"]).tolist(), curve(third) + curve(fourth))


if __name__ == "__main__":
    go_on(sys.argv[1])
