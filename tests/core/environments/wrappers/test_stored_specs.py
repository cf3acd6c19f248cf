"""Specs in files: those from before wrappers existed stay readable, those with wrappers too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arlbench.autorl import Checkpointer
from arlbench.core.checkpoints import read_manifest
from arlbench.core.environments import EnvSpec, evaluation_spec, make_env_from_spec
from arlbench.core.problem import Problem
from arlbench.experiments.run_settings import RunSettings, resolve
from probe_framework import walk
from probes import small_dqn, small_state

PLAIN = EnvSpec("gymnax", "CartPole-v1", 4)
WRAPPED = PLAIN.wrapped("time_limit", {"max_episode_steps": 9}).wrapped("clip_reward", {})

#: The contents of files before wrappers existed.
FIELDS = {"framework", "name", "n_envs", "env_kwargs", "cnn_policy", "seed"}


def test_a_problem_without_wrappers_is_written_as_before() -> None:
    content = Problem(PLAIN, PLAIN).to_mapping()
    assert content["env_spec"].keys() == content["eval_env_spec"].keys() == FIELDS
    assert Problem(PLAIN).to_mapping()["eval_env_spec"] is None


@pytest.mark.parametrize("spec", [PLAIN, WRAPPED], ids=["plain", "wrapped"])
def test_a_problem_comes_back(spec: EnvSpec) -> None:
    written = Problem(spec, evaluation_spec(spec))
    again = Problem.from_mapping(json.loads(json.dumps(written.to_mapping())))
    assert again == written
    assert again.fingerprint == written.fingerprint
    assert again.env_spec == spec


def test_wrappers_set_problems_apart() -> None:
    assert Problem(PLAIN).fingerprint != Problem(WRAPPED).fingerprint


@pytest.mark.parametrize("spec", [PLAIN, WRAPPED], ids=["plain", "wrapped"])
def test_the_settings_of_a_run_come_back(spec: EnvSpec) -> None:
    settings = resolve(spec, {})
    content = json.loads(settings.to_json())
    assert content["env_spec"].keys() == FIELDS | ({"wrappers"} if spec.wrappers else set())
    assert RunSettings.from_mapping(content) == settings


def test_a_run_is_evaluated_without_what_is_for_training_only() -> None:
    algorithm = resolve(WRAPPED, {}).make_algorithm()
    eval_spec = algorithm.eval_env.spec
    assert eval_spec is not None
    assert [name for name, _ in eval_spec.wrappers] == ["time_limit"]
    plain = resolve(PLAIN, {}).make_algorithm()
    assert plain.env == plain.eval_env


def test_a_checkpoint_without_wrappers_is_written_as_before(tmp_path: Any) -> None:
    dqn = small_dqn(make_env_from_spec(walk()))
    path = Checkpointer(tmp_path, "params").save(dqn, small_state(dqn))
    assert read_manifest(path).info["env_spec"].keys() == FIELDS
