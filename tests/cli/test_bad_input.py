"""Every mistake a user can make: one sentence that names the fault and the cure, no traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from arlbench.cli import main

# Words on the command line, and what the sentence must say: the fault and the cure.
CASES = {
    "unknown environment": (["CartPol-v1"], ["CartPol-v1", "Did you mean 'CartPole-v1'"]),
    "environment unlike any": (["zzzz"], ["zzzz", "arlbench envs"]),
    "environment of a wrong case": (["cartpole-v1"], ["Did you mean 'CartPole-v1'"]),
    "continuous actions": (["Pendulum-v1"], ["continuous actions", "another environment"]),
    "needs a download": (["MNISTBandit-bsuite"], ["downloads", "another environment"]),
    "two environments": (["CartPole-v1", "Acrobot-v1"], ["Acrobot-v1", "KEY=VALUE"]),
    "unknown framework": (["--framework", "gymnx"], ["gymnx", "Did you mean 'gymnax'"]),
    "unknown hyperparameter": (["learning_rte=1"], ["learning_rte", "mean 'learning_rate'"]),
    "hyperparameter unlike any": (["qqqq=1"], ["qqqq", "Known: buffer_alpha"]),
    "hyperparameter twice": (["gamma=0.9", "gamma=0.8"], ["gamma", "keep one"]),
    "no value": (["gamma="], ["gamma=", "KEY=VALUE"]),
    "no key": (["=0.9"], ["=0.9", "KEY=VALUE"]),
    "word for a number": (["gamma=high"], ["gamma", "finite number", "'high'"]),
    "flag for a number": (["learning_rate=true"], ["learning_rate", "finite number"]),
    "number for a flag": (["use_target_network=2"], ["True or False"]),
    "fraction for a count": (["train_freq=1.5"], ["train_freq", "whole number"]),
    "nan": (["learning_rate=nan"], ["learning_rate", "finite"]),
    "infinity": (["learning_rate=inf"], ["learning_rate", "finite"]),
    "negative learning rate": (["learning_rate=-1e-3"], ["learning_rate", "greater than 0"]),
    "learning rate of zero": (["learning_rate=0"], ["learning_rate", "greater than 0"]),
    "gamma above one": (["gamma=1.5"], ["gamma", "between 0 and 1"]),
    "tau below zero": (["tau=-0.1"], ["tau", "between 0 and 1"]),
    "epsilon above one": (["initial_epsilon=2"], ["initial_epsilon", "between 0 and 1"]),
    "alpha above one": (["buffer_alpha=3"], ["buffer_alpha", "between 0 and 1"]),
    "priority of zero": (["buffer_epsilon=0"], ["buffer_epsilon", "greater than 0"]),
    "empty buffer": (["buffer_size=0"], ["buffer_size", "at least 1"]),
    "empty batch": (["buffer_batch_size=0"], ["buffer_batch_size", "at least 1"]),
    "beyond 32 bits": (["learning_rate=1e60"], ["learning_rate", "32 bits", "1e+60"]),
    "count too large": (["buffer_size=1e12"], ["buffer_size", "at most"]),
    "no steps an iteration": (["train_freq=0"], ["train_freq", "at least 1"]),
    "negative warm-up": (["learning_starts=-1"], ["learning_starts", "at least 0"]),
    "no units": (["hidden_size=0"], ["hidden_size", "at least 1"]),
    "unknown activation": (["activation=relo"], ["activation", "tanh, relu", "mean 'relu'"]),
    "no update": (["--timesteps", "500"], ["500 timesteps leave no update", "learning_starts"]),
    "no timesteps": (["--timesteps", "0"], ["timesteps", "positive whole"]),
    "negative timesteps": (["--timesteps=-5"], ["timesteps", "positive whole"]),
    "half a timestep": (["--timesteps", "1e4.5"], ["--timesteps", "valid number"]),
    "timesteps not a number": (["--timesteps", "nan"], ["timesteps", "positive whole"]),
    "zero environments": (["--n-envs", "0"], ["n_envs", "at least 1"]),
    "negative environments": (["--n-envs=-2"], ["n_envs", "at least 1"]),
    "no seeds": (["--seeds", "0"], ["seeds", "positive whole"]),
    "negative seed": (["--seed=-1"], ["seed", "0 or more"]),
    "seed too large": (["--seed", "4294967296"], ["below 2**32"]),
    "seed not a number": (["--seed", "one"], ["--seed", "valid integer"]),
    "no evaluations": (["--evaluations", "0"], ["evaluations", "positive whole"]),
    "no episodes": (["--eval-episodes", "0"], ["eval_episodes", "positive whole"]),
    "no memory": (["--memory-limit", "0.001"], ["over the limit", "buffer_size"]),
    "negative memory": (["--memory-limit=-1"], ["memory_limit_gib", "greater than 0"]),
    "settings no JSON": (["--env-kwargs", "{size: 5}"], ["--env-kwargs", "JSON"]),
    "settings no object": (["--env-kwargs", "[1]"], ["JSON object"]),
    "unknown setting": (
        ["--env-kwargs", '{"max_steps": 5}'],
        ["max_steps", "Did you mean 'max_steps_in_episode'"],
    ),
    "setting refused": (
        ["FrozenLake-misc", "--env-kwargs", '{"map_name": "nowhere"}'],
        ["FrozenLake-misc", "nowhere"],
    ),
    "no checkpoint to keep": (["--keep", "0"], ["keep", "positive whole"]),
    "negative time": (["--checkpoint-every=-1"], ["checkpoint_every", "0 or more seconds"]),
    "time not a number": (["--checkpoint-every", "nan"], ["checkpoint_every", "0 or more"]),
    "half a checkpoint": (["--keep", "1.5"], ["--keep", "valid integer"]),
    "unknown option": (["--timestep", "5"], ["--timestep"]),
}  # fmt: skip


def complain(words: list[str], monkeypatch, capfd) -> str:
    """Runs ``arlbench train``; returns its one complaint, on one line."""
    monkeypatch.setattr(sys, "argv", ["arlbench", "train", *words])
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    assert exit_info.value.code not in {0, None}
    printed = capfd.readouterr()
    assert "Traceback" not in printed.err + printed.out
    return " ".join(printed.err.split())


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_its_cure(case, tmp_path, monkeypatch, capfd) -> None:
    words, expected = CASES[case]
    monkeypatch.chdir(tmp_path)
    complaint = complain([*words, "--out", "run"], monkeypatch, capfd)
    for part in expected:
        assert part in complaint
    assert not (tmp_path / "run" / "settings.json").exists()


def test_there_are_forty_cases_and_more() -> None:
    assert len(CASES) >= 40


def test_an_existing_run_is_not_written_over(tmp_path: Path, monkeypatch, capfd) -> None:
    (tmp_path / "old.txt").write_text("precious")
    complaint = complain(["--out", str(tmp_path)], monkeypatch, capfd)
    assert "already holds something" in complaint
    assert "choose another --out" in complaint
    assert (tmp_path / "old.txt").read_text() == "precious"


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path, monkeypatch, capfd) -> None:
    (tmp_path / "taken").write_text("")
    complaint = complain(["--out", str(tmp_path / "taken")], monkeypatch, capfd)
    assert "cannot be written" in complaint
    assert "choose another --out" in complaint


def test_an_unwritable_folder_is_named(monkeypatch, capfd) -> None:
    # A folder that nobody can write to, not even the superuser.
    complaint = complain(["--out", "/proc/arlbench"], monkeypatch, capfd)
    assert "/proc/arlbench cannot be written" in complaint
