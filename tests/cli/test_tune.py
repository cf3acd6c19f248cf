"""``arlbench tune`` from the words to the table."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.cli import train_command, tune_running
from arlbench.cli.tune_display import best_table, heading_of_command, summary
from arlbench.tuning import load
from arlbench.tuning.journal import FILE, Retrained, events_in
from arlbench.tuning.reading import LoadedStudy
from arlbench.tuning.replaying import prepare_replay
from arlbench.tuning.study import arguments_of
from arlbench.tuning.trials import Trial
from fake_studies import study as fake_study
from in_process import arlbench, named

SHORT = [
    "CartPole-v1", "--timesteps", "900", "--n-envs", "4", "--evaluations", "3",
    "--eval-episodes", "2", "--seeds", "2", "--test-seeds", "1", "--only-named", "--defaults",
    "learning_rate=1e-4..1e-2", "buffer_batch_size=8", "learning_starts=64", "buffer_size=1024",
    "hidden_size=8", "use_target_network=true,false", "target_update_interval=10..100",
]  # fmt: skip

# Words on the command line, and what the sentence must say: the fault and the cure.
CASES: dict[str, tuple[list[str], list[str]]] = {
    "unknown tuner": (["--tuner", "hyperbant"], ["hyperbant", "Did you mean 'hyperband'"]),
    "tuner of no module": (["--tuner", "nothing:Mine"], ["cannot be imported", "MODULE:CLASS"]),
    "tuner that is none": (["--tuner", "json:JSONDecoder"], ["not a tuner", "subclass"]),
    "tuner that leaves the space": (
        ["--tuner", "own_tuner:Outside"], ["Outside proposed trial 0", "outside the range"]
    ),
    "tuner that proposes too short a trial": (
        ["--tuner", "own_tuner:TooShort"], ["ends before the first of 10 evaluations", "use 10000"]
    ),
    "tuner that raises": (
        ["--tuner", "own_tuner:Raising"], ["KeyError in ask", "own_tuner.py, line 37; correct"]
    ),
    "tuner that cannot be made": (
        ["--tuner", "own_tuner:Broken"], ["(no luck) at", "own_tuner.py, line 44; correct"]
    ),
    "table that is absent": (["--start-from", "none.csv"], ["none.csv cannot be read"]),
    "folder that is absent": (["--start-from", "nope"], ["nope does not exist"]),
    "start from nothing": (["--start-count", "3"], ["--start-count limits", "give --start-from"]),
    "folder of no study to start from": (["--start-from", "taken"], ["not the folder of a study"]),
    "unknown protocol": (["--protocol", "smack"], ["Did you mean 'smac'"]),
    "repeats of another folder": (["--repeat", "2", "--out", "taken"], ["not a repeated study"]),
    "resume with another number": (["--resume", "nowhere", "--repeat", "3"], ["--repeat cannot"]),
    "storage of no kind": (
        ["--optuna-storage", "nothing://here", "--n-trials", "1"], ["nothing://here cannot be used"]
    ),
    "unknown setting of a tuner": (
        ["--tuner", "hyperband", "--set", "etta=3"], ["etta", "Did you mean 'eta'"]
    ),
    "impossible setting of a tuner": (
        ["--tuner", "hyperband", "--set", "eta=1"], ["eta must be more than 1, not 1"]
    ),
    "setting of no form": (["--set", "eta"], ["--set 'eta'", "KEY=VALUE"]),
    "too few evaluations": (
        ["--tuner", "hyperband", "--evaluations", "1"], ["the same length", "evaluate more often"]
    ),
    "no trials": (["--n-trials", "0"], ["error: --n-trials must be a positive whole"]),
    "no steps": (["--max-steps", "0"], ["error: --max-steps must be a positive whole"]),
    "no time": (["--max-seconds", "0"], ["error: --max-seconds must be greater than 0"]),
    "none in flight": (["--parallel", "0"], ["error: --parallel must be a positive whole"]),
    "tuner seed below zero": (["--tuner-seed=-1"], ["tuner's seed"]),
    "test seeds below zero": (["--test-seeds=-1"], ["--test-seeds must be a whole number of 0 or"]),
    "unknown objective": (["--objective", "finl"], ["finl", "Did you mean 'final'"]),
    "objective of no module": (
        ["--objective", "nothing:mine"], ["cannot be imported", "MODULE:FUNCTION", "PYTHONPATH"]
    ),
    "objective that is none": (["--objective", "json:JSONDecoder"], ["is not an objective"]),
    "two objectives": (["--objective", "final,best"], ["has one objective"]),
    "defaults of no names": (["--defaults"], ["--defaults needs --only-named", "add --only-named"]),
    "the last of no test": (
        ["--test-last", "--test-seeds", "0"], ["--test-last needs test seeds", "leave it out"]
    ),
    "restart of whole trials": (
        ["--tuner", "tpe", "--restart"], ["no effect with the tuner tpe", "leave --restart out"]
    ),
    "nothing to search": (["--only-named"], ["space is empty"]),
    "unknown hyperparameter": (["learning_rte=1..2"], ["Did you mean 'learning_rate'"]),
    "unknown environment": (["CartPol-v1"], ["Did you mean 'CartPole-v1'"]),
    "more of nothing": (["--more", "3"], ["--more extends", "--resume FOLDER"]),
    "no study there": (["--resume", "nowhere"], ["nowhere does not exist", "'arlbench tune'"]),
    "resume with settings": (["--resume", "nowhere", "--tuner", "grid"], ["so --tuner cannot"]),
    "resume an environment": (
        ["CartPole-v1", "--resume", "nowhere"], ["so an environment or KEY=VALUE cannot be given"]
    ),
    "resume with a network": (
        ["--resume", "nowhere", "--mlp-policy"], ["so --cnn-policy/--mlp-policy cannot be given"]
    ),
    "replay with settings": (
        ["--replay", "nowhere", "--set", "a=1"], ["--replay uses the original", "--set cannot"]
    ),
    "folder of something else": (["--out", "taken"], ["something that is not a study"]),
    "unwritable folder": (["--out", "/proc/arlbench"], ["/proc/arlbench cannot be written"]),
    "repeats without a seed": (
        ["--repeat", "2", "--tuner-seed", "4294967295"], ["need seeds beyond 2**32 - 1"]
    ),
    "test seeds beyond 32 bits": (
        ["--seed", "4294967293"], ["Seeds must be whole numbers", "4294967296"]
    ),
    "states below nothing": (["--state-limit=-1"], ["--state-limit must be 0 or more, not -1"]),
    "no memory": (["--memory-limit", "0.001"], ["or raise --memory-limit."]),
}  # fmt: skip

# These are known only when the tuner is asked.
UNNAMED = {"tuner that proposes too short a trial", "tuner that raises",
           "tuner that leaves the space"}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_sentence(case, tmp_path, monkeypatch, capsys) -> None:
    words, said = CASES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    assert arlbench("tune", *named(words), "--quiet") == 2
    message = capsys.readouterr().err
    for part in said:
        assert part in message
    assert message.startswith("error: ")
    assert message.count("\n") == 1


EARLY = [(case, ()) for case in CASES if case not in UNNAMED]
WAYS = [("--repeat", "2"), ("--preset", "cartpole"), ("study.yaml",)]
SOME = ["unknown tuner", "impossible setting of a tuner", "no steps", "states below nothing"]


@pytest.mark.parametrize(
    ("case", "options"), EARLY + [(case, way) for way in WAYS for case in SOME]
)
def test_a_mistake_is_found_before_anything_is_shown_or_made(
    case, options, tmp_path, monkeypatch, capsys
) -> None:
    words, said = CASES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    (tmp_path / "study.yaml").write_text(
        "problem: {environment: CartPole-v1}\nspace: {gamma: 0.9..1}\n"
    )
    before = sorted(tmp_path.rglob("*"))
    # A limit, without which the tuner would have to be known sooner.
    limit = [] if {"--n-trials", "--resume"} & {*words} else ["--n-trials", "1"]
    assert arlbench("tune", *named([*options, *words, *limit])) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert all(part in printed.err for part in said)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small study of Hyperband."""
    out = tmp_path_factory.mktemp("studies") / "hyperband"
    words = ["--tuner", "hyperband", "--n-trials", "8", "--out", out, "--quiet"]
    assert arlbench("tune", *SHORT, *words) == 0
    return out


def test_the_folder_holds_what_was_asked_for(finished) -> None:
    study = load(finished)
    assert study.settings.tuner == "hyperband"
    assert study.settings.seeds == (0, 1)
    assert study.budget.trials == 8
    table = study.trials
    assert (table["status"] == "finished").sum() == 8
    assert table["config.learning_rate"].between(1e-4, 1e-2).all()
    inactive = table["config.target_update_interval"].isna()
    assert (inactive == ~table["config.use_target_network"].astype(bool)).all()


def test_the_closing_table_and_the_sentences(finished) -> None:
    study = load(finished)
    lines = best_table(study, 200)
    assert lines[0].startswith("best trials")
    assert [line.split("  ")[0] for line in lines[1:4]] == [
        "tuning return", "test return", "timesteps",
    ]  # fmt: skip
    assert best_table(study, 30)[0].count("trial ") < lines[0].count("trial ")
    from arlbench.tuning import resume

    text = " ".join(summary(study, resume(finished, test_seeds=(100,))))
    assert "with its tuning seeds and" in text
    assert "other seed: a gap of" in text
    assert "% of " in text


def test_a_finished_study_has_more_trials(finished, tmp_path, capsys) -> None:
    import shutil

    folder = shutil.copytree(finished, tmp_path / "copy")
    assert arlbench("tune", "--resume", folder, "--more", "2", "--json", "--test-seeds", "1") == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (printed["status"], printed["n_trials"], printed["trained_now"]) == ("finished", 10, 2)
    assert printed["incumbent"]["test_objective"] is not None
    assert printed["timesteps"] <= printed["timesteps_restarted"]


def test_test_seeds_that_were_chosen_in_python_are_kept(tmp_path, capsys) -> None:
    begun = fake_study(tmp_path / "study", n_trials=2, test_seeds=(7, 8, 9))
    assert begun.tests[begun.incumbent.number].seeds == (7, 8, 9)
    assert arlbench("tune", "--resume", tmp_path / "study", "--json") == 0
    assert load(tmp_path / "study").budget.test_seeds == (7, 8, 9)
    tests = [e for e in events_in(tmp_path / "study" / FILE) if isinstance(e, Retrained)]
    assert {test.seeds for test in tests} == {(7, 8, 9)}
    assert len(tests) == len(begun.incumbents)


def test_a_study_is_not_limited_to_fewer_trials_than_it_has(finished, capsys) -> None:
    before = (finished / "study.json").read_text()
    assert arlbench("tune", "--resume", finished, "--n-trials", "2") == 2
    printed = capsys.readouterr().err
    assert "has 8 trials already, so it cannot be limited to 2; allow 8 or more" in " ".join(
        printed.split()
    )
    assert printed.startswith("error: ")
    assert (finished / "study.json").read_text() == before
    assert arlbench("tune", "--resume", finished, "--n-trials", "8", "--quiet") == 0


def test_a_replay_is_refused_before_anything_is_shown(finished, capsys) -> None:
    assert arlbench("tune", "--replay", finished, "--seed", "1") == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: A replay needs")
    assert printed.count("\n") == 1


def test_a_tuner_of_ones_own(tmp_path, capsys) -> None:
    words = ["--tuner", "own_tuner:Own", "--n-trials", "2", "--test-seeds", "0", "--json"]
    assert arlbench("tune", *SHORT, *words, "--out", tmp_path / "study") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["n_trials"] == 2
    assert printed["incumbent"]["test_objective"] is None
    assert load(tmp_path / "study").settings.tuner == "own_tuner:Own"


@pytest.mark.parametrize(("tuner", "begun"), [("Raising", True), ("Broken", False)])
def test_a_fault_of_ones_own_is_followed_by_how_to_continue(tuner, begun, tmp_path, capsys) -> None:
    out = tmp_path / "study"
    assert arlbench("tune", *SHORT, "--tuner", f"own_tuner:{tuner}", "--out", out) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert (f"continue the study with: arlbench tune --resume {out}" in said) is begun


def test_a_person_sees_where_it_stands(tmp_path, capsys) -> None:
    words = ["--tuner", "random", "--n-trials", "2", "--out", tmp_path / "study"]
    assert arlbench("tune", *SHORT, *words) == 0
    # The results alone are in the standard output.
    shown, messages = capsys.readouterr()
    assert "random tunes DQN on CartPole-v1" in messages
    assert "saved in" not in messages
    assert shown.startswith("best trials")
    assert "saved in" in shown


def test_the_best_is_trained_again_on_fresh_seeds(finished, capsys) -> None:
    assert arlbench("tune", "--replay", finished, "--seeds", "2", "--seed", "300", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["status"] == "finished"
    assert set(printed["final_returns"]) == {"300", "301"}
    assert (printed["objective"], printed["minimise"]) == ("final", False)
    assert printed["objective_value"] == pytest.approx(
        np.mean([*printed["final_returns"].values()])
    )
    assert load(finished).replays[-1].seeds == (300, 301)
    assert arlbench("tune", "--replay", finished, "--seeds", "2", "--seed", "300") == 0
    shown = capsys.readouterr().out
    assert "trained again: final return" in shown
    # The seeds of tuning would say nothing new.
    for seed in ("0", "1"):
        assert arlbench("tune", "--replay", finished, "--seed", seed, "--quiet") == 2
        assert "not tuned with" in capsys.readouterr().err


def test_a_replay_uses_seeds_that_the_study_has_not_used(finished, capsys) -> None:
    assert [*load(finished).budget.test_seeds] == [100]
    assert arlbench("tune", "--replay", finished, "--seeds", "1", "--json") == 0
    assert set(json.loads(capsys.readouterr().out)["final_returns"]) == {"101"}


def test_limits_are_kept_with_the_study(tmp_path, capfd, monkeypatch) -> None:
    """Without them, commands that the study itself prints would be refused."""
    limits = ["--memory-limit", "9", "--state-limit", "100"]
    folder = tmp_path / "study"
    words = [*SHORT, "--tuner", "random", "--n-trials", "1", *limits, "--out", folder]
    assert arlbench("tune", *words) == 0
    assert "--memory-limit 9.0" in capfd.readouterr().out
    budget = load(folder).budget
    assert (budget.memory_limit_gib, budget.state_limit_gib) == (9, 100)
    given: list[dict[str, Any]] = []
    with monkeypatch.context() as patched:
        patched.setattr(tune_running, "_run_one", lambda _, arguments: given.append(arguments))
        assert arlbench("tune", "--resume", folder) == 0
        assert arlbench("tune", "--resume", folder, "--memory-limit", "4") == 0
    assert [each["memory_limit_gib"] for each in given] == [9, 4]
    assert [each["state_limit_gib"] for each in given] == [100, 100]
    assert prepare_replay(folder, (300,)).memory_limit_gib == 9
    # Studies that were begun earlier have not recorded their limits.
    content = json.loads((folder / "study.json").read_text())
    del content["budget"]["memory_limit_gib"], content["budget"]["state_limit_gib"]
    (folder / "study.json").write_text(json.dumps(content))
    assert arguments_of(folder)["memory_limit_gib"] == 4
    assert arguments_of(folder)["state_limit_gib"] == 20


def train_best(study: LoadedStudy, out: Path) -> None:
    """Trains the best trial of a study by its command, and compares its returns."""
    command = train_command.of_best(study)
    assert command is not None
    _, *words = shlex.split(command)
    assert arlbench(*words, "--out", out, "--quiet") == 0
    returns = json.loads((out / "summary.json").read_text())["final_return_by_seed"]
    assert list(returns.values()) == study.incumbents[-1].returns[:, -1].tolist()


def test_the_command_for_the_best_gives_the_same_returns(finished, tmp_path) -> None:
    train_best(load(finished), tmp_path / "run")


def test_the_command_says_if_it_trains_longer_than_the_trial() -> None:
    whole, short = Trial({}, 900, number=1), Trial({}, 300, number=4)
    assert heading_of_command(whole, 900) == "to train trial 1 again and keep its agents:"
    said = heading_of_command(short, 900)
    assert said == "to train trial 4 again, up to step 900, and keep its agents:"


@pytest.mark.thorough
def test_the_command_has_the_extensions_of_the_study(tmp_path) -> None:
    words = ["n_step=1,3", "exploration=epsilon_greedy,ez_greedy", "--n-trials", "1"]
    assert arlbench("tune", *SHORT, *words, "--out", tmp_path / "study", "--quiet") == 0
    train_best(load(tmp_path / "study"), tmp_path / "run")
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert settings["options"] == {"extensions": ["n_step=3", "exploration"]}
