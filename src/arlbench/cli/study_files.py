"""Reads studies from a file or a preset: the options of the command line, in sections.

Options given on the command line take precedence over those of a file or a preset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from arlbench.core.checks import known_names
from arlbench.core.text_values import parse_value
from arlbench.errors import ConfigurationError
from arlbench.experiments.published_studies import EVAL_EPISODES, EVALUATIONS, published_study

#: The keys of each section, with the option that each of them is.
SECTIONS: dict[str, dict[str, str]] = {
    "problem": {
        "environment": "environment",
        "framework": "framework",
        "n_envs": "n_envs",
        "timesteps": "timesteps",
        "evaluations": "evaluations",
        "eval_episodes": "eval_episodes",
        "algorithm": "algorithm",
        "env_kwargs": "env_kwargs",
        "wrappers": "wrap",
        "cnn_policy": "cnn_policy",
        "fixed": "fixed",
    },
    "tuner": {
        "name": "tuner",
        "seed": "tuner_seed",
        "settings": "settings",
        "parallel": "parallel",
        "restart": "restart",
    },
    "budget": {"trials": "n_trials", "timesteps": "max_steps", "seconds": "max_seconds"},
    "seeds": {"first": "seed", "tuning": "seeds", "test": "test_seeds"},
    "objective": {"name": "objective", "minimise": "minimise"},
}

#: The section that has a key for each hyperparameter.
SPACE = "space"

# What values must be, by option; all others are words.
_NUMBERS = {
    "n_envs", "timesteps", "evaluations", "eval_episodes", "tuner_seed", "parallel", "n_trials",
    "max_steps", "max_seconds", "seed", "seeds", "test_seeds",
}  # fmt: skip
_FLAGS = {"cnn_policy", "restart", "minimise"}
_MAPPINGS = {"env_kwargs", "fixed", "settings"}


def is_study_file(word: str) -> bool:
    """Whether a word of the command line names a study file."""
    return Path(word).suffix.lower() in {".yaml", ".yml"}


def options_of_file(path: Path) -> dict[str, Any]:
    """The options that a study file gives; ``words`` are where to search.

    Raises:
        ConfigurationError: If it cannot be read, or has a key that is unknown or a value
            that is impossible.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"{path} cannot be read ({reason}); name a study file.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"{path} is not YAML ({getattr(error, 'problem', None) or 'unreadable'}{place}); fix "
            "it there."
        ) from None
    try:
        return _options(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def options_of_preset(name: str, evolving: bool = False) -> dict[str, Any]:
    """The options of a published study.

    Args:
        name: Its short name.
        evolving: Whether it is for a population that evolves.
    """
    study = published_study(name)
    return {
        "environment": study.environment,
        "framework": study.framework,
        "n_envs": study.n_envs,
        "timesteps": study.timesteps,
        "evaluations": EVALUATIONS,
        "eval_episodes": EVAL_EPISODES,
        "wrap": list(study.wrappers),
        "words": study.evolving_words if evolving else dict(study.words),
        "only_named": True,
        "defaults": True,
    }


def _options(content: Any) -> dict[str, Any]:
    sections = _mapping("a study file", content)
    known_names(sections, [*SECTIONS, SPACE], "section")
    options: dict[str, Any] = {}
    for section, values in sections.items():
        if section == SPACE:
            continue
        keys = SECTIONS[section]
        given = _mapping(f"the section {section}", values)
        known_names(given, keys, f"key of the section {section}")
        options |= {keys[key]: _value(f"{section}.{key}", keys[key], v) for key, v in given.items()}
    space = _mapping(f"the section {SPACE}", sections.get(SPACE, {}))
    fixed = options.pop("fixed", {})
    words = {name: _word(name, value) for name, value in {**fixed, **space}.items()}
    settings = [f"{name}={value}" for name, value in options.pop("settings", {}).items()]
    if "env_kwargs" in options:
        options["env_kwargs"] = json.dumps(options["env_kwargs"])
    more = {"settings": settings} if settings else {}
    return {**options, **more, "words": words, "only_named": True, "defaults": True}


def _mapping(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{what} must be a mapping from keys to values, not {value!r}.")
    return value


def _value(where: str, option: str, value: Any) -> Any:
    """The value of an option, if it is of its kind."""
    # YAML 1.1 takes 1e5 for text, because it has no point.
    plain = parse_value(value) if isinstance(value, str) and option in _NUMBERS else value
    is_number = isinstance(plain, int | float) and not isinstance(plain, bool)
    if option in _NUMBERS and not is_number:
        raise ConfigurationError(f"{where} must be a number, not {value!r}.")
    if option in _FLAGS and not isinstance(plain, bool):
        raise ConfigurationError(f"{where} must be true or false, not {value!r}.")
    if option in _MAPPINGS:
        return dict(_mapping(where, plain))
    if option == "wrap":
        if not isinstance(plain, list) or not all(isinstance(each, str) for each in plain):
            raise ConfigurationError(f"{where} must be a list of wrappers, not {value!r}.")
    elif option not in _NUMBERS | _FLAGS and not isinstance(plain, str):
        raise ConfigurationError(f"{where} must be a word, not {value!r}.")
    return plain


def _word(name: str, value: Any) -> str:
    """Where to search, as a word of the command line says it."""
    if isinstance(value, list):
        return ",".join(_word(name, each) for each in value)
    if isinstance(value, Mapping):
        known_names(value, ["low", "high", "log"], f"key of {name}")
        if not {"low", "high"} <= value.keys():
            raise ConfigurationError(f"{name} needs low and high, or is to be a list or a value.")
        scale = {True: ":log", False: ":linear"}[bool(value["log"])] if "log" in value else ""
        return f"{_word(name, value['low'])}..{_word(name, value['high'])}{scale}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
