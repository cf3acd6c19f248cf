"""The ``arlbench`` command."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from arlbench import __version__
from arlbench.cli.envs import envs
from arlbench.cli.train import train
from arlbench.errors import ArlbenchError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Deep Q-Learning as a compiled, tunable program.",
)
app.command()(train)
app.command()(envs)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Deep Q-Learning as a compiled, tunable program."""


def run() -> None:
    """Runs the command line; a user's mistake is one sentence, not a traceback."""
    try:
        app()
    except ArlbenchError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(2)
