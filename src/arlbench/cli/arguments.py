"""Reads arguments of the forms ``ENV`` and ``KEY=VALUE``."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import typer

from arlbench.core.text_values import parse_value
from arlbench.errors import ConfigurationError

#: Stands for the address after --ray if none is given.
NO_ADDRESS = "default"


def split_words(
    words: Iterable[str], parse: Callable[[str], Any] = parse_value
) -> tuple[str | None, dict[str, Any]]:
    """The environment's name, if one is given, and the text for each key, read by ``parse``.

    Raises:
        ConfigurationError: If two names are given, or a key is empty or given twice.
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
        overrides[key] = parse(text)
    if len(names) > 1:
        raise ConfigurationError(
            f"'{names[0]}' and '{names[1]}' would both be environments; give one, and write "
            "hyperparameters as KEY=VALUE."
        )
    return (names[0] if names else None), overrides


def required_environment(context: typer.Context, name: str | None) -> str:
    """The environment's name.

    Raises:
        ConfigurationError: If neither the words nor a file or preset name one.
    """
    if name is not None:
        return name
    others = {
        "sweep": ", or give a --preset",
        "tune": ", or give a --preset or a study file whose problem has an environment",
    }
    command = context.info_name or ""
    raise ConfigurationError(
        f"The argument ENV is missing; name an environment, as in 'arlbench {command} CartPole-v1'"
        f"{others.get(command, '')}. 'arlbench envs' lists the environments."
    )


def parse_env_kwargs(text: str, env_workers: int = 0) -> dict[str, Any]:
    """Settings of the environment from a JSON object.

    Args:
        text: The object.
        env_workers: The number of processes for the environment's copies; 0 means none.

    Raises:
        ConfigurationError: If the text is not a JSON object.
    """
    settings = _json_object("--env-kwargs", text, '{"size": 5}')
    return {**settings, "env_workers": env_workers} if env_workers else settings


def parse_algorithm_options(text: str) -> dict[str, Any]:
    """Options of the algorithm's class from a JSON object.

    Raises:
        ConfigurationError: If the text is not a JSON object.
    """
    return _json_object("--algorithm-options", text, '{"deterministic_eval": false}')


def _json_object(option: str, text: str, example: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{option} is not JSON ({error.msg}); write it like '{example}'."
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{option} must be a JSON object like '{example}', not {text}.")
    return content


#: The algorithm.
ALGORITHM = typer.Option(
    None,
    metavar="NAME",
    help="The algorithm, if not the default: a name, or MODULE:CLASS for your own.",
    show_default=False,
)

#: The library of an environment.
FRAMEWORK = typer.Option(
    None,
    help="The library that provides the environment.",
    show_default="found from the name",
)

#: The wrappers of an environment.
WRAP = typer.Option(
    None,
    metavar="NAME[:KEY=VALUE,...]",
    help="A wrapper of the environment, such as frame_stack:n_frames=4. Repeat the option for "
    "more, the innermost first.",
)


#: Where to train.
RAY = typer.Option(
    None,
    "--ray",
    metavar="[ADDRESS]",
    help="Train on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT. Without an address, use "
    "RAY_ADDRESS if it is set; otherwise start Ray on this machine.",
)

# A word after --ray that is not an address belongs to the command.
_ADDRESS = re.compile(r"auto|local|(ray://)?[^\s:/=]+:\d+|ray://.*")


def with_ray_address(words: Sequence[str]) -> list[str]:
    """The words of a command, in which --ray has an address even if none was given."""
    given = []
    for word, after in itertools.zip_longest(words, words[1:]):
        lacks_address = word == "--ray" and not _ADDRESS.fullmatch(after or "")
        given.append(f"--ray={NO_ADDRESS}" if lacks_address else word)
    return given


def start_workers(ray: str | None) -> None:
    """Lets other processes import what they need, while this one does."""
    from arlbench.population import use_cores, use_ray

    if ray is None:
        use_cores()
    else:
        use_ray(None if ray == NO_ADDRESS else ray)


def network_option(default: bool | None, shown: str | bool = True) -> Any:
    """The option that chooses the kind of network, with its default and how the help shows it."""
    return typer.Option(
        default,
        "--cnn-policy/--mlp-policy",
        help="Read observations with a convolutional network, or with a plain one.",
        show_default=shown,
    )


def parse_wrappers(texts: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """Wrappers from ``NAME`` or ``NAME:KEY=VALUE,KEY=VALUE``, as an ``EnvSpec`` takes them.

    Raises:
        ConfigurationError: If one has another form, or gives a setting twice.
    """
    return [_parse_wrapper(text) for text in texts]


def _parse_wrapper(text: str) -> tuple[str, dict[str, Any]]:
    name, colon, rest = text.partition(":")
    pairs = [word.partition("=") for word in rest.split(",")] if colon else []
    if not name or not all(key and value for key, _, value in pairs):
        raise ConfigurationError(
            f"--wrap '{text}' is not of the form NAME:KEY=VALUE,KEY=VALUE; write it like "
            "frame_stack:n_frames=4."
        )
    settings: dict[str, Any] = {}
    for key, _, value in pairs:
        if key in settings:
            raise ConfigurationError(f"--wrap '{text}' gives '{key}' twice; keep one of them.")
        settings[key] = parse_value(value)
    return name, settings


def refuse_with_resume(
    context: typer.Context, allowed: Collection[str], option: str = "--resume"
) -> None:
    """Raises if settings that were fixed when a run or study began are given to resume it."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in allowed and was_given(context, name):
            spellings = "/".join([*parameter.opts, *parameter.secondary_opts])
            is_option = parameter.param_type_name == "option"
            what = spellings if is_option else "an environment or KEY=VALUE"
            raise ConfigurationError(
                f"{option} uses the original settings, so {what} cannot be given; leave it out, or "
                "begin again in a new folder."
            )


def was_given(context: typer.Context, name: str) -> bool:
    """Whether an option was given on the command line, not left at its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
