"""``arlbench train`` from the arguments to the files."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from arlbench import DQN, make_env
from arlbench.cli import display, main
from command import shared

SMALL = [
    "CartPole-v1", "--timesteps", "1024", "--n-envs", "4", "--evaluations", "2",
    "--eval-episodes", "3", "--defaults", "learning_starts=64", "hidden_size=8",
]  # fmt: skip


def arlbench(words: list[str], monkeypatch) -> int:
    monkeypatch.setattr(sys, "argv", ["arlbench", *words])
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    return int(exit_info.value.code or 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a small run of seeds 0 and 1."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    with pytest.MonkeyPatch.context() as monkeypatch:
        words = ["train", *SMALL, "--seeds", "2", "--out", str(folder), "--quiet"]
        assert arlbench(words, monkeypatch) == 0
    return folder


def returns_of(folder: Path, seed: int) -> np.ndarray:
    """``[n_evaluations, n_eval_episodes]`` from a run's file."""
    with (folder / "evaluations.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["seed"]) == seed]
    values = np.array([float(row["episode_return"]) for row in rows], np.float32)
    return values.reshape(2, 3)


def test_the_folder_holds_everything(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == {
        "run.lock",
        "settings.json",
        "evaluations.csv",
        "summary.json",
        "params-seed-0.npz",
        "params-seed-1.npz",
        "learning_curve.png",
    }


def test_the_settings_are_resolved_and_name_versions(run: Path) -> None:
    settings = json.loads((run / "settings.json").read_text())
    assert settings["format_version"] == 2
    assert settings["hpo_config"]["learning_starts"] == 64
    assert settings["hpo_config"]["gamma"] == 0.99
    assert settings["nas_config"].items() >= {"activation": "tanh", "hidden_size": 8}.items()
    assert settings["nas_config"]["n_layers"] == 2
    assert settings["env_spec"]["name"] == "CartPole-v1"
    assert settings["seeds"] == [0, 1]
    assert settings["versions"]["jax"] == jax.__version__


def test_the_command_line_and_the_library_give_the_same_bits(run: Path) -> None:
    env = make_env("gymnax", "CartPole-v1", n_envs=4)
    dqn = DQN({"learning_starts": 64}, env, nas_config={"hidden_size": 8})
    state, result = dqn.train(*dqn.init(jax.random.key(1), capacity=1024), 1024, 2, 3)
    np.testing.assert_array_equal(returns_of(run, 1), np.asarray(result.eval_rewards))
    saved = np.load(run / "params-seed-1.npz")
    params = state.runner_state.train_state.params["params"]
    np.testing.assert_array_equal(saved["params/out/kernel"], params["out"]["kernel"])
    assert len(saved.files) == 6


def test_seeds_differ(run: Path) -> None:
    assert not np.array_equal(
        np.load(run / "params-seed-0.npz")["params/out/kernel"],
        np.load(run / "params-seed-1.npz")["params/out/kernel"],
    )


def test_the_curve_is_a_picture_of_some_size(run: Path) -> None:
    content = (run / "learning_curve.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 10_000


def test_the_summary_adds_up(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    finals = [returns_of(run, seed)[-1].mean() for seed in (0, 1)]
    assert summary["status"] == "finished"
    assert summary["timesteps"] == 2 * 1024
    np.testing.assert_allclose(summary["final_return_mean"], np.mean(finals), rtol=1e-6)


def test_quiet_prints_nothing_and_json_only_json(tmp_path, monkeypatch, capfd) -> None:
    for option in ("--quiet", "--json"):
        out = tmp_path / option.strip("-")
        words = ["train", *SMALL, "--seeds", "1", "--out", str(out), option]
        assert arlbench(words, monkeypatch) == 0
        printed = capfd.readouterr()
        assert printed.err == ""
        if option == "--quiet":
            assert printed.out == ""
        else:
            assert json.loads(printed.out) == json.loads((out / "summary.json").read_text())


def test_the_closing_table_says_where_the_time_went(tmp_path, monkeypatch, capfd) -> None:
    words = ["train", *SMALL, "--seeds", "2", "--out", str(tmp_path / "run")]
    assert arlbench(words, monkeypatch) == 0
    # The results alone are in the standard output, which a pipe or a file receives.
    printed, messages = capfd.readouterr()
    assert printed.startswith("final return")
    assert "DQN on CartPole-v1" in messages
    assert "final return" not in messages
    for part in ("final return", "start-up", "compilation", "training", "saved in", "2 seeds"):
        assert part in printed
    # However long the path is, it is not broken.
    assert str(tmp_path / "run") in printed.splitlines()[-1]


def test_a_few_seeds_have_a_range_and_more_an_interval() -> None:
    assert display.return_text(np.array([])) == "none yet"
    assert display.return_text(np.array([3.0])) == "3.0 (one seed)"
    few = display.return_text(np.array([3.0, 5.0, 10.0]))
    assert few == "6.0, from 3.0 to 10.0 over 3 seeds"
    # Student's t for 3 degrees of freedom is 3.1824, the standard deviation 2.582.
    more = display.return_text(np.array([1.0, 3.0, 5.0, 7.0]))
    assert more == "4.0, 95 % interval -0.1 to 8.1 over 4 seeds"


def test_divergence_is_an_error_and_keeps_what_was_saved(tmp_path, monkeypatch, capfd) -> None:
    out = tmp_path / "run"
    words = ["train", *SMALL, "learning_rate=1e38", "--seeds", "1", "--out", str(out)]
    assert arlbench(words, monkeypatch) == 2
    assert "non-finite" in capfd.readouterr().err
    assert json.loads((out / "summary.json").read_text())["status"] == "diverged"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)]
)
def test_a_signal_stops_within_a_second_and_saves(sent, tmp_path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", "from arlbench.cli.main import run; run()", "train", *SMALL[:1],
         "--timesteps", "1e9", "--evaluations", "100000", "--eval-episodes", "2",
         "--seeds", "1", "--out", str(out)],
        stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out / "evaluations.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    sent_at = time.monotonic()
    process.send_signal(sent)
    _, printed = process.communicate(timeout=60)
    # This takes about a second on an idle machine.
    assert time.monotonic() - sent_at < shared(4)
    assert process.returncode == 128 + sent
    assert str(out) in printed.replace("\n", "")
    assert "Traceback" not in printed
    assert (out / "params-seed-0.npz").exists()
    assert json.loads((out / "summary.json").read_text())["status"] == "interrupted"


def test_envs_lists_what_can_be_trained(monkeypatch, capfd) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert arlbench(["envs"], monkeypatch) == 0
    printed = capfd.readouterr().out
    assert "CartPole-v1" in printed
    assert "Pendulum-v1" not in printed
    assert arlbench(["envs", "--all"], monkeypatch) == 0
    printed = capfd.readouterr().out
    assert "continuous actions" in printed
    assert "MNIST" in printed
