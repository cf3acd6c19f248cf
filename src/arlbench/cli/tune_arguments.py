"""The arguments of a study, from the options of the command line and study files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from arlbench.cli.arguments import (
    required_environment,
    split_words,
    start_workers,
    was_given,
)
from arlbench.cli.problems import environment_and_lengths, searched_problem
from arlbench.cli.study_files import (
    completed,
    is_study_file,
    options_of_file,
    options_of_preset,
    options_of_protocol,
)
from arlbench.errors import ConfigurationError
from arlbench.experiments.published_studies import published_protocol

DEFAULT_TRIALS = 32

# Tuners with which fewer hyperparameters of a preset are searched.
_EVOLVING = ("pb2", "pbt")


def with_file(
    context: typer.Context, given: dict[str, Any]
) -> tuple[dict[str, Any], str, dict[str, str]]:
    """Completes the options by a study file, or by a preset and a protocol.

    Returns:
        The options, the environment's name, and where to search by hyperparameter.
    """
    given = _with_tuner(context, given)
    words = list(given["words"] or [])
    _refuse_other_files(words)
    files = [word for word in words if is_study_file(word)]
    if len(files) + (given["preset"] is not None) > 1:
        raise ConfigurationError("Give one study file or one preset, not several of them.")
    options: dict[str, Any] = {}
    if files:
        if given["protocol"] is not None:
            raise ConfigurationError(
                "A study file says how its tuner runs; leave --protocol out, or give a preset."
            )
        words.remove(files[0])
        options = options_of_file(Path(files[0]))
    elif given["preset"] is not None:
        options = options_of_preset(given["preset"], evolving=given["tuner"] in _EVOLVING)
    env_name, ranges = split_words(words, parse=str)
    env_name = required_environment(context, env_name or options.get("environment"))
    ranges = {**options.pop("words", {}), **ranges}
    return _with_protocol(context, completed(context, given, options)), env_name, ranges


def _refuse_other_files(words: list[str]) -> None:
    """Raises if a word names a study file in another format than YAML."""
    for word in words:
        if "=" not in word and Path(word).suffix.lower() in {".json", ".toml"}:
            raise ConfigurationError(
                f"{word} is not a study file, because these are in YAML; write it in YAML, and let "
                "its name end in .yaml or .yml."
            )


def _with_tuner(context: typer.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The options with the tuner of a protocol."""
    if given["protocol"] is None:
        return given
    tuner = published_protocol(given["protocol"]).tuner
    if was_given(context, "tuner") and given["tuner"] != tuner:
        raise ConfigurationError(
            f"--protocol {given['protocol']} uses the tuner {tuner}; leave --tuner out."
        )
    return {**given, "tuner": tuner}


def _with_protocol(context: typer.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The options, completed by those of a protocol."""
    if given["protocol"] is None:
        return given
    options = options_of_protocol(given["protocol"], given["timesteps"])
    own = {word.partition("=")[0] for word in given["settings"] or []}
    others = [word for word in options.pop("settings") if word.partition("=")[0] not in own]
    given = {**given, "settings": [*others, *(given["settings"] or [])]}
    return completed(context, given, options)


def refuse_effectless(context: typer.Context, given: Mapping[str, Any]) -> None:
    """Raises if an option has no effect without another one, or with this tuner."""
    if was_given(context, "test_last") and given["test_seeds"] == 0:
        raise ConfigurationError(
            "--test-last needs test seeds; leave it out, or give --test-seeds 1 or more."
        )
    if was_given(context, "restart") and given["restart"]:
        _refuse_restart(given["tuner"])


def _refuse_restart(tuner: str) -> None:
    """Raises if no trial of a tuner continues another."""
    from arlbench.tuning.tuners import short_name, tuner_class

    if not tuner_class(tuner).continues:
        raise ConfigurationError(
            f"--restart has no effect with the tuner {short_name(tuner)}, because none of its "
            "trials continues another; leave --restart out."
        )


def study_arguments(
    given: Mapping[str, Any], env_name: str, ranges: dict[str, str]
) -> dict[str, Any]:
    """The arguments of a study, from the options of the command."""
    env, of_problem = environment_and_lengths(given, env_name)
    tuner_settings = _tuner_settings(given["settings"] or [])
    start_workers(given["ray"])
    problem = searched_problem(
        env, of_problem, given["only_named"], not given["defaults"], given["agent"]
    )
    if given["extended"]:
        from arlbench.experiments.space import extended_words

        ranges = {**extended_words(problem), **ranges}
    same = ("tuner", "parallel", "tuner_seed", "objective", "minimise", "restart")
    start = ("start_from", "start_count")
    return {
        **{name: given[name] for name in (*same, *start)},
        "problem": problem,
        "words": ranges,
        "tuner_settings": tuner_settings,
        "n_trials": _n_trials(given),
        "n_timesteps": given["max_steps"],
        "seconds": given["max_seconds"],
        "seeds": _seeds(given["seed"], given["seeds"]),
    }


def _n_trials(given: Mapping[str, Any]) -> int | None:
    """The limit that was given, or the default one if nothing else would end the study."""
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
    return split_words(words)[1]
