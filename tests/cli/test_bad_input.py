"""User mistakes: one sentence that names the fault and the cure, without a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from arlbench import DQN
from arlbench.cli import main
from in_process import arlbench, named

# Arguments on the command line, and what the sentence must contain: the fault and the cure.
CASES = {
    "unknown environment": (["CartPol-v1"], ["CartPol-v1", "Did you mean 'CartPole-v1'"]),
    "environment unlike any": (["zzzz"], ["zzzz", "arlbench envs"]),
    "environment of a wrong case": (["cartpole-v1"], ["Did you mean 'CartPole-v1'"]),
    "continuous actions": (["Pendulum-v1"], ["continuous actions", "another environment"]),
    "needs a download": (["MNISTBandit-bsuite"], ["downloads", "another environment"]),
    "two environments": (["CartPole-v1", "Acrobot-v1"], ["Acrobot-v1", "KEY=VALUE"]),
    "unknown framework": (["--framework", "gymnx"], ["gymnx", "Did you mean 'gymnax'"]),
    "unknown hyperparameter": (["learning_rte=1"], ["learning_rte", "mean 'learning_rate'"]),
    "hyperparameter unlike any": (["qqqq=1"], ["qqqq", "Known: buffer_size"]),
    "hyperparameter twice": (["gamma=0.9", "gamma=0.8"], ["gamma", "keep one"]),
    "no value": (["gamma="], ["gamma=", "KEY=VALUE"]),
    "no key": (["=0.9"], ["=0.9", "KEY=VALUE"]),
    "word for a number": (["gamma=high"], ["gamma must be a finite number, not 'high'"]),
    "misspelt option": (["--timestep", "100"], ["--timestep (Possible options: --timesteps)"]),
    "range": (["learning_rate=1e-5..1e-2"], ["more than one value", "give a single value"]),
    "several values": (["gamma=0.9,0.99"], ["gamma=0.9,0.99 is more than one value"]),
    "class without a colon": (["my_env.Corridor"], ["Unknown environment", "write MODULE:CLASS"]),
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
    "algorithm that is not one": (
        ["--algorithm", "json:JSONDecoder"], ["'json:JSONDecoder' is not an algorithm", "subclass"]
    ),
    "no steps an iteration": (["train_freq=0"], ["train_freq", "at least 1"]),
    "negative warm-up": (["learning_starts=-1"], ["learning_starts", "at least 0"]),
    "no units": (["hidden_size=0"], ["hidden_size", "at least 1"]),
    "unknown activation": (["activation=relo"], ["activation", "tanh, relu", "mean 'relu'"]),
    "no update": (["--timesteps", "500"], ["too few for an update", "learning_starts"]),
    "no timesteps": (["--timesteps", "0"], ["error: --timesteps must be a positive whole"]),
    "negative timesteps": (["--timesteps=-5"], ["timesteps", "positive whole"]),
    "half a timestep": (["--timesteps", "1e4.5"], ["--timesteps", "valid number"]),
    "timesteps not a number": (["--timesteps", "nan"], ["timesteps", "positive whole"]),
    "zero environments": (["--n-envs", "0"], ["error: --n-envs must", "at least 1"]),
    "negative environments": (["--n-envs=-2"], ["--n-envs", "at least 1"]),
    "no seeds": (["--seeds", "0"], ["error: --seeds must be a positive whole"]),
    "negative seed": (["--seed=-1"], ["Seeds must be", "0 to 2**32 - 1, not -1"]),
    "seed too large": (["--seed", "4294967296"], ["Seeds", "0 to 2**32 - 1"]),
    "seed not a number": (["--seed", "one"], ["--seed", "valid integer"]),
    "no evaluations": (["--evaluations", "0"], ["error: --evaluations must be a positive"]),
    "no episodes": (["--eval-episodes", "0"], ["error: --eval-episodes must be a"]),
    "no memory": (["--memory-limit", "0.001"], ["more than the limit", "or raise --memory-limit."]),
    "negative memory": (["--memory-limit=-1"], ["error: --memory-limit must be greater than 0"]),
    "settings no JSON": (["--env-kwargs", "{size: 5}"], ["--env-kwargs", "JSON"]),
    "settings no object": (["--env-kwargs", "[1]"], ["JSON object"]),
    "options no JSON": (["--algorithm-options", "{x"], ["--algorithm-options", "JSON"]),
    "unknown option of the algorithm": (
        ["--algorithm-options", '{"extension": []}'], ["mean 'extensions'"]
    ),
    "extension that is missing": (
        ["double_q=true", "--algorithm-options", '{"extensions": ["loss"]}'],
        ["double_q is not compiled in", "add it to extensions"],
    ),
    "unknown setting": (
        ["--env-kwargs", '{"max_steps": 5}'],
        ["max_steps", "Did you mean 'max_steps_in_episode'"],
    ),
    "setting refused": (
        ["FrozenLake-misc", "--env-kwargs", '{"map_name": "nowhere"}'],
        ["FrozenLake-misc", "nowhere"],
    ),
    "setting of another library": (
        ["MiniGrid-DoorKey-5x5", "--env-kwargs", '{"max_step": 5}'],
        ["max_step", "Did you mean 'max_steps'"],
    ),
    "setting of the wrong kind": (
        ["Snake-v1", "--env-kwargs", '{"time_limit": "long"}'], ["time_limit", "whole number"]
    ),
    "environment of another library": (
        ["MiniGrid-DorKey-5x5"], ["Did you mean 'MiniGrid-DoorKey-5x5'"]
    ),
    "environment of the wrong library": (
        ["Snake-v1", "--framework", "navix"], ["navix has no environment named 'Snake-v1'"]
    ),
    "several choices a step": (["Sudoku-v0"], ["several choices", "another environment"]),
    "no goal": (["XLand-MiniGrid-R1-9x9"], ["ruleset", "another environment"]),
    "no picture": (
        ["CartPole-v1", "--cnn-policy"], ["neither pictures", "nor one grid", "set --mlp-policy."]
    ),
    "no checkpoint to keep": (["--keep", "0"], ["error: --keep must be a positive whole"]),
    "negative time": (["--checkpoint-every=-1"], ["--checkpoint-every", "0 or more seconds"]),
    "time not a number": (["--checkpoint-every", "nan"], ["--checkpoint-every", "0 or more"]),
    "half a checkpoint": (["--keep", "1.5"], ["--keep", "valid integer"]),
    "unknown option": (["--timestep", "5"], ["--timestep"]),
}  # fmt: skip


# Files that are named in the cases of ``arlbench sweep``.
FILES = {
    "unknown.csv": "gamma,learning_rte\n0.9,1e-3\n",
    "impossible.json": '[{"gamma": 1.5}]',
    "broken.json": '[{"gamma": 0.9}',
    "empty.csv": "gamma\n",
    "good.csv": "gamma\n0.9\n",
    "notes.txt": "gamma = 0.9",
}

# The same for ``arlbench sweep``.
SWEEP_CASES = {
    "unknown environment": (["CartPol-v1"], ["Did you mean 'CartPole-v1'"]),
    "unknown sampler": (["--sampler", "sobl"], ["sobl", "Did you mean 'sobol'"]),
    "unknown hyperparameter": (["learning_rte=1..2"], ["Did you mean 'learning_rate'"]),
    "hyperparameter twice": (["gamma=0.9", "gamma=0.9..1"], ["gamma", "keep one"]),
    "range upside down": (["gamma=0.99..0.9"], ["gamma=0.99..0.9 is empty", "lower end first"]),
    "range with three dots": (["learning_rate=1e-4...1e-2"], ["three dots", "LOW..HIGH"]),
    "range of nothing": (["gamma=0.9..0.9"], ["is empty", "lower end first"]),
    "range without an end": (["gamma=0.9.."], ["not a range", "gamma=LOW..HIGH"]),
    "range of words": (["gamma=low..high"], ["gamma", "finite number", "'low'"]),
    "range of a categorical": (
        ["buffer_batch_size=64..256"], ["separate values", "buffer_batch_size=4,8,16,32,64"]
    ),
    "range beyond what is possible": (["gamma=0.9..2"], ["gamma", "between 0 and 1"]),
    "empty item": (["gamma=0.9,"], ["lacks a value", "gamma=a,b"]),
    "item twice": (["gamma=0.9,0.9"], ["has 0.9 twice", "keep one"]),
    "nothing active is named": (
        ["--only-named", "use_target_network=false", "tau=0.1..0.5"],
        ["space is empty", "tau is ignored", "choose this value"],
    ),
    "only what is named, and nothing is": (
        ["--only-named"], ["space is empty", "give one a range"]
    ),
    "unknown algorithm": (["--algorithm", "dqm"], ["dqm", "Did you mean 'dqn'"]),
    "algorithm of no module": (
        ["--algorithm", "no_module:Mine"], ["algorithm 'no_module:Mine'", "No module named"]
    ),
    "empty space": (
        ["EVERYTHING=FIXED"], ["space is empty", "leave one out"]
    ),
    "fewer than wanted": (
        ["EVERYTHING=FIXED", "gamma=0.9,0.8"], ["Only 2 different", "lower --n-configs"]
    ),
    "no configurations": (["--n-configs", "0"], ["error: --n-configs must be a positive whole"]),
    "sampler seed below zero": (["--sampler-seed=-1"], ["sampler's seed"]),
    "empty grid": (["--sampler", "grid"], ["grid is empty", "learning_rate=1e-06,0.1"]),
    "grid of a continuous range": (
        ["--sampler", "grid", "gamma=0.9..1"], ["infinitely many", "gamma=0.9,1"]
    ),
    "grid with a number": (
        ["--sampler", "grid", "gamma=0.9,1", "--n-configs", "2"], ["leave --n-configs out"]
    ),
    "grid too large": (
        ["--sampler", "grid", "buffer_size=1..1000000"], ["1000000 configurations", "too many"]
    ),
    "file without a sampler": (["--file", "good.csv"], ["belong together"]),
    "sampler without a file": (["--sampler", "file"], ["belong together"]),
    "no such file": (["--file", "no.csv"], ["no.csv cannot be read", "No such file"]),
    "file of another kind": (["--file", "notes.txt"], ["notes.txt", ".csv or .parquet"]),
    "unknown column": (
        ["--file", "unknown.csv"], ["unknown.csv", "'learning_rte'", "mean 'learning_rate'"]
    ),
    "impossible value in a file": (
        ["--file", "impossible.json"], ["configuration 0", "between 0 and 1"]
    ),
    "broken file": (["--file", "broken.json"], ["broken.json is not valid JSON", "fix it"]),
    "empty file": (["--file", "empty.csv"], ["not contain any configurations", "at least one"]),
    "more than the file has": (
        ["--file", "good.csv", "--n-configs", "2"],
        ["contains 1 different configurations", "lower --n-configs"],
    ),
    "file and word": (["--file", "good.csv", "gamma=0.8"], ["given twice", "keep one"]),
    "file and range": (["--file", "good.csv", "tau=0.1..0.5"], ["several values", "tau=VALUE"]),
    "no seeds": (["--seeds", "0"], ["error: --seeds must be a positive whole"]),
    "too many seeds": (["--seeds", "10001"], ["error: --seeds must be at most 10000"]),
    "negative seed": (["--seed=-1"], ["0 to 2**32 - 1"]),
    "no timesteps": (["--timesteps", "0"], ["error: --timesteps must be a positive whole"]),
    "no evaluations": (["--evaluations", "0"], ["error: --evaluations must be a positive"]),
    "no episodes": (["--eval-episodes", "0"], ["error: --eval-episodes must be a"]),
    "no update": (
        ["--timesteps", "500", "learning_starts=1000"],
        ["No configuration would learn", "too few for an update", "raise the timesteps"],
    ),
    "no memory": (["--memory-limit", "0.0001"], ["buffer_size", "raise --memory-limit."]),
    "negative memory": (["--memory-limit=-1"], ["error: --memory-limit must be greater than 0"]),
    "no environments": (["--n-envs", "0"], ["error: --n-envs must", "at least 1"]),
    "unwritable folder": (["--out", "/proc/arlbench"], ["/proc/arlbench cannot be written"]),
}  # fmt: skip


def complain(words: list[str], monkeypatch, capfd, command: str = "train") -> str:
    """Runs an ``arlbench`` command; returns its only error message, on one line."""
    monkeypatch.setattr(sys, "argv", ["arlbench", command, *map(str, named(words))])
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
    assert len(SWEEP_CASES) >= 40


def everything_fixed() -> list[str]:
    """An argument for each hyperparameter, with its default."""
    defaults = DQN.get_hpo_config_space().items()
    return [f"{name}={entry.default_value}" for name, entry in defaults]


@pytest.mark.parametrize("case", SWEEP_CASES)
def test_a_mistake_in_a_sweep_is_named_with_its_cure(case, tmp_path, monkeypatch, capfd) -> None:
    words, expected = SWEEP_CASES[case]
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    if "EVERYTHING=FIXED" in words:
        named = {word.partition("=")[0] for word in words}
        fixed = [word for word in everything_fixed() if word.partition("=")[0] not in named]
        words = [word for word in words if word != "EVERYTHING=FIXED"] + fixed
    if "--file" in words and case != "file without a sampler":
        words = ["--sampler", "file", *words]
    out = [] if "--out" in words else ["--out", "sweep"]
    complaint = complain([*words, *out], monkeypatch, capfd, "sweep")
    assert complaint.startswith("error: ")
    for part in expected:
        assert part in complaint
    assert not (tmp_path / "sweep").exists()


def test_a_sweep_leaves_alone_what_is_not_a_sweep(tmp_path: Path, monkeypatch, capfd) -> None:
    (tmp_path / "old.txt").write_text("precious")
    complaint = complain(["--out", str(tmp_path)], monkeypatch, capfd, "sweep")
    assert "already holds something that is not a sweep; choose another --out" in complaint
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]


def test_an_existing_run_is_not_written_over(tmp_path: Path, monkeypatch, capfd) -> None:
    (tmp_path / "old.txt").write_text("precious")
    complaint = complain(["--out", str(tmp_path)], monkeypatch, capfd)
    assert "already holds something that is not a run" in complaint
    assert "choose another --out" in complaint
    assert (tmp_path / "old.txt").read_text() == "precious"


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path, monkeypatch, capfd) -> None:
    (tmp_path / "taken").write_text("")
    complaint = complain(["--out", str(tmp_path / "taken")], monkeypatch, capfd)
    assert "cannot be written" in complaint
    assert "choose another --out" in complaint


def test_an_unwritable_folder_is_named(monkeypatch, capfd) -> None:
    # A folder that even the superuser cannot write to.
    complaint = complain(["--out", "/proc/arlbench"], monkeypatch, capfd)
    assert "/proc/arlbench cannot be written" in complaint


@pytest.mark.parametrize(
    ("command", "cure"),
    [
        ("train", "'arlbench train CartPole-v1'. "),
        ("sweep", "'arlbench sweep CartPole-v1', or give a --preset. "),
        ("tune", "'arlbench tune CartPole-v1', or give a --preset or a study file"),
    ],
)
@pytest.mark.parametrize("words", [[], ["learning_rate=1e-3", "--seeds", "1"]])
def test_without_an_environment_nothing_is_trained(
    command: str, cure: str, words: list[str], tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert arlbench(command, *words) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: The argument ENV is missing; name an environment, as in ")
    assert cure in message
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_missing_names_its_extra(monkeypatch, capsys) -> None:
    monkeypatch.delitem(
        sys.modules, "arlbench.core.environments.adapters.jumanji_adapter", raising=False
    )
    monkeypatch.setitem(sys.modules, "jumanji", None)
    monkeypatch.setattr(sys, "argv", ["arlbench", "train", "Maze-v0"])
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    assert exit_info.value.code == 2
    message = capsys.readouterr().err
    assert "pip install 'arlbench[jumanji]'" in message
    assert message.count("\n") == 1
