"""``arlbench train my_module:MyEnv``, with a module in the working directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import gymnasium
import numpy as np
from gymnasium import spaces


class MyEnv(gymnasium.Env):
    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n_steps = 0
        return self.observe(), {}

    def step(self, action):
        self.n_steps += 1
        if False:
            self.fall()
        return self.observe(), float(action), self.n_steps == 5, False, {}

    def fall(self):
        raise RuntimeError("the floor is gone")

    def observe(self):
        return self.np_random.random(3).astype(np.float32)
"""

# As in the console script: the program's folder is in the path, but the current folder is not.
COMMAND = [sys.executable, "-P", "-c", "from arlbench.cli.main import run; run()"]

WORDS = ["train", "my_module:MyEnv", "--seeds", "1", "--evaluations", "2", "--eval-episodes", "2",
         "--n-envs", "2", "--defaults", "hidden_size=8", "buffer_size=512"]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_module.py").write_text(MODULE)
    return tmp_path


def arlbench(folder: Path, *words: str) -> tuple[int, str]:
    """The exit status and the messages."""
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.thorough
def test_a_failure_is_told_saved_and_resumed(folder: Path) -> None:
    """It breaks in the first evaluation, when the state is still intact."""
    module = folder / "my_module.py"
    module.write_text(MODULE.replace("if False", "if breaks()") + BREAKS)
    out = str(folder / "run")
    code, said = arlbench(folder, *WORDS, "--timesteps", "4000", "--out", out)
    assert code == 2
    assert "The training so far is saved" in said
    assert f"continue with: arlbench train --resume {out}" in said.replace("\n", " ")
    told = said[said.index("error: ") :].splitlines()
    assert told[0].startswith("error: my_module:MyEnv raised RuntimeError at step ")
    assert told[0].endswith(": the floor is gone")
    frames = [line for line in told if line.startswith("  File")]
    assert [frame.rpartition(" ")[2] for frame in frames] == ["step", "fall"]
    assert all(str(module) in frame for frame in frames)
    assert "Traceback" not in said
    assert json.loads((folder / "run" / "summary.json").read_text())["status"] == "interrupted"
    module.write_text(MODULE)
    code, said = arlbench(folder, "train", "--resume", out)
    assert code == 0, said
    assert json.loads((folder / "run" / "summary.json").read_text())["timesteps"] == 4000


# Training takes 2000 steps up to the first evaluation, and one step was a trial.
BREAKS = """

N_STEPS = 0


def breaks():
    global N_STEPS
    N_STEPS += 1
    return N_STEPS > 2005
"""


def test_a_module_that_is_not_there_is_one_sentence(folder: Path) -> None:
    (folder / "my_module.py").rename(folder / "other_module.py")
    code, said = arlbench(folder, *WORDS)
    assert code == 2
    assert said.startswith("error: my_module:MyEnv is in a module that cannot be imported")
    assert len(said.splitlines()) == 1


@pytest.mark.thorough
def test_a_seed_that_decides_nothing_is_told_in_one_line(folder: Path) -> None:
    module = folder / "my_module.py"
    module.write_text(MODULE.replace("super().reset(seed=seed)", "super().reset()"))
    code, said = arlbench(folder, *WORDS, "--timesteps", "64", "learning_starts=16", "--quiet")
    assert code == 0, said
    (line,) = said.splitlines()
    assert line.startswith("warning: my_module:MyEnv began two different episodes from the same")
