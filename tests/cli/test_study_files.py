"""Study files and presets: what they say, what the command line says, and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from arlbench.cli.study_files import options_of_file, options_of_preset
from arlbench.core.algorithms.dqn import DQN
from arlbench.errors import ConfigurationError
from arlbench.experiments.published_studies import PUBLISHED, published_study
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
  buffer_batch_size: [4, 8]
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
    assert set(space.names) == {"learning_rate", "buffer_epsilon", "buffer_batch_size"}
    assert space.varied["buffer_epsilon"] == (1e-7, 1e-3, True)
    assert space.varied["buffer_batch_size"].values == (4, 8)
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
    "not YAML": ("{trials: 4}", "{trials: 4", "is not YAML"),
    "unknown tuner": ("successive_halving", "halving", "Unknown tuner 'halving'"),
    "unknown hyperparameter": ("learning_rate:", "learning_rte:", "Did you mean 'learning_rate'"),
    "log from nothing": (
        "buffer_prio_sampling: true",
        "buffer_prio_sampling: true\n  buffer_alpha: {low: 0, high: 1, log: true}",
        "begin above 0",
    ),
    "unknown scale": ("1e-4..1e-2", "1e-4..1e-2:lag", "has no scale 'lag'"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_file_is_one_sentence(mistake, study_file, capsys) -> None:
    old, new, said = MISTAKES[mistake]
    assert old in STUDY
    study_file.write_text(STUDY.replace(old, new))
    assert arlbench("tune", study_file, "--quiet") == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


def test_a_file_that_is_absent_is_named(capsys) -> None:
    assert arlbench("tune", "nowhere.yaml", "--quiet") == 2
    assert "nowhere.yaml cannot be read (No such file or directory)" in capsys.readouterr().err
    assert arlbench("tune", "nowhere.yaml", "--preset", "cartpole", "--quiet") == 2
    assert "one study file or one preset" in capsys.readouterr().err


def test_thirteen_published_studies() -> None:
    assert len(PUBLISHED) == 13
    for name, study in PUBLISHED.items():
        assert set(study.words) <= {*DQN.hyperparameters(), *DQN.architecture_choices()}
        if study.lacking:
            with pytest.raises(ConfigurationError, match=f"{name} does not run yet"):
                published_study(name)
        else:
            assert options_of_preset(name)["environment"] == study.environment
    with pytest.raises(ConfigurationError, match="Did you mean 'cartpole'"):
        published_study("cartpol")


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
