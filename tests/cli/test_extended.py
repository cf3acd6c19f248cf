"""The extended space and named agents on the command line."""

from __future__ import annotations

import json

import pytest

from arlbench.tuning import load
from arlbench.tuning.space import Space
from in_process import arlbench

SHORT = [
    "CartPole-v1", "--n-envs", "4", "--evaluations", "1", "--eval-episodes", "2", "--seeds", "1",
    "--defaults", "buffer_batch_size=8", "learning_starts=64", "buffer_size=1024",
    "hidden_size=8", "--timesteps", "400", "--quiet",
]  # fmt: skip

MISTAKES = {
    "agent": (["--agent", "rainbo"], "Unknown agent 'rainbo'. Did you mean 'rainbow'?"),
    "loss": (["loss=hubert"], "Did you mean 'huber'?"),
    "norm": (["max_grad_norm=-1"], "max_grad_norm must be at least 0, not -1"),
    "steps": (["n_step=0"], "n_step must be between 1 and 100, not 0"),
    "range": (["distribution=categorical", "v_min=10", "v_max=10"], "would have no range"),
}


def test_a_named_agent_is_recorded_with_its_extensions(tmp_path) -> None:
    words = ["huber_delta=2", "--agent", "stable", "--out", tmp_path / "run"]
    assert arlbench("train", *SHORT, *words) == 0
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert settings["options"]["extensions"] == ["loss", "max_grad_norm"]
    found = settings["hpo_config"]
    assert (found["loss"], found["max_grad_norm"], found["huber_delta"]) == ("huber", 10.0, 2.0)


@pytest.mark.thorough
def test_a_study_of_the_extended_space_records_its_extensions_and_continues(tmp_path) -> None:
    out = tmp_path / "study"
    words = ["--extended", "--only-named", "n_step=1..3", "--test-seeds", "0", "--out", out]
    assert arlbench("tune", *SHORT, *words, "--n-trials", "2") == 0
    assert arlbench("tune", "--resume", out, "--more", "1", "--quiet") == 0
    study = load(out)
    assert len(study.results) == 3
    extensions = study.settings.problem.options["extensions"]
    assert {"double_q", "n_step=3", "munchausen_alpha"} <= set(extensions)
    # It has no effect, because sampling is not prioritised.
    assert "buffer_beta_anneal" not in Space(study.settings.problem, study.settings.words).names


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(name: str, capfd) -> None:
    words, sentence = MISTAKES[name]
    assert arlbench("train", *SHORT, *words) == 2
    error = capfd.readouterr().err.strip()
    assert sentence in error
    assert len(error.splitlines()) == 1
