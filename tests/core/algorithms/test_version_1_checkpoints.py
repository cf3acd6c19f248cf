"""Checkpoints that version 1 wrote are read, and their trainings continue as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench import DQN, EnvSpec
from arlbench.autorl import Checkpointer
from arlbench.core.checkpoints.manifest import Manifest
from arlbench.core.environments import make_env_from_spec
from arlbench.errors import CheckpointError
from version_1 import FOLDER, copy_of, expected, require_parameters, require_returns

NAME = "checkpoint_all"


@pytest.fixture(scope="module")
def made_with() -> dict[str, Any]:
    return expected(NAME)


def learner(made_with: dict[str, Any], **changes: Any) -> DQN:
    env = make_env_from_spec(EnvSpec(**made_with["env_spec"]))
    return DQN(made_with["config"], env, nas_config={**made_with["nas_config"], **changes})


def rewrite(path: Path, change: Any) -> None:
    """Changes the description in a manifest, and updates the checksum."""
    file = path / "manifest.json"
    manifest = Manifest.from_json(file.read_text(), file)
    info = json.loads(json.dumps(manifest.info))
    change(info)
    file.write_text(Manifest(manifest.files, info, manifest.versions).to_json())


def checkpoint_in(folder: Path) -> Path:
    return copy_of(NAME, folder) / "checkpoint-000001"


@pytest.mark.thorough
def test_a_training_continues_as_it_did(made_with: dict[str, Any]) -> None:
    dqn = learner(made_with)
    loaded = Checkpointer.load(FOLDER / NAME, dqn)
    assert loaded.info == {"note": "halfway"}
    assert loaded.notes == ()
    np.testing.assert_array_equal(loaded.extra["curve"], loaded.parts["eval_rewards"])
    state, result = dqn.train(*loaded.state, **made_with["train"])
    require_returns(result.eval_rewards, made_with["returns"])
    require_parameters(state.runner_state.train_state.params, made_with["sha256_of_params"])


def test_it_is_saved_again_in_the_format_of_today(
    made_with: dict[str, Any], tmp_path: Path
) -> None:
    dqn = learner(made_with)
    first = Checkpointer.load(FOLDER / NAME, dqn)
    path = Checkpointer(tmp_path).save(dqn, first.state)
    saved = json.loads((path / "manifest.json").read_text())["content"]["info"]
    assert saved["format_version"] == 2
    old = json.loads((first.path / "manifest.json").read_text())["content"]["info"]
    assert "format_version" not in old
    assert saved["hpo_config"] == {**dqn.hpo_config, **old["hpo_config"]}
    with np.load(path / "params.npz") as new, np.load(first.path / "params.npz") as before:
        assert new.files == before.files
        for name in new.files:
            np.testing.assert_array_equal(new[name], before[name])


def test_what_did_not_exist_yet_stands_for_its_default(
    made_with: dict[str, Any], tmp_path: Path
) -> None:
    path = checkpoint_in(tmp_path)

    def forget(info: dict[str, Any]) -> None:
        del info["hpo_config"]["buffer_beta"], info["nas_config"]["activation"]

    rewrite(path, forget)
    Checkpointer.load(path, learner(made_with))
    with pytest.raises(CheckpointError, match="activation is 'tanh' there and 'relu' here"):
        Checkpointer.load(path, learner(made_with, activation="relu"))


@pytest.mark.parametrize("kind", ["hpo_config", "nas_config"])
def test_what_does_not_exist_yet_is_refused(
    kind: str, made_with: dict[str, Any], tmp_path: Path
) -> None:
    path = checkpoint_in(tmp_path)
    rewrite(path, lambda info: info[kind].update(momentum=0.9))
    with pytest.raises(CheckpointError, match=r"newer version of arlbench.* knows momentum"):
        Checkpointer.load(path, learner(made_with))


def test_a_newer_format_is_refused(made_with: dict[str, Any], tmp_path: Path) -> None:
    path = checkpoint_in(tmp_path)
    rewrite(path, lambda info: info.update(format_version=3))
    with pytest.raises(CheckpointError, match=r"newer version.*format 3, but.* reads only up to 2"):
        Checkpointer.load(path, learner(made_with))
