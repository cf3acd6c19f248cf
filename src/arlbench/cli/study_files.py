"""Reads the options of a study from a file or a preset.

Options given on the command line take precedence over those of a file or a preset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer

from arlbench.cli.arguments import was_given
from arlbench.core.checks import known_names
from arlbench.core.text_values import parse_value, text_of
from arlbench.core.yaml_text import parse_yaml
from arlbench.errors import ConfigurationError
from arlbench.experiments.published_studies import (
    EVAL_EPISODES,
    EVALUATIONS,
    PUBLISHED_SEEDS,
    published_protocol,
    published_study,
)


class Key(NamedTuple):
    """A key of a section.

    Attributes:
        option: The option of the command line that it sets.
        kind: The kind of its value, one of ``VALUES``.
        about: What it means.
    """

    option: str
    kind: str
    about: str


_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_SCALAR = {"type": ["number", "string", "boolean"]}

#: The JSON schema of each kind of value.
VALUES: dict[str, dict[str, Any]] = {
    "word": {"type": "string"},
    # YAML 1.1 reads 1e5 as text, because it lacks a decimal point.
    "number": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": _NUMBER}]},
    "flag": {"type": "boolean"},
    "words": {"type": "array", "items": {"type": "string"}},
    "mapping": {"type": "object"},
    "values": {"type": "object", "additionalProperties": _SCALAR},
}

#: The keys of each section.
SECTIONS: dict[str, dict[str, Key]] = {
    "problem": {
        "environment": Key("environment", "word", "The name of the environment."),
        "framework": Key("framework", "word", "The library that provides it."),
        "n_envs": Key("n_envs", "number", "Copies of the environment that step together."),
        "timesteps": Key("timesteps", "number", "Environment steps of a full-length trial."),
        "evaluations": Key("evaluations", "number", "Evaluations of a full-length trial."),
        "eval_episodes": Key("eval_episodes", "number", "Episodes of each evaluation."),
        "algorithm": Key("algorithm", "word", "The algorithm: a name, or MODULE:CLASS."),
        "env_kwargs": Key("env_kwargs", "mapping", "Settings of the environment."),
        "wrappers": Key("wrap", "words", "Wrappers of the environment, the innermost first."),
        "cnn_policy": Key("cnn_policy", "flag", "Whether to use a convolutional network."),
        "fixed": Key("fixed", "values", "Values of hyperparameters that are not searched."),
    },
    "tuner": {
        "name": Key("tuner", "word", "The name of the tuner, or MODULE:CLASS."),
        "seed": Key("tuner_seed", "number", "The seed of the tuner."),
        "settings": Key("settings", "mapping", "Settings of the tuner."),
        "parallel": Key("parallel", "number", "How many trials train at the same time."),
        "restart": Key("restart", "flag", "Whether promoted trials are trained from step 0."),
        "start_from": Key(
            "start_from", "word", "A table or study whose configurations come first."
        ),
        "start_count": Key("start_count", "number", "How many of these configurations, at most."),
    },
    "budget": {
        "trials": Key("n_trials", "number", "The largest number of trials."),
        "timesteps": Key("max_steps", "number", "Begin no further trial after this many steps."),
        "seconds": Key("max_seconds", "number", "Begin no further trial after this many seconds."),
    },
    "seeds": {
        "first": Key("seed", "number", "The first tuning seed."),
        "tuning": Key("seeds", "number", "How many seeds each trial is trained with."),
        "test": Key(
            "test_seeds", "number", "How many seeds, other than tuning seeds, to test with."
        ),
        "test_last": Key("test_last", "flag", "Whether to test only the best trial."),
    },
    "objective": {
        "name": Key(
            "objective", "word", "What to maximise: final, best, area, or MODULE:FUNCTION."
        ),
        "minimise": Key("minimise", "flag", "Whether to minimise it instead."),
    },
}

#: The section that has a key for each hyperparameter.
SPACE = "space"

_ENDS = {"low": VALUES["number"], "high": VALUES["number"], "log": VALUES["flag"]}

_DIMENSION = {
    "anyOf": [
        _SCALAR,
        {"type": "array", "items": _SCALAR},
        {
            "type": "object",
            "properties": _ENDS,
            "required": ["low", "high"],
            "additionalProperties": False,
        },
    ]
}


def schema() -> dict[str, Any]:
    """The JSON schema of study files, for editors."""
    properties: dict[str, Any] = {
        section: _object(
            {name: {"description": key.about, **VALUES[key.kind]} for name, key in keys.items()}
        )
        for section, keys in SECTIONS.items()
    }
    properties[SPACE] = {
        "description": "What to search: a value, LOW..HIGH, a list, or low, high and log.",
        "type": "object",
        "additionalProperties": _DIMENSION,
    }
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "title": "A study of arlbench tune", **_object(properties)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def is_study_file(word: str) -> bool:
    """Whether a word of the command line names a study file."""
    return "=" not in word and Path(word).suffix.lower() in {".yaml", ".yml"}


def options_of_file(path: Path) -> dict[str, Any]:
    """The options that a study file gives; ``words`` holds the space.

    Raises:
        ConfigurationError: If it cannot be read, or has a key that is unknown or a value
            that is impossible.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"{path} cannot be read ({reason}); name a study file.") from None
    content = parse_yaml(text, path)
    try:
        return _options(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def options_of_preset(name: str, evolving: bool = False) -> dict[str, Any]:
    """The options of a published study.

    Args:
        name: Its short name.
        evolving: Whether it is for an evolving population, which searches fewer hyperparameters.
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
        "cnn_policy": study.cnn_policy,
        "memory_limit": study.memory_limit,
        "words": study.evolving_words if evolving else dict(study.words),
        "only_named": True,
        "defaults": True,
    }


def options_of_protocol(name: str, timesteps: float) -> dict[str, Any]:
    """The options with which a tuner was run in the published studies.

    Args:
        name: Its name.
        timesteps: Environment steps of a full-length trial.
    """
    protocol = published_protocol(name)
    budgets = protocol.full_budgets
    steps = None if budgets is None else budgets * PUBLISHED_SEEDS * timesteps
    return {
        "tuner": protocol.tuner,
        "settings": [f"{key}={value}" for key, value in protocol.settings.items()],
        "n_trials": protocol.trials,
        "max_steps": steps,
        "seeds": PUBLISHED_SEEDS,
        "eval_episodes": EVAL_EPISODES,
    }


def completed(
    context: typer.Context, given: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The options of a command, with those of a file or a preset where none was given."""
    own = {k: v for k, v in options.items() if k in given and not was_given(context, k)}
    return {**given, **own}


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
        options |= {
            keys[key].option: _value(f"{section}.{key}", keys[key].kind, value)
            for key, value in given.items()
        }
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


def _value(where: str, kind: str, value: Any) -> Any:
    """The value of a key, if it is of its kind."""
    if kind == "number":
        plain = parse_value(value) if isinstance(value, str) else value
        if not isinstance(plain, int | float) or isinstance(plain, bool):
            raise ConfigurationError(f"{where} must be a number, not {value!r}.")
        # YAML reads 1.0e5 as a float, but most numbers count something.
        return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
    if kind == "flag" and not isinstance(value, bool):
        raise ConfigurationError(f"{where} must be true or false, not {value!r}.")
    if kind in {"mapping", "values"}:
        return _checked_values(where, kind, dict(_mapping(where, value)))
    if kind == "words":
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ConfigurationError(f"{where} must be a list of wrappers, not {value!r}.")
    elif kind == "word" and not isinstance(value, str):
        raise ConfigurationError(f"{where} must be a word, not {value!r}.")
    return value


def _checked_values(where: str, kind: str, values: dict[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        if kind == "values" and not isinstance(value, int | float | str):
            raise ConfigurationError(
                f"{where}.{name} must be one value, not {value!r}; move it to the section {SPACE} "
                "to search it."
            )
    return values


def _word(name: str, value: Any) -> str:
    """Where to search, in the form that the command line takes."""
    if isinstance(value, list):
        return ",".join(_scalar(name, each) for each in value)
    if isinstance(value, Mapping):
        known_names(value, _ENDS, f"key of {name}")
        if not {"low", "high"} <= value.keys():
            raise ConfigurationError(f"{name} needs low and high, or one value, or a list.")
        for end in ("low", "high"):
            _value(f"{name}.{end}", "number", value[end])
        log = _value(f"{name}.log", "flag", value["log"]) if "log" in value else None
        scale = {True: ":log", False: ":linear", None: ""}[log]
        return f"{_scalar(name, value['low'])}..{_scalar(name, value['high'])}{scale}"
    return _scalar(name, value)


def _scalar(name: str, value: Any) -> str:
    if not isinstance(value, int | float | str):
        raise ConfigurationError(
            f"{name} must be a value, a list of values, or low and high, not {value!r}."
        )
    return text_of(value)
