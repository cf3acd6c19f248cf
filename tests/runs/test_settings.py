"""Settings of a run: every default filled in, overrides last."""

from __future__ import annotations

import json

import pytest

from arlbench.core.environments import EnvSpec, find_framework
from arlbench.errors import ConfigurationError, MemoryLimitError
from arlbench.runs.settings import resolve
from arlbench.runs.tuned import TUNED

CARTPOLE = EnvSpec("gymnax", "CartPole-v1", 8)


def test_overrides_win_over_tuned_values_and_those_over_defaults() -> None:
    settings = resolve(CARTPOLE, {"learning_rate": 0.25, "hidden_size": 7})
    assert settings.hpo_config["learning_rate"] == 0.25
    assert settings.hpo_config["tau"] == TUNED["CartPole-v1"].hyperparameters["tau"]
    assert settings.hpo_config["gamma"] == 0.99
    assert settings.nas_config == {"activation": "relu", "hidden_size": 7}
    plain = resolve(CARTPOLE, {}, tuned=False)
    assert plain.hpo_config["tau"] == 1.0
    assert plain.nas_config == {"activation": "tanh", "hidden_size": 64}


def test_seeds_are_counted_from_the_first_and_zero_is_one() -> None:
    assert resolve(CARTPOLE, {}, n_seeds=3).seeds == (0, 1, 2)
    assert resolve(CARTPOLE, {}, first_seed=5, n_seeds=2).seeds == (5, 6)


def test_the_buffer_is_never_larger_than_the_run_can_fill() -> None:
    wide = resolve(CARTPOLE, {"buffer_size": 10**6}, n_total_timesteps=5_000)
    assert wide.capacity == 5_000
    assert resolve(CARTPOLE, {"buffer_size": 2_000}).capacity == 2_000


def test_learning_must_begin_within_the_run() -> None:
    # 8 environments: 1024 steps are 128 vector steps, and learning waits for the 129th.
    with pytest.raises(ConfigurationError, match="1031 timesteps leave no update"):
        resolve(CARTPOLE, {"learning_starts": 1024}, n_total_timesteps=1031)
    resolve(CARTPOLE, {"learning_starts": 1024}, n_total_timesteps=1032)


def test_memory_is_checked_before_anything_runs() -> None:
    with pytest.raises(MemoryLimitError, match="buffer"):
        resolve(CARTPOLE, {"buffer_size": 10**6}, n_total_timesteps=10**6, memory_limit_gib=0.01)


def test_settings_are_json() -> None:
    content = json.loads(resolve(CARTPOLE, {}).to_json())
    assert EnvSpec(**content["env_spec"]) == CARTPOLE


def test_what_is_tuned_says_which_network_reads_the_observations() -> None:
    breakout = EnvSpec("gymnax", "Breakout-MinAtar", 2)
    assert resolve(breakout, {}).env_spec.cnn_policy
    assert not resolve(breakout, {}, tuned=False).env_spec.cnn_policy
    assert not resolve(breakout, {}, cnn_policy=False).env_spec.cnn_policy
    assert resolve(breakout, {}, tuned=False, cnn_policy=True).env_spec.cnn_policy
    assert not resolve(CARTPOLE, {}).env_spec.cnn_policy


@pytest.mark.parametrize("name", sorted(TUNED))
def test_everything_tuned_is_an_environment_with_possible_hyperparameters(name: str) -> None:
    settings = resolve(EnvSpec(find_framework(name), name, 2), {})
    resolved = {**settings.hpo_config, **settings.nas_config}
    assert TUNED[name].hyperparameters.items() <= resolved.items()
