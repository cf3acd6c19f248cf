"""The command that trains one configuration of a problem."""

from __future__ import annotations

import itertools
import json
import shlex

from arlbench import EnvSpec, Problem
from arlbench.cli import train_command
from arlbench.cli.arguments import parse_wrappers


def test_settings_of_wrappers_that_are_none_are_left_out() -> None:
    wrappers = (("frame_stack", {"n_frames": 4, "key": None}), ("transpose", {"key": None}))
    spec = EnvSpec("gymnax", "Breakout-MinAtar", 4, wrappers=wrappers)
    words = shlex.split(train_command.of(Problem(spec), {}, 0, 1, 4.0))
    wraps = [word for option, word in itertools.pairwise(words) if option == "--wrap"]
    assert parse_wrappers(wraps) == [("frame_stack", {"n_frames": 4}), ("transpose", {})]


def test_the_command_has_all_that_differs_from_the_defaults() -> None:
    wrappers = (("sticky_action", {"probability": 0.25}), ("clip_reward", {}))
    kwargs = {"use_minimal_action_set": False}
    spec = EnvSpec("gymnax", "Breakout-MinAtar", 4, kwargs, cnn_policy=True, wrappers=wrappers)
    lengths = {"n_total_timesteps": 900, "n_eval_steps": 3}
    options = {"extensions": ["double_q"]}
    problem = Problem(spec, options=options, hpo_config={"gamma": 0.9}, **lengths)
    rate = 1 / 3000
    config = {"learning_rate": rate, "double_q": True}
    words = shlex.split(train_command.of(problem, config, 5, 2, 4.0))
    assert words[:4] == ["arlbench", "train", "Breakout-MinAtar", "--defaults"]
    assert set(words[4:7]) == {"gamma=0.9", f"learning_rate={rate!r}", "double_q=true"}
    assert words[-1] == "--cnn-policy"
    pairs = list(zip(words[7:-1:2], words[8:-1:2], strict=True))
    wraps = [value for name, value in pairs if name == "--wrap"]
    assert tuple(parse_wrappers(wraps)) == wrappers
    given = {name: value for name, value in pairs if name != "--wrap"}
    assert json.loads(given.pop("--env-kwargs")) == kwargs
    assert json.loads(given.pop("--algorithm-options")) == options
    assert given == {
        "--framework": "gymnax", "--n-envs": "4", "--timesteps": "900", "--evaluations": "3",
        "--eval-episodes": "10", "--seed": "5", "--seeds": "2",
    }  # fmt: skip
