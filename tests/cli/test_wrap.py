"""``--wrap``: wrapped environments from the command line, and how they are stored."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench import DQN
from arlbench.cli import main
from arlbench.cli.arguments import parse_wrappers
from arlbench.core.environments import EnvSpec, evaluation_spec, make_env_from_spec
from arlbench.errors import ConfigurationError
from arlbench.experiments.folder import read_experiment, read_rows

SHORT = [
    "CartPole-v1", "--timesteps", "1024", "--n-envs", "4", "--evaluations", "2",
    "--eval-episodes", "3", "--seeds", "1",
]  # fmt: skip

WRAP = [
    "--wrap", "time_limit:max_episode_steps=20", "--wrap", "frame_stack:n_frames=2",
    "--wrap", "scale_reward:scale=0.01",
]  # fmt: skip

SPEC = EnvSpec(
    "gymnax",
    "CartPole-v1",
    4,
    wrappers=[
        ("time_limit", {"max_episode_steps": 20}),
        ("frame_stack", {"n_frames": 2}),
        ("scale_reward", {"scale": 0.01}),
    ],
)


def arlbench(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["arlbench", *words])
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    return int(exit_info.value.code or 0)


@pytest.fixture(scope="module")
def single() -> np.ndarray:
    """Returns ``[2, 3]`` of the training that both commands do, computed in Python."""
    dqn = DQN(
        {"learning_starts": 64},
        make_env_from_spec(SPEC),
        make_env_from_spec(evaluation_spec(SPEC)),
        nas_config={"hidden_size": 8},
    )
    _, result = dqn.train(*dqn.init(jax.random.key(0), capacity=1024), 1024, 2, 3)
    return np.asarray(result.eval_rewards)


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "wrapped"
    words = ["--defaults", "learning_starts=64", "hidden_size=8", "--out", str(folder), "--quiet"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert arlbench(["train", *SHORT, *WRAP, *words], monkeypatch) == 0
    return folder


@pytest.mark.thorough
def test_a_run_keeps_its_wrappers_and_reports_returns_of_the_task(
    run: Path, single: np.ndarray
) -> None:
    settings = json.loads((run / "settings.json").read_text())
    assert EnvSpec(**settings["env_spec"]) == SPEC
    with (run / "evaluations.csv").open() as file:
        returns = [float(row["episode_return"]) for row in csv.DictReader(file)]
    np.testing.assert_array_equal(np.float32(returns).reshape(2, 3), single)
    # The full reward for each step until the limit, not a hundredth of it.
    assert np.all((single >= 8) & (single <= 20))


@pytest.mark.thorough
def test_a_run_goes_on_with_its_wrappers(run: Path, monkeypatch: Any, capfd: Any) -> None:
    assert arlbench(["train", "--resume", str(run), "--quiet"], monkeypatch) == 0
    assert arlbench(["train", "--resume", str(run), *WRAP[:2]], monkeypatch) == 2
    assert "--wrap cannot be given" in " ".join(capfd.readouterr().err.split())


@pytest.mark.thorough
def test_a_sweep_trains_in_wrappers(
    tmp_path: Path, single: np.ndarray, monkeypatch: Any, capfd: Any
) -> None:
    grid = ["--sampler", "grid", "gamma=0.9,0.99", "learning_starts=64", "hidden_size=8"]
    words = [*SHORT, *grid, "buffer_size=1024", "--out", str(tmp_path / "sweep"), "--quiet"]
    assert arlbench(["sweep", *words, *WRAP], monkeypatch) == 0
    assert read_experiment(tmp_path / "sweep").problem.env_spec == SPEC
    rows = [row for row in read_rows(tmp_path / "sweep").to_pylist() if row["gamma"] == 0.99]
    returns = np.float32([row["episode_returns"] for row in rows])
    np.testing.assert_array_equal(returns, single)
    assert arlbench(["sweep", *words, *WRAP[:4]], monkeypatch) == 2
    assert "holds another sweep: --wrap is" in " ".join(capfd.readouterr().err.split())


def test_words_become_names_and_settings() -> None:
    assert parse_wrappers(["flatten", "clip_reward:low=-1,high=2.5", "cast:dtype=uint8"]) == [
        ("flatten", {}),
        ("clip_reward", {"low": -1, "high": 2.5}),
        ("cast", {"dtype": "uint8"}),
    ]


@pytest.mark.parametrize(
    "text", ["a:", ":n=1", "a:n", "a:n=", "a:=1", "a:n=1,", "a:n=1,,m=2", ":", ""]
)
def test_what_is_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not of the form NAME:KEY=VALUE"):
        parse_wrappers([text])


def test_a_setting_is_given_once() -> None:
    with pytest.raises(ConfigurationError, match="gives 'n' twice; keep one"):
        parse_wrappers(["a:n=1,n=2"])


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("frame_stak", "Unknown wrapper 'frame_stak'. Did you mean 'frame_stack'?"),
        ("frame_stack:n_frame=3", "Did you mean 'n_frames'?"),
        ("frame_stack:n_frames=0", "n_frames must be a positive whole number"),
        ("one_hot", "Only whole numbers can be one-hot vectors, but the observation is Box"),
        ("sticky_action:probability=2", "probability must lie in [0, 1], not 2."),
    ],
    ids=["name", "setting", "value", "environment", "range"],
)
def test_a_mistake_is_a_sentence(
    command: str, text: str, words: str, tmp_path: Path, monkeypatch: Any, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert arlbench([command, *SHORT, "--wrap", text], monkeypatch) == 2
    printed = " ".join(capfd.readouterr().err.split())
    assert printed.startswith("error: ")
    assert words in printed
    assert list(tmp_path.iterdir()) == []
