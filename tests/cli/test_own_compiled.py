"""``arlbench train my_module:MyEnv`` with a compiled environment in the working directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import in_process
from arlbench.experiments import folder as sweep_folder

MODULE = """
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from arlbench.core.environments import SingleStep, VectorisedEnvironment


class Tube(VectorisedEnvironment):
    action_space = spaces.Discrete(2)
    observation_space = spaces.Box(-9.0, 9.0, (2,), np.float32)

    def __init__(self, n_envs, reward=1.0):
        super().__init__("Tube", n_envs, max_episode_steps=5)
        self.reward = reward

    def reset_one(self, rng):
        state = jax.random.uniform(rng), 0.0
        return state, jnp.stack(state)

    def step_one(self, state, action, rng):
        state = state[0] + 0.1 * action, state[1] + 1
        return SingleStep(state, jnp.stack(state), self.reward, False, state[1] == 5)

    def render_one(self, state):
        return np.full((16, 16, 3), 10 * int(state[1]), np.uint8)
"""

# As in the console script: the program's folder is in the path, but the current folder is not.
COMMAND = "from arlbench.cli.main import run; run()"

# The same, but Ctrl-C is pressed after a tenth of the training.
STOPPED = """
import contextlib, os, signal, time
from arlbench.cli import display, main

def show(progress):
    if any(member.timesteps >= 2000 for member in progress.population.members.values()):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)

display.progress_bar = lambda *_: contextlib.nullcontext(show)
main.run()
"""

WORDS = [
    "my_module:Tube", "--evaluations", "2", "--eval-episodes", "2", "--n-envs", "2",
    "--env-kwargs", '{"reward": 2.0}',
]  # fmt: skip
TRAIN = ["train", *WORDS, "--defaults", "hidden_size=8", "buffer_size=512"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_module.py").write_text(MODULE)
    return tmp_path


def arlbench(folder: Path, *words: str, program: str = COMMAND) -> tuple[int, str]:
    """The exit status, and everything that was printed."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *words],
        cwd=folder,
        env={**os.environ, "ARLBENCH_CORES": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder, whose module this process can import."""
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "my_module", raising=False)
    yield folder
    sys.modules.pop("my_module", None)


def test_a_mistake_in_it_is_one_sentence_with_its_line(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = in_folder / "my_module.py"
    decides = "        if state[0] > 1:\n            action = 0\n"
    line = "        state = state[0] +"
    module.write_text(MODULE.replace(line, decides + line))
    assert in_process.arlbench(*TRAIN, "--timesteps", 64) == 2
    sentence, *frames = capsys.readouterr().err.splitlines()
    assert sentence.startswith("error: my_module:Tube decides with a Python 'if'")
    assert "use jnp.where, jax.lax.cond" in sentence
    number = 1 + module.read_text().splitlines().index(decides.splitlines()[0])
    assert frames[0] == f'  File "{module}", line {number}, in step_one'


def test_a_class_that_is_not_there_is_answered_with_those_that_are(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_process.arlbench("train", "my_module:Tub") == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("Did you mean 'my_module:Tube'?")


@pytest.mark.thorough
def test_it_is_trained_resumed_evaluated_and_played_by_one_process_each(folder: Path) -> None:
    long = [*TRAIN, "--timesteps", "20000", "--seeds", "2"]
    code, said = arlbench(folder, *long, "--out", "run", program=STOPPED)
    assert code == 130, said
    assert json.loads((folder / "run" / "summary.json").read_text())["status"] == "interrupted"
    for words in (["train", "--resume", "run"], [*long, "--out", "whole"]):
        code, said = arlbench(folder, *words, "--quiet")
        assert code == 0, said
    ends = [folder / name / "evaluations.csv" for name in ("run", "whole")]
    assert ends[0].read_bytes() == ends[1].read_bytes()
    for seed in (0, 1):
        params = [(path.parent / f"params-seed-{seed}.npz").read_bytes() for path in ends]
        assert params[0] == params[1]
    code, said = arlbench(folder, "evaluate", "run", "--episodes", "3", "--json")
    assert code == 0, said
    # Five steps with a reward of two.
    assert "10.0" in said
    code, said = arlbench(folder, "play", "run", "--out", "film.gif")
    assert code == 0, said
    assert "return 10.00, 5 steps" in said
    assert (folder / "film.gif").stat().st_size > 0


@pytest.mark.thorough
def test_it_is_swept_and_tuned(folder: Path) -> None:
    words = [*WORDS, "learning_rate=1e-4..1e-2", "learning_starts=64", "--timesteps", "640"]
    code, said = arlbench(
        folder, "sweep", *words, "--only-named", "--n-configs", "2", "--seeds", "2", "--out", "s"
    )
    assert code == 0, said
    # Two configurations, two seeds and two evaluations.
    assert sweep_folder.read_rows(folder / "s").num_rows == 8
    code, said = arlbench(
        folder, "tune", *words, "--only-named", "--n-trials", "2", "--seeds", "2", "--out", "t"
    )
    assert code == 0, said
    study = json.loads((folder / "t" / "study.json").read_text())
    assert study["problem"]["env_spec"]["framework"] == "jax"
