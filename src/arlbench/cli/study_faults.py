"""Errors of studies that a file describes: those that the file causes begin with its path."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import typer

from arlbench.cli.naming import CommandError, in_options
from arlbench.cli.study_files import SECTIONS, is_study_file
from arlbench.cli.tune_arguments import study_arguments, with_file
from arlbench.cli.tune_running import seeds_of_test
from arlbench.errors import (
    ArlbenchError,
    ConfigurationError,
    MissingExtraError,
    UnknownEnvironmentError,
)

# How each option is written in a file.
_KEYS = {
    key.option: f"{section}.{name}"
    for section, keys in SECTIONS.items()
    for name, key in keys.items()
    if key.option != "cnn_policy"  # messages give it with its value, as files do
}

# What an impossible value of a file can raise before anything is trained.
_FAULTS = (ConfigurationError, MissingExtraError, UnknownEnvironmentError)


@contextlib.contextmanager
def named_after_file(context: typer.Context, given: dict[str, Any]) -> Iterator[None]:
    """Adds the path of the study file to an error that the file alone would also cause.

    Other options take precedence over those of the file, so an error may also be theirs.

    Args:
        context: The command.
        given: Its options.

    Raises:
        CommandError: For an error of the file; it names the keys of the file.
    """
    try:
        yield
    except _FAULTS as error:
        path = next(filter(is_study_file, given["words"] or []), None)
        # Environment variables are not in the file, and the path may be in the message already.
        if path is None or str(error).startswith((path, "ARLBENCH_")):
            raise
        if _fault(context, path) != str(error):
            raise
        raise CommandError(f"{path}: {in_options(str(error), _KEYS)}") from None


def _fault(context: typer.Context, path: str) -> str:
    """The error of a study file without any other option; empty if it has none."""
    from arlbench.tuning.preparing import prepare

    made = context.command.make_context(context.info_name, [path], parent=context.parent)
    alone = cast("typer.Context", made)
    try:
        given, env_name, ranges = with_file(alone, dict(alone.params))
        arguments = study_arguments(given, env_name, ranges)
        arguments["test_seeds"] = seeds_of_test(arguments["seeds"], given["test_seeds"])
        with prepare(**arguments):
            return ""
    except ArlbenchError as error:
        return str(error)
