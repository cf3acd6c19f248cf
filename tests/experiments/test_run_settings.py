"""Settings of a run: all defaults filled in, with overrides taking precedence."""

from __future__ import annotations

import dataclasses
import json

import pytest

from arlbench.core.environments import EnvSpec, find_framework
from arlbench.errors import ConfigurationError, MemoryLimitError
from arlbench.experiments.presets import TUNED
from arlbench.experiments.run_settings import RunSettings, notes_on_ignored, resolve

CARTPOLE = EnvSpec("gymnax", "CartPole-v1", 8)


def test_overrides_win_over_tuned_values_and_those_over_defaults() -> None:
    settings = resolve(CARTPOLE, {"learning_rate": 0.25, "hidden_size": 7})
    assert settings.problem.hpo_config["learning_rate"] == 0.25
    assert settings.problem.hpo_config["tau"] == TUNED["CartPole-v1"].hyperparameters["tau"]
    assert settings.problem.hpo_config["gamma"] == 0.99
    published = {"activation": "relu", "hidden_size": 7}
    assert settings.problem.nas_config.items() >= published.items()
    plain = resolve(CARTPOLE, {}, tuned=False)
    assert plain.problem.hpo_config["tau"] == 1.0
    defaults = {"activation": "tanh", "hidden_size": 64}
    assert plain.problem.nas_config.items() >= defaults.items()


def test_what_has_no_effect_is_said() -> None:
    given = {"buffer_alpha": 0.5, "huber_delta": 2.0, "v_max": 3.0, "gamma": 0.9}
    assert notes_on_ignored(resolve(CARTPOLE, given), given) == [
        "buffer_alpha is ignored, because it counts only if buffer_prio_sampling is True.",
        "huber_delta is ignored, because it counts only if loss is huber.",
        "v_max is ignored, because it counts only if distribution is categorical.",
    ]
    given |= {"buffer_prio_sampling": True, "loss": "huber", "distribution": "categorical"}
    assert notes_on_ignored(resolve(CARTPOLE, given), given) == []


def test_seeds_are_counted_from_the_first_and_zero_is_one() -> None:
    assert resolve(CARTPOLE, {}, n_seeds=3).seeds == (0, 1, 2)
    assert resolve(CARTPOLE, {}, first_seed=5, n_seeds=2).seeds == (5, 6)


def test_learning_must_begin_within_the_run() -> None:
    # 8 environments: 1024 steps are 128 vector steps, and learning waits for the 129th.
    with pytest.raises(ConfigurationError, match="1031 timesteps are too few for an update"):
        resolve(CARTPOLE, {"learning_starts": 1024}, n_total_timesteps=1031)
    resolve(CARTPOLE, {"learning_starts": 1024}, n_total_timesteps=1032)


def test_the_steps_of_a_run_are_those_that_its_agent_can_count() -> None:
    # Iterations of 8 environments, of which 2**28 are one too many.
    long = {"train_freq": 1, "buffer_size": 1024}
    resolve(CARTPOLE, long, n_total_timesteps=2**31 - 8)
    with pytest.raises(ConfigurationError, match="would have done 2147483648 environment steps"):
        resolve(CARTPOLE, long, n_total_timesteps=2**31 - 1)


def test_memory_is_checked_before_anything_runs() -> None:
    with pytest.raises(MemoryLimitError, match="buffer"):
        resolve(CARTPOLE, {"buffer_size": 10**6}, n_total_timesteps=10**6, memory_limit_gib=0.01)


def test_settings_are_json_and_come_back() -> None:
    settings = resolve(CARTPOLE, {"gamma": 0.5}, n_seeds=2, memory_limit_gib=2.0)
    content = json.loads(settings.to_json())
    assert EnvSpec(**content["env_spec"]) == CARTPOLE
    assert content["format_version"] == 2
    assert RunSettings.from_mapping(content) == settings


def test_a_hyperparameter_that_did_not_exist_yet_stands_for_its_default() -> None:
    settings = resolve(CARTPOLE, {"learning_rate": 0.25}, tuned=False)
    content = json.loads(settings.to_json())
    del content["hpo_config"]["buffer_beta"], content["nas_config"]["activation"]
    assert RunSettings.from_mapping(content) == settings


def test_settings_of_a_newer_version_are_refused() -> None:
    content = json.loads(resolve(CARTPOLE, {}).to_json())
    with pytest.raises(ConfigurationError, match=r"has the format 3.*install a newer one"):
        RunSettings.from_mapping({**content, "format_version": 3})
    content["hpo_config"]["sharpness"] = 1.0
    with pytest.raises(ConfigurationError, match="does not know sharpness; install a newer one"):
        RunSettings.from_mapping(content)


def test_lengths_follow_the_rule_of_the_format_that_a_run_was_begun_with() -> None:
    # 4 environments and 7 steps of each: 72 iterations of 28 steps are 2,016; 24 in each interval.
    settings = resolve(
        EnvSpec("gymnax", "CartPole-v1", 4), {"train_freq": 7, "learning_starts": 128},
        n_total_timesteps=2_000, n_eval_steps=3,
    )  # fmt: skip
    assert settings.lengths[:2] == (2_000, 3)
    of_version_1 = dataclasses.replace(settings.experiment, format_version=1)
    lengths = RunSettings(of_version_1).lengths
    assert (lengths.n_total_timesteps, lengths.schedule_timesteps) == (2_016, 2_000)


def test_what_is_tuned_says_which_network_reads_the_observations() -> None:
    breakout = EnvSpec("gymnax", "Breakout-MinAtar", 2)
    assert resolve(breakout, {}).problem.env_spec.cnn_policy
    assert not resolve(breakout, {}, tuned=False).problem.env_spec.cnn_policy
    assert not resolve(breakout, {}, cnn_policy=False).problem.env_spec.cnn_policy
    assert resolve(breakout, {}, tuned=False, cnn_policy=True).problem.env_spec.cnn_policy
    assert not resolve(CARTPOLE, {}).problem.env_spec.cnn_policy


@pytest.mark.parametrize("name", sorted(TUNED))
def test_everything_tuned_is_an_environment_with_possible_hyperparameters(name: str) -> None:
    settings = resolve(EnvSpec(find_framework(name), name, 2), {})
    (resolved,) = settings.experiment.configs
    assert TUNED[name].hyperparameters.items() <= resolved.items()
