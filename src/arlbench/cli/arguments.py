"""Reading ``ENV`` and ``KEY=VALUE`` words."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

import typer

from arlbench.errors import ConfigurationError

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def split_words(words: Iterable[str], default_env: str) -> tuple[str, dict[str, Any]]:
    """The environment's name, and the overrides.

    Raises:
        ConfigurationError: If there are two names, or a key is empty or given twice.
    """
    names = []
    overrides: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            names.append(word)
            continue
        if not key or not text:
            raise ConfigurationError(f"'{word}' is not of the form KEY=VALUE.")
        if key in overrides:
            raise ConfigurationError(f"'{key}' is given twice; keep one of them.")
        overrides[key] = parse_value(text)
    if len(names) > 1:
        raise ConfigurationError(
            f"'{names[1]}' comes after the environment '{names[0]}'; write hyperparameters as "
            "KEY=VALUE, and one environment."
        )
    return (names[0] if names else default_env), overrides


def parse_value(text: str) -> Any:
    """A bool, int, float or the text itself: ``true``, ``3``, ``1e-3``, ``tanh``."""
    if text.casefold() in _WORDS:
        return _WORDS[text.casefold()]
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def parse_env_kwargs(text: str) -> dict[str, Any]:
    """Settings of the environment from a JSON object.

    Raises:
        ConfigurationError: If it is none.
    """
    try:
        settings = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"--env-kwargs is no JSON ({error.msg}); write it like '{{\"size\": 5}}'."
        ) from None
    if not isinstance(settings, dict):
        raise ConfigurationError(
            f"--env-kwargs must be a JSON object like '{{\"size\": 5}}', not {text}."
        )
    return settings


def refuse_beside_resume(context: typer.Context, allowed: Collection[str]) -> None:
    """Raises where a resumed run is given settings that were decided when it began."""
    given = [name for name in context.params if name not in allowed and _was_given(context, name)]
    if given:
        raise ConfigurationError(
            f"--resume goes on with the settings that the run began with, so {given[0]!r} cannot "
            "be given; begin a new run to change it."
        )


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
