"""Samplers: the behaviour of all of them, and adding one by a file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arlbench import DQN
from arlbench.errors import ConfigurationError
from arlbench.experiments import samplers
from arlbench.experiments.folder import read_experiment, read_rows
from arlbench.experiments.sampler import Sampler
from arlbench.experiments.samplers import DEFAULT_SAMPLER, sampler_class, sampler_names
from in_process import arlbench
from proposing import make_sampler, propose

TESTS = Path(__file__).parents[1]
RECORDED = json.loads((TESTS / "fixtures" / "version_1" / "proposals.json").read_text())
FILES = {"file": TESTS / "learning" / "cartpole_landscape_sample.csv"}


def test_every_file_is_a_sampler() -> None:
    assert {"file", "grid", "random", "sobol"} <= set(sampler_names())
    assert DEFAULT_SAMPLER in sampler_names()
    for name in sampler_names():
        kind = sampler_class(name)
        assert issubclass(kind, Sampler)
        assert kind.__module__ == f"arlbench.experiments.samplers.{name}"


def test_an_unknown_sampler_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"sampler 'sobl'\. Did you mean 'sobol'"):
        sampler_class("sobl")


EXTENDED = {**DQN.hyperparameters(), **DQN.architecture_choices()}


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: f"{case['sampler']}-{case['seed']}")
def test_the_configurations_are_those_of_earlier_versions(case) -> None:
    name, expected = case["sampler"], case["configs"]
    proposed = propose(name, case["words"], len(expected), case["seed"], FILES.get(name))
    # Hyperparameters that were added later have their defaults.
    defaults = {name: one.default for name, one in EXTENDED.items() if one.extended}
    assert proposed == [{**defaults, **config} for config in expected]


@pytest.mark.parametrize("name", ["file", "grid", "random", "sobol"])
def test_the_beginning_does_not_depend_on_how_many_are_asked_for(name) -> None:
    words = {"file": {}, "grid": {"gamma": "0.8,0.9", "train_freq": "1..2"}}.get(name, {})
    at_once = make_sampler(name, words, file=FILES.get(name)).ask(4)
    in_turn = make_sampler(name, words, file=FILES.get(name))
    first = in_turn.ask(1)
    assert [*first, *in_turn.ask(2), *in_turn.ask(1)] == at_once


@pytest.mark.parametrize("name", ["file", "grid", "random", "sobol"])
@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_the_number_of_configurations_is_a_positive_whole(name, n) -> None:
    words = {"grid": {"gamma": "0.8,0.9"}}.get(name, {})
    with pytest.raises(ConfigurationError, match="n_configs must be a positive whole number"):
        make_sampler(name, words, file=FILES.get(name)).ask(n)


def test_the_former_name_of_samplers_is_kept() -> None:
    from arlbench.experiments.tuners import tuner_class

    assert tuner_class is sampler_class


THROW_AWAY = """
from arlbench.experiments.sampler import Sampler


class Halving(Sampler):

    def first(self, n):
        rates = (2.0**-k for k in range(n))
        words = {name: float(text) for name, text in self.words.items()}
        return [self.problem.resolve({**words, "learning_rate": rate}) for rate in rates]
"""


COMMAND = """
import sys
from arlbench.experiments import samplers

samplers.__path__.append(sys.argv.pop(1))
from arlbench.cli.main import run

run()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An additional folder of samplers, with one file."""
    folder = tmp_path / "samplers"
    folder.mkdir()
    (folder / "halving.py").write_text(THROW_AWAY)
    monkeypatch.setattr(samplers, "__path__", [*samplers.__path__, str(folder)])
    monkeypatch.setenv("COLUMNS", "300")
    yield folder
    sys.modules.pop("arlbench.experiments.samplers.halving", None)


@pytest.mark.thorough
def test_one_file_adds_a_sampler_to_the_command_line(folder, tmp_path, capfd) -> None:
    out = tmp_path / "sweep"
    status = arlbench(
        "sweep", "CartPole-v1", "--sampler", "halving", "--n-configs", "2", "gamma=0.5",
        "--seeds", "1", "--timesteps", "2048", "--evaluations", "2", "--eval-episodes", "2",
        "--out", out, "--quiet",
    )  # fmt: skip
    assert (status, capfd.readouterr().err) == (0, "")
    experiment = read_experiment(out)
    found = [(config["learning_rate"], config["gamma"]) for config in experiment.configs]
    assert found == [(1.0, 0.5), (0.5, 0.5)]
    assert experiment.origin["sampler"] == "halving"
    assert read_rows(out).num_rows == 4


def test_help_and_errors_name_the_sampler_of_one_more_file(folder, capfd) -> None:
    line = [sys.executable, "-c", COMMAND, str(folder), "sweep", "--help"]
    helped = subprocess.run(line, capture_output=True, text=True, check=True)
    assert "file, grid, halving, random, sobol" in helped.stdout
    assert arlbench("sweep", "CartPole-v1", "--sampler", "halvin") == 2
    assert "Unknown sampler 'halvin'. Did you mean 'halving'?" in capfd.readouterr().err
