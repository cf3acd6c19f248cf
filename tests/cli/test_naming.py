"""Error messages name options as they are typed, and leave all other words as they are."""

from __future__ import annotations

import pytest

from arlbench.cli.naming import in_options
from arlbench.errors import ConfigurationError
from in_process import arlbench

OPTIONS = {
    name: f"--{name.replace('_', '-')}"
    for name in (
        "timesteps", "evaluations", "eval_episodes", "n_envs", "env_kwargs", "cnn_policy",
        "memory_limit", "seeds", "max_steps", "max_seconds", "restart", "wrap",
    )
}  # fmt: skip

MESSAGES = {
    "n_eval_steps must be a positive whole number": "--evaluations must be a positive whole number",
    "seconds must be greater than 0": "--max-seconds must be greater than 0",
    "n_envs must be 1 and env_kwargs empty": "--n-envs must be 1 and --env-kwargs empty",
    "more than 4 GiB, or raise memory_limit_gib.": "more than 4 GiB, or raise --memory-limit.",
    "another: seeds is 3 there and 4 here": "another: --seeds is 3 there and 4 here",
    "another: wrappers of env_spec is a there and b here": "another: --wrap is a there and b here",
    "another: n_envs of env_spec is 1 there and 2 here": "another: --n-envs is 1 there and 2 here",
    "it cannot; leave out restart.": "it cannot; leave out --restart.",
    "not a picture; set cnn_policy=False.": "not a picture; set --mlp-policy.",
    "Unknown hyperparameter 'n_envs'. Did you mean 'n_layers'?": (
        "'n_envs' is an option, not a hyperparameter; give it as --n-envs."
    ),
}

UNCHANGED = [
    "Unknown hyperparameter 'n_env'. Did you mean 'n_layers'?",
    "runs/n_envs is not the folder of a run.",
    "my_n_envs must be 3.",
    # A setting of an environment, not the limit of a study.
    "max_steps of MiniGrid-Empty must be a whole number.",
    "Give some seeds; evaluations and timesteps are words, too.",
    "Seeds must be whole numbers from 0.",
    "n_configs must be at least 1.",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_an_argument_is_named_as_its_option(message: str) -> None:
    assert in_options(message, OPTIONS) == MESSAGES[message]


@pytest.mark.parametrize("message", UNCHANGED)
def test_what_is_not_an_argument_stays(message: str) -> None:
    assert in_options(message, OPTIONS) == message


def test_a_command_knows_only_its_own_options(monkeypatch, capsys) -> None:
    """``n_configs`` is an option of sweeps, but a setting of a tuner."""

    def refuse(*_: object, **__: object) -> None:
        raise ConfigurationError("n_configs must be at least 1.")

    monkeypatch.setattr("arlbench.cli.sweep.split_words", refuse)
    monkeypatch.setattr("arlbench.cli.tune_arguments.split_words", refuse)
    told = []
    for command in ("sweep", "tune"):
        assert arlbench(command, "CartPole-v1") == 2
        told.append(capsys.readouterr().err.partition(" must")[0])
    assert told == ["error: --n-configs", "error: n_configs"]
