"""The arguments of a study, from the options of the command line and study files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from arlbench.cli.arguments import (
    parse_env_kwargs,
    parse_wrappers,
    split_words,
    start_workers,
    was_given,
)
from arlbench.cli.problems import searched_problem
from arlbench.cli.study_files import is_study_file, options_of_file, options_of_preset
from arlbench.errors import ConfigurationError

DEFAULT_ENV = "CartPole-v1"

DEFAULT_TRIALS = 32

# Tuners with which fewer hyperparameters of a preset are searched.
_EVOLVING = ("pb2", "pbt")


def with_file(
    context: typer.Context, given: dict[str, Any]
) -> tuple[dict[str, Any], str, dict[str, str]]:
    """The options, completed by a study file or a preset; the environment; and the space."""
    words = list(given["words"] or [])
    files = [word for word in words if "=" not in word and is_study_file(word)]
    if len(files) + (given["preset"] is not None) > 1:
        raise ConfigurationError("Give one study file or one preset, not several of them.")
    options: dict[str, Any] = {}
    if files:
        words.remove(files[0])
        options = options_of_file(Path(files[0]))
    elif given["preset"] is not None:
        options = options_of_preset(given["preset"], evolving=given["tuner"] in _EVOLVING)
    own = {k: v for k, v in options.items() if k in given and not was_given(context, k)}
    environment = options.get("environment", DEFAULT_ENV)
    env_name, ranges = split_words(words, environment, parse=str)
    own.pop("words", None)
    return {**given, **own}, env_name, {**options.get("words", {}), **ranges}


def study_arguments(
    given: Mapping[str, Any], env_name: str, ranges: dict[str, str]
) -> dict[str, Any]:
    """The arguments of a study, from the options of the command."""
    env = {
        "framework": given["framework"],
        "name": env_name,
        "n_envs": given["n_envs"],
        "env_kwargs": parse_env_kwargs(given["env_kwargs"]),
        "cnn_policy": given["cnn_policy"],
        "wrappers": parse_wrappers(given["wrap"] or []),
    }
    of_problem = {
        "n_total_timesteps": given["timesteps"],
        "n_eval_steps": given["evaluations"],
        "n_eval_episodes": given["eval_episodes"],
        **({"algorithm": given["algorithm"]} if given["algorithm"] else {}),
    }
    tuner_settings = _tuner_settings(given["settings"] or [])
    start_workers(given["ray"])
    problem = searched_problem(env, of_problem, given["only_named"], not given["defaults"])
    same = ("tuner", "parallel", "tuner_seed", "objective", "minimise", "restart")
    return {
        **{name: given[name] for name in same},
        "problem": problem,
        "words": ranges,
        "tuner_settings": tuner_settings,
        "n_trials": _n_trials(given),
        "n_timesteps": given["max_steps"],
        "seconds": given["max_seconds"],
        "seeds": _seeds(given["seed"], given["seeds"]),
    }


def _n_trials(given: Mapping[str, Any]) -> int | None:
    """The limit that was given, or one if nothing else would end the study."""
    from arlbench.tuning.tuners import tuner_class

    limits = (given["n_trials"], given["max_steps"], given["max_seconds"])
    if any(limit is not None for limit in limits) or tuner_class(given["tuner"]).ends:
        return limits[0]
    return DEFAULT_TRIALS


def _seeds(first: int, count: int) -> tuple[int, ...]:
    from arlbench.experiments.experiment import seed_range

    return seed_range(first, count)


def _tuner_settings(words: list[str]) -> dict[str, Any]:
    """Settings of the tuner from ``KEY=VALUE``."""
    for word in words:
        if "=" not in word:
            raise ConfigurationError(f"--set '{word}' is not of the form KEY=VALUE.")
    return split_words(words, "")[1]
