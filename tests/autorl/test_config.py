"""Settings of an AutoRLEnv: defaults, and values that are refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from arlbench.autorl import AutoRLConfig, AutoRLEnv
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.learning import Structure
from arlbench.errors import ArlbenchError, ConfigurationError
from schedules import TINY

PUBLISHED_DEFAULTS = {
    "seed": 42,
    "env_framework": "gymnax",
    "env_name": "CartPole-v1",
    "env_kwargs": {},
    "eval_env_kwargs": {},
    "n_envs": 10,
    "algorithm": "dqn",
    "cnn_policy": False,
    "deterministic_eval": True,
    "extended": False,
    "nas_config": {},
    "checkpoint": (),
    "checkpoint_name": "default_checkpoint",
    "checkpoint_dir": "/tmp",
    "objectives": ("reward_mean",),
    "optimize_objectives": "upper",
    "state_features": (),
    "n_steps": 10,
    "n_total_timesteps": 100_000,
    "n_eval_steps": 100,
    "n_eval_episodes": 10,
}


def test_the_defaults_are_the_published_ones() -> None:
    settings = dataclasses.asdict(AutoRLConfig.of(None))
    assert settings.pop("schedule_timesteps") is None
    assert settings.pop("wrappers") == ()
    assert settings == PUBLISHED_DEFAULTS


def test_numbers_may_be_written_as_powers_of_ten() -> None:
    settings = AutoRLConfig.of({"n_total_timesteps": 1e4, "seed": 0})
    assert (settings.n_total_timesteps, settings.seed) == (10_000, 0)
    assert isinstance(settings.n_total_timesteps, int)


def test_specs_hold_each_environment_its_own_settings() -> None:
    settings = AutoRLConfig.of({"n_envs": 3, "env_kwargs": {"a": 1}, "eval_env_kwargs": {"b": 2}})
    assert settings.env_spec.env_kwargs == {"a": 1}
    assert settings.eval_env_spec.env_kwargs == {"b": 2}
    assert settings.eval_env_spec.n_envs == 3


def test_evaluations_have_the_settings_of_the_training_unless_others_are_given() -> None:
    given = {"env_kwargs": {"a": 1}}
    assert AutoRLConfig.of(given).eval_env_spec.env_kwargs == {"a": 1}
    assert AutoRLConfig.of({**given, "eval_env_kwargs": {}}).eval_env_spec.env_kwargs == {}


WRONG: dict[str, tuple[Any, str]] = {
    "gradients": ({"grad_obs": True}, r"'grad_obs'.*state_features=\['grad_info'\]"),
    "hyperparameters": ({"hp_config": {}}, r"'hp_config'.*step"),
    "unknown": ({"env_nam": "x"}, "Unknown setting 'env_nam'. Did you mean 'env_name'"),
    "no mapping": ([], "must be a mapping, not a list"),
    "seed": ({"seed": -1}, "from 0 to 2"),
    "seed of a kind": ({"seed": True}, "not True"),
    "steps": ({"n_steps": 0}, "n_steps must be a positive whole number"),
    "whole schedule": ({"n_steps": 2, "n_total_timesteps": 2**30}, "2147483648 environment steps"),
    "horizon": ({"schedule_timesteps": 0.5}, "schedule_timesteps must be a positive"),
    "flag": ({"cnn_policy": "no"}, "cnn_policy must be True or False, not 'no'"),
    "name": ({"env_name": 3}, "env_name must be a name, not 3"),
    "list": ({"objectives": "reward_mean"}, "objectives must be a list of names"),
    "twice": ({"objectives": ["runtime", "runtime"]}, "twice: runtime, runtime"),
    "nothing": ({"objectives": []}, "objectives is empty"),
    "mapping": ({"env_kwargs": 3}, "env_kwargs must be a mapping, not 3"),
    "wrappers": ({"wrappers": "clip_reward"}, "wrappers must be a list of pairs"),
    "wrapper": ({"wrappers": [["clip_reward"]]}, "its settings.*'clip_reward'.* not one"),
    "direction": ({"optimize_objectives": "up"}, "must be 'upper' or 'lower', not 'up'"),
    "objective": ({"objectives": ["reward_men"]}, "objective 'reward_men'.*'reward_mean'"),
    "feature": ({"state_features": ["grad_inf"]}, "state feature 'grad_inf'.*'grad_info'"),
    "part": ({"checkpoint": ["parms"]}, "part of a checkpoint 'parms'.*'params'"),
    "algorithm": ({"algorithm": "dqm"}, "algorithm 'dqm'.*'dqn'"),
    "environment": ({"env_framework": "gymnax", "env_name": "CartPole"}, "'CartPole-v1'"),
    "architecture": ({"nas_config": {"hidden": 3}}, "'hidden'.*'hidden_size'"),
    "setting": ({"env_kwargs": {"nothing": 1}, "env_framework": "gymnax",
                 "env_name": "CartPole-v1"}, "no setting 'nothing'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_refused_by_name(case: str) -> None:
    settings, message = WRONG[case]
    with pytest.raises(ArlbenchError, match=message):
        AutoRLEnv({**TINY, **settings} if isinstance(settings, dict) else settings)


def test_every_setting_has_a_check() -> None:
    unchecked = [f.name for f in dataclasses.fields(AutoRLConfig) if "check" not in f.metadata]
    assert unchecked == []


def test_a_setting_without_a_check_is_refused() -> None:
    longer = dataclasses.make_dataclass(
        "Longer", [("depth", int, 3)], bases=(AutoRLConfig,), frozen=True
    )
    with pytest.raises(TypeError, match="The setting depth has no check"):
        longer()


# For each setting, a value that is impossible.
IMPOSSIBLE: dict[str, Any] = {
    "seed": "x", "env_framework": "", "env_name": 3, "env_kwargs": 3, "eval_env_kwargs": 3,
    "n_envs": 0, "algorithm": None, "cnn_policy": "no", "deterministic_eval": 1, "extended": "yes",
    "nas_config": [], "checkpoint": "all", "checkpoint_name": "", "checkpoint_dir": 3,
    "objectives": (), "optimize_objectives": "up", "state_features": "grad_info",
    "n_steps": 0.5, "n_total_timesteps": -1, "n_eval_steps": True, "n_eval_episodes": 0,
    "schedule_timesteps": 0, "wrappers": {"clip_reward": {}},
}  # fmt: skip


@pytest.mark.parametrize("field", dataclasses.fields(AutoRLConfig), ids=lambda field: field.name)
def test_every_setting_refuses_what_it_cannot_be(field: Any) -> None:
    with pytest.raises(ConfigurationError):
        AutoRLConfig(**{field.name: IMPOSSIBLE[field.name]})


def test_the_problem_is_what_the_settings_say() -> None:
    settings = AutoRLConfig.of(
        {
            "n_envs": 3,
            "wrappers": [["clip_reward", {}]],
            "nas_config": {"hidden_size": 8},
            "deterministic_eval": False,
            "n_total_timesteps": 1e3,
            "n_eval_steps": 4,
            "n_eval_episodes": 5,
            "schedule_timesteps": 5e3,
        }
    )
    problem = settings.problem
    assert problem.algorithm == "dqn"
    assert problem.env_spec == settings.env_spec
    assert problem.evaluation_spec.wrappers == ()
    assert problem.nas_config == {"hidden_size": 8}
    assert problem.options == {"deterministic_eval": False}
    assert problem.lengths == (1000, 4, 5, 5000)


@pytest.mark.parametrize(
    ("asked_for", "message"),
    [
        ({"deterministic_eval": False}, "dqn has no option deterministic_eval, so it cannot be F"),
        ({"cnn_policy": True}, "dqn has no option cnn_policy, so it cannot be True"),
    ],
)
def test_what_the_algorithm_cannot_do_is_refused(
    asked_for: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DQN, "option_names", lambda: ("memory_limit_gib",))
    assert AutoRLConfig.of(TINY).problem.options == {}
    with pytest.raises(ConfigurationError, match=message):
        _ = AutoRLConfig.of({**TINY, **asked_for}).problem


def test_a_feature_of_what_the_algorithm_does_not_tell_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Structure, "statistics", ("loss",))
    AutoRLEnv({**TINY, "state_features": ["loss_info"]})
    with pytest.raises(ConfigurationError, match="'grad_info' needs the grad_norm of each update"):
        AutoRLEnv({**TINY, "state_features": ["loss_info", "grad_info"]})


def test_other_libraries_configurations_are_read(request: pytest.FixtureRequest) -> None:
    omegaconf = pytest.importorskip("omegaconf")
    settings = AutoRLConfig.of(
        omegaconf.OmegaConf.create({"nas_config": {"hidden_size": 8}, "objectives": ["runtime"]})
    )
    assert settings.nas_config == {"hidden_size": 8}
    assert settings.objectives == ("runtime",)


def test_a_configuration_is_not_changed_by_what_it_was_made_of() -> None:
    kwargs = {"max_steps_in_episode": 7}
    settings = AutoRLConfig.of({"env_kwargs": kwargs})
    kwargs["max_steps_in_episode"] = 8
    assert settings.env_kwargs == {"max_steps_in_episode": 7}


def test_errors_are_of_the_kind_that_python_expects() -> None:
    assert issubclass(ConfigurationError, ValueError)


def test_wrappers_are_part_of_the_environment_and_evaluations_leave_some_out() -> None:
    config = AutoRLConfig.of(
        {"wrappers": [["time_limit", {"max_episode_steps": 9}], ["clip_reward", {}]]}
    )
    assert [name for name, _ in config.env_spec.wrappers] == ["time_limit", "clip_reward"]
    assert [name for name, _ in config.eval_env_spec.wrappers] == ["time_limit"]
