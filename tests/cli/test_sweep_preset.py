"""``arlbench sweep --preset``: the published space and settings, and tables of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from arlbench.experiments.experiment import Experiment
from arlbench.experiments.folder import read_experiment
from arlbench.experiments.published_studies import PUBLISHED
from arlbench.tuning import Space
from in_process import arlbench

# Sixteen rows of the published table, in its own format.
TABLE = Path(__file__).parents[1] / "learning" / "cartpole_landscape_sample.csv"


@pytest.fixture
def swept(tmp_path, monkeypatch):
    """The experiment of a command, which is not trained."""
    from arlbench.cli import sweep

    monkeypatch.setattr(sweep, "run", lambda job: None)

    def design(*words: object) -> Experiment:
        out = tmp_path / f"sweep-{len(list(tmp_path.iterdir()))}"
        assert arlbench("sweep", *words, "--out", out, "--quiet") == 0
        return read_experiment(out)

    return design


@pytest.mark.parametrize("preset", ["cartpole", "acrobot"])
def test_configurations_lie_in_the_published_space(swept, preset) -> None:
    experiment = swept("--preset", preset, "--sampler", "sobol", "--n-configs", "16")
    published, problem = PUBLISHED[preset], experiment.problem
    assert (problem.env_spec.name, problem.env_spec.n_envs) == (
        published.environment, published.n_envs,
    )  # fmt: skip
    assert (problem.n_total_timesteps, problem.n_eval_episodes) == (published.timesteps, 128)
    assert [name for name, _ in problem.env_spec.wrappers] == ["end_at_time_limit"]
    space = Space(problem, dict(published.words))
    assert len(experiment.configs) == 16
    for config in experiment.configs:
        assert space.require(config) == space.complete(config)
    assert len({config["learning_rate"] for config in experiment.configs}) == 16


def test_the_sweep_and_the_study_of_a_preset_try_the_same(swept, tmp_path) -> None:
    from arlbench.tuning.tuner import make_tuner
    from arlbench.tuning.tuners import tuner_class

    experiment = swept("--preset", "cartpole", "--sampler", "sobol", "--n-configs", "8")
    words = dict(PUBLISHED["cartpole"].words)
    space = Space(experiment.problem, words)
    tried = [dict(trial.config) for trial in make_tuner(tuner_class("sobol"), space, 0).ask(8)]
    # A study has defaults where a value has no effect.
    assert tried == [space.complete(config) for config in experiment.configs]


def test_the_command_line_goes_before_the_preset(swept) -> None:
    words = ["--timesteps", "5e4", "--eval-episodes", "8", "learning_rate=1e-3", "gamma=0.9..0.99"]
    experiment = swept("--preset", "acrobot", *words, "--n-configs", "4")
    assert (experiment.problem.n_total_timesteps, experiment.problem.n_eval_episodes) == (50_000, 8)
    assert {config["learning_rate"] for config in experiment.configs} == {1e-3}
    assert len({config["gamma"] for config in experiment.configs}) == 4


def test_a_published_table_is_trained_with_the_published_settings(swept) -> None:
    experiment = swept("--preset", "cartpole", "--sampler", "file", "--file", TABLE)
    lines = TABLE.read_text().splitlines()
    assert len(experiment.configs) == len(lines) - 1
    cells = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    first = experiment.configs[0]
    assert first["learning_rate"] == float(cells["learning_rate"])
    # The table does not say how often the published runs trained.
    assert (first["train_freq"], first["gradient_steps"]) == (32, 128)


def test_the_preset_sets_the_memory_limit(tmp_path, monkeypatch) -> None:
    from arlbench.cli import sweep

    limits = []
    monkeypatch.setattr(sweep, "run", lambda job: limits.append(job.memory_limit))
    large = PUBLISHED["cartpole"]._replace(memory_limit=9.0)
    monkeypatch.setitem(PUBLISHED, "cartpole", large)
    words = ["sweep", "--preset", "cartpole", "--n-configs", "1"]
    assert arlbench(*words, "--out", tmp_path / "a") == 0
    assert arlbench(*words, "--memory-limit", "5", "--out", tmp_path / "b") == 0
    assert limits == [9, 5]


MISTAKES = {
    "unknown": (["--preset", "acrobat"], "Did you mean 'acrobot'"),
    "grid of ranges": (
        ["--preset", "acrobot", "--sampler", "grid"],
        "has infinitely many; list some",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(mistake, capsys, tmp_path) -> None:
    words, said = MISTAKES[mistake]
    assert arlbench("sweep", *words, "--out", tmp_path / "sweep", "--quiet") == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
