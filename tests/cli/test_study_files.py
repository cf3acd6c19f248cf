"""Study files and presets: what they say, what the command line says, and mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from arlbench.cli.study_files import (
    SECTIONS,
    options_of_file,
    options_of_preset,
    options_of_protocol,
    schema,
)
from arlbench.core.algorithms.dqn import DQN
from arlbench.errors import ConfigurationError
from arlbench.experiments.published_studies import PROTOCOLS, PUBLISHED, published_study
from arlbench.tuning import Space, load
from in_process import arlbench

STUDY = """
problem:
  environment: CartPole-v1
  n_envs: 4
  timesteps: 9e2
  evaluations: 3
  eval_episodes: 2
  wrappers: [end_at_time_limit]
  fixed: {buffer_size: 1024, learning_starts: 64, hidden_size: 8}
space:
  learning_rate: 1e-4..1e-2
  buffer_epsilon: {low: 1e-7, high: 1e-3, log: true}
  buffer_alpha: [0.4, 0.6]
  buffer_prio_sampling: true
tuner: {name: successive_halving, seed: 3, settings: {eta: 2}}
budget: {trials: 4}
seeds: {first: 5, tuning: 2, test: 0}
objective: {name: best}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return path


@pytest.mark.thorough
def test_a_study_from_a_file(tmp_path, study_file) -> None:
    out = tmp_path / "study"
    assert arlbench("tune", study_file, "--out", out, "--quiet") == 0
    study = load(out)
    settings, problem = study.settings, study.settings.problem
    assert (settings.tuner, settings.tuner_seed) == ("successive_halving", 3)
    assert settings.tuner_settings == {"eta": 2}
    assert (settings.seeds, settings.objective, study.budget.trials) == ((5, 6), "best", 4)
    assert (problem.n_total_timesteps, problem.n_eval_steps) == (900, 3)
    assert [wrapper[0] for wrapper in problem.env_spec.wrappers] == ["end_at_time_limit"]
    space = Space(problem, settings.words)
    assert set(space.names) == {"learning_rate", "buffer_epsilon", "buffer_alpha"}
    assert space.varied["buffer_epsilon"] == (1e-7, 1e-3, True)
    assert space.varied["buffer_alpha"].values == (0.4, 0.6)
    assert space.fixed["hidden_size"] == 8


def test_the_command_line_goes_before_the_file(tmp_path, study_file) -> None:
    out = tmp_path / "study"
    words = ["--tuner", "random", "--n-trials", "2", "--seeds", "1", "learning_rate=1e-3"]
    # A setting of another tuner has no place.
    study_file.write_text(STUDY.replace(", settings: {eta: 2}", ""))
    assert arlbench("tune", study_file, *words, "--out", out, "--quiet") == 0
    study = load(out)
    assert (study.settings.tuner, study.settings.seeds, len(study.results)) == ("random", (5,), 2)
    assert "learning_rate" not in Space(study.settings.problem, study.settings.words).names


MISTAKES = {
    "unknown section": ("tuner:", "tunner:", "section 'tunner'. Did you mean 'tuner'"),
    "unknown key": (
        "n_envs:", "n_env:", "key of the section problem 'n_env'. Did you mean 'n_envs'"
    ),
    "word for a number": (
        "timesteps: 9e2", "timesteps: long", "problem.timesteps must be a number"
    ),
    "number for a word": ("{name: best}", "{name: 3}", "objective.name must be a word"),
    "no mapping": ("{trials: 4}", "4", "the section budget must be a mapping"),
    "no list": ("[end_at_time_limit]", "{a: 1}", "problem.wrappers must be a list"),
    "half a range": ("{low: 1e-7, high: 1e-3, log: true}", "{low: 1e-7}", "needs low and high"),
    "unknown key of a range": ("log: true", "lg: true", "key of buffer_epsilon 'lg'"),
    "not YAML": ("{trials: 4}", "{trials: 4", "is not valid YAML"),
    "unknown tuner": ("successive_halving", "halving", "Unknown tuner 'halving'"),
    "unknown hyperparameter": ("learning_rate:", "learning_rte:", "Did you mean 'learning_rate'"),
    "log from nothing": (
        "buffer_prio_sampling: true",
        "buffer_prio_sampling: true\n  buffer_alpha: {low: 0, high: 1, log: true}",
        "begin above 0",
    ),
    "unknown scale": ("1e-4..1e-2", "1e-4..1e-2:lag", "is not a scale"),
    "unknown environment": ("CartPole-v1", "CartPol-v1", "Did you mean 'CartPole-v1'"),
    "unknown wrapper": ("end_at_time_limit", "end_at_time_limt", "Unknown wrapper"),
    "unknown setting": ("{eta: 2}", "{etta: 2}", "Did you mean 'eta'"),
    "unknown objective": ("{name: best}", "{name: bst}", "Unknown objective 'bst'"),
    "no trials": ("{trials: 4}", "{trials: 0}", "budget.trials must be a positive whole number"),
    "no copies": ("n_envs: 4", "n_envs: 0", "problem.n_envs must be a whole number"),
    "no table": ("seed: 3,", "seed: 3, start_from: none.csv,", "none.csv cannot be read"),
    "test seeds below zero": ("test: 0", "test: -1", "--test-seeds must be a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_file_is_one_sentence(mistake, study_file, capsys) -> None:
    old, new, said = MISTAKES[mistake]
    assert old in STUDY
    study_file.write_text(STUDY.replace(old, new))
    assert arlbench("tune", study_file, "--quiet") == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.startswith(f"error: {study_file}")
    assert message.count(str(study_file)) == 1
    assert message.count("\n") == 1


def test_a_mistake_of_another_option_is_not_the_files(study_file, capsys) -> None:
    study_file.write_text(STUDY.replace("successive_halving", "halving"))
    for words, said in {
        ("--tuner", "halving"): f"error: {study_file}: Unknown tuner 'halving'",
        ("--tuner", "randm"): "error: Unknown tuner 'randm'",
        ("--tuner", "random", "--set", "eta=2", "--objective", "bst"): "error: Unknown objective",
        ("learning_rte=1..2", "--tuner", "random"): "error: Unknown hyperparameter",
    }.items():
        assert arlbench("tune", study_file, *words, "--quiet") == 2
        assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    "variable", ["ARLBENCH_PRECISION", "ARLBENCH_BREAK_EVEN", "ARLBENCH_CORES"]
)
def test_a_wrong_environment_variable_is_not_the_files_fault(
    variable, study_file, capsys, monkeypatch
) -> None:
    monkeypatch.setenv(variable, "x")
    study_file.write_text(STUDY)
    assert arlbench("tune", study_file, "--quiet") == 2
    assert capsys.readouterr().err.startswith(f"error: {variable} ")


@pytest.mark.parametrize("name", ["study.json", "study.TOML"])
def test_a_study_file_in_another_format_is_refused(name, capsys) -> None:
    assert arlbench("tune", name, "--quiet") == 2
    assert f"{name} is not a study file, because these are in YAML" in capsys.readouterr().err


def test_a_file_that_is_absent_is_named(capsys) -> None:
    assert arlbench("tune", "nowhere.yaml", "--quiet") == 2
    assert "nowhere.yaml cannot be read (No such file or directory)" in capsys.readouterr().err
    assert arlbench("tune", "nowhere.yaml", "--preset", "cartpole", "--quiet") == 2
    assert "one study file or one preset" in capsys.readouterr().err


def test_thirteen_published_studies() -> None:
    assert len(PUBLISHED) == 13
    for name, study in PUBLISHED.items():
        assert set(study.words) <= {*DQN.hyperparameters(), *DQN.architecture_choices()}
        options = options_of_preset(name)
        assert options["environment"] == study.environment
        assert options["cnn_policy"] == (study.framework == "ale")
    with pytest.raises(ConfigurationError, match="Did you mean 'cartpole'"):
        published_study("cartpol")


@pytest.mark.thorough
def test_the_published_space_of_cartpole(tmp_path) -> None:
    out = tmp_path / "study"
    short = ["--timesteps", "900", "--evaluations", "3", "--eval-episodes", "2", "--seeds", "1"]
    few = ["buffer_size=1024", "learning_starts=64", "hidden_size=8", "gradient_steps=1"]
    words = ["--preset", "cartpole", "--n-trials", "1", "--test-seeds", "0", *short, *few]
    assert arlbench("tune", *words, "--out", out, "--quiet") == 0
    settings = load(out).settings
    assert settings.problem.env_spec.n_envs == 8
    space = Space(settings.problem, settings.words)
    assert space.varied["buffer_epsilon"] == (1e-7, 1e-3, True)
    assert space.varied["learning_rate"] == (1e-6, 0.1, True)
    assert space.varied["buffer_batch_size"].values == (64, 128, 256)
    assert space.fixed["train_freq"] == 32
    assert set(space.conditions) == {
        "buffer_alpha", "buffer_beta", "buffer_epsilon", "target_update_interval",
    }  # fmt: skip


def test_a_population_searches_fewer(study_file) -> None:
    evolving = options_of_preset("cartpole", evolving=True)["words"]
    assert set(options_of_preset("cartpole")["words"]) - set(evolving) == {
        "buffer_size", "use_target_network",
    }  # fmt: skip
    assert options_of_file(study_file)["n_trials"] == 4


@pytest.fixture
def begun(monkeypatch):
    """The arguments of the study that a command would run."""
    from arlbench.cli import tune

    found: list[tuple] = []
    monkeypatch.setattr(tune, "run", lambda job, arguments: found.append((job, arguments)))

    def arguments_of(*words: object) -> dict:
        assert arlbench("tune", *words) == 0
        job, arguments = found.pop()
        return {**arguments, "n_test_seeds": job.n_test_seeds}

    return arguments_of


def test_one_command_is_one_cell_of_the_published_table(begun) -> None:
    random = begun("--preset", "cartpole", "--protocol", "random")
    assert (random["tuner"], random["n_trials"], random["n_timesteps"]) == ("random", 32, None)
    assert (random["seeds"], random["n_test_seeds"]) == ((0, 1, 2), 3)
    assert random["problem"].n_eval_episodes == 128
    assert "buffer_size" in Space(random["problem"], random["words"]).names
    smac = begun("--preset", "acrobot", "--protocol", "smac", "--repeat", "5")
    assert (smac["tuner"], smac["n_trials"], smac["repeats"]) == ("smac", 32, 5)
    assert smac["problem"].env_spec.name == "Acrobot-v1"
    pbt = begun("--preset", "cartpole", "--protocol", "pbt")
    assert (pbt["tuner"], pbt["n_trials"]) == ("pbt", None)
    assert pbt["tuner_settings"] == {"n_members": 32, "n_steps": 10}
    # It is a population that evolves, so fewer are searched.
    assert "buffer_size" not in Space(pbt["problem"], pbt["words"]).names


def test_whole_numbers_may_have_a_decimal_point(begun, tmp_path) -> None:
    path = tmp_path / "study.yaml"
    seeds = "seeds: {first: 1.0e2, tuning: 3.0, test: 2.0}"
    path.write_text(re.sub("seeds:.*", seeds, STUDY))
    study = begun(path)
    assert study["seeds"] == (100, 101, 102)
    assert (study["n_test_seeds"], type(study["n_test_seeds"])) == (2, int)


@pytest.mark.parametrize("key", ["first", "tuning", "test"])
@pytest.mark.parametrize("value", ["1.5", "-1", ".inf", ".nan"])
def test_impossible_seeds_are_a_sentence(key, value, tmp_path, capsys) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(re.sub("seeds:.*", f"seeds: {{{key}: {value}}}", STUDY))
    assert arlbench("tune", path, "--out", tmp_path / "study") == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert "eeds" in printed
    assert printed.count("\n") == 1


def test_the_budget_of_a_protocol_in_whole_trainings() -> None:
    options = options_of_protocol("smac_hyperband", timesteps=50_000)
    assert (options["tuner"], options["n_trials"]) == ("smac_hyperband", None)
    # Sixteen trainings with three seeds each.
    assert options["max_steps"] == 16 * 3 * 50_000
    assert set(PROTOCOLS) == {"random", "smac", "smac_hyperband", "pbt"}


def test_the_command_line_goes_before_the_protocol(begun) -> None:
    words = ["--set", "n_members=8", "--set", "quantile=0.5", "--seeds", "1", "--n-trials", "16"]
    pbt = begun("--preset", "cartpole", "--protocol", "pbt", *words)
    assert pbt["tuner_settings"] == {"n_steps": 10, "n_members": 8, "quantile": 0.5}
    assert (pbt["seeds"], pbt["n_trials"]) == ((0,), 16)


def test_a_file_without_an_environment_is_refused(study_file, capsys) -> None:
    study_file.write_text(STUDY.replace("  environment: CartPole-v1\n", ""))
    assert arlbench("tune", study_file) == 2
    assert "or a study file whose problem has an environment" in capsys.readouterr().err


PROTOCOL_MISTAKES = {
    "unknown": (["--protocol", "randm"], "Did you mean 'random'"),
    "another tuner": (
        ["--protocol", "pbt", "--tuner", "pb2"], "uses the tuner pbt; leave --tuner out"
    ),
    "a study file": (["study.yaml", "--protocol", "pbt"], "leave --protocol out"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", PROTOCOL_MISTAKES)
def test_a_mistake_about_protocols_is_one_sentence(mistake, capsys) -> None:
    words, said = PROTOCOL_MISTAKES[mistake]
    assert arlbench("tune", *words, "--quiet") == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


def validator():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def is_read(path: Path, text: str) -> bool:
    """Whether the reader of study files takes a text."""
    path.write_text(text)
    try:
        options_of_file(path)
    except ConfigurationError:
        return False
    return True


def test_the_command_prints_the_schema(capsys) -> None:
    assert arlbench("tune", "--schema") == 0
    assert json.loads(capsys.readouterr().out) == schema()


def test_every_documented_study_is_valid(tmp_path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tuning.md").read_text()
    documented = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert documented
    for text in (STUDY, *documented):
        validator().validate(yaml.safe_load(text))
        assert is_read(tmp_path / "study.yaml", text)


# What the values of a key may be, and what they may not.
GOOD = {
    "word": "a", "number": 3, "flag": True, "words": ["a"], "mapping": {"a": 1}, "values": {"a": 1},
}  # fmt: skip
BAD = {
    "word": 3, "number": "many", "flag": 1, "words": "a", "mapping": 3, "values": {"a": [1]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("section", "key"), [(section, key) for section, keys in SECTIONS.items() for key in keys]
)
def test_schema_and_reader_agree_about_every_key(section, key, tmp_path) -> None:
    kind = SECTIONS[section][key].kind
    for value, valid in ((GOOD[kind], True), (BAD[kind], False), (None, False)):
        content = {section: {key: value}}
        assert validator().is_valid(content) == valid
        assert is_read(tmp_path / "study.yaml", yaml.safe_dump(content)) == valid
    unknown = {section: {f"{key}_": GOOD[kind]}}
    assert not validator().is_valid(unknown)
    assert not is_read(tmp_path / "study.yaml", yaml.safe_dump(unknown))


WORTH_A_LOOK = {
    "a range": ("1e-4..1e-2", True),
    "a number": (0.5, True),
    "a flag": (True, True),
    "choices": ([64, 128], True),
    "ends": ({"low": 1, "high": 2}, True),
    "a scale": ({"low": "1e-7", "high": 1, "log": False}, True),
    "half a range": ({"low": 1}, False),
    "an unknown end": ({"low": 1, "hihg": 2}, False),
    "nothing": (None, False),
    "choices of choices": ([[1]], False),
    "a scale that is a word": ({"low": 1, "high": 2, "log": "yes"}, False),
    "an end that is a word": ({"low": "few", "high": 2}, False),
}


@pytest.mark.parametrize("case", WORTH_A_LOOK)
def test_schema_and_reader_agree_about_the_space(case, tmp_path) -> None:
    value, valid = WORTH_A_LOOK[case]
    content = {"space": {"learning_rate": value}}
    assert validator().is_valid(content) == valid
    assert is_read(tmp_path / "study.yaml", yaml.safe_dump(content)) == valid


@pytest.mark.parametrize("text", ["3", "[]", "tunner: {}", "space: 3", "tuner:"])
def test_schema_and_reader_agree_about_what_is_no_study(text, tmp_path) -> None:
    assert not validator().is_valid(yaml.safe_load(text))
    assert not is_read(tmp_path / "study.yaml", text)
