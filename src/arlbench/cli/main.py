"""The ``arlbench`` command."""

from __future__ import annotations

import codecs
import difflib
import io
import os
import sys
import warnings
from typing import Any, NoReturn

import typer
from rich.console import Console
from typer.exceptions import TyperException

from arlbench import __version__
from arlbench.cli.arguments import with_ray_address
from arlbench.cli.compare import compare
from arlbench.cli.envs import envs
from arlbench.cli.evaluate import evaluate
from arlbench.cli.export import export
from arlbench.cli.groups import GroupedCommand
from arlbench.cli.naming import Command
from arlbench.cli.play import play
from arlbench.cli.sweep import sweep
from arlbench.cli.train import train
from arlbench.cli.tune import tune
from arlbench.errors import ArlbenchError

# Replacements for characters that some encodings lack.
_PLAIN = {"±": "+/-", "…": "...", "\N{EN DASH}": "-", "━": "-", "╸": "-", "╺": "-", "•": "*"}

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Deep Q-Learning as a compiled, tunable program.",
)
app.command(cls=GroupedCommand)(train)
app.command(cls=GroupedCommand)(sweep)
app.command(cls=GroupedCommand)(tune)
app.command(cls=Command)(compare)
app.command(cls=Command)(export)
app.command(cls=Command)(evaluate)
app.command(cls=Command)(play)
app.command(cls=Command)(envs)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Deep Q-Learning as a compiled, tunable program."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run() -> None:
    """Runs the command line; a user's mistake gives one sentence, not a traceback."""
    _prepare_streams()
    warnings.formatwarning = _in_one_line  # type: ignore[assignment]
    # Users keep their own modules in the working directory.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
    try:
        code = app(with_ray_address(sys.argv[1:]), standalone_mode=False)
    except ArlbenchError as error:
        _fail(str(error))
    except TyperException as error:
        _keep_nearest(error)
        message = error.format_message().rstrip(".")
        end = "" if message.endswith("?") else "."
        _fail(f"{message}{end} 'arlbench COMMAND --help' lists the options.")
    sys.exit(code if isinstance(code, int) else 0)


def _keep_nearest(error: Any) -> None:
    """Of the options that an unknown one may stand for, keeps only the most similar one."""
    options = getattr(error, "possibilities", None)
    if options:
        error.possibilities = difflib.get_close_matches(error.option_name, options, 1)


def _in_one_line(message: Warning | str, *_: Any) -> str:
    """A warning without its place in the program."""
    return f"warning: {message}\n"


def _prepare_streams() -> None:
    """Replaces characters that an encoding lacks, instead of failing."""
    codecs.register_error("plain", _in_plain_characters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def _in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in lacking), error.end


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(
        f"error: {message}", style="red", markup=False, highlight=False, soft_wrap=True
    )
    sys.exit(2)
