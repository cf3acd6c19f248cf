"""Options that several commands share."""

from __future__ import annotations

from typing import Any

import typer

#: The first seed of the training runs.
SEED = typer.Option(0, help="The first seed.")

#: How many environments one training run steps.
N_ENVS = typer.Option(8, help="Copies of the environment that step together.")

#: The length of an evaluation.
EVAL_EPISODES = typer.Option(32, help="Episodes of each evaluation.")

#: Settings of the environment.
ENV_KWARGS = typer.Option("{}", help="Settings of the environment, as JSON.")

#: Options of the algorithm's class.
ALGORITHM_OPTIONS = typer.Option(
    "{}", help="Options of the algorithm, as JSON, such as those that arlbench tune prints."
)

#: Processes for environments that step in Python.
ENV_WORKERS = typer.Option(
    0, help="Spread the copies of a gymnasium environment over this many processes; 0 uses none."
)

#: A published study whose space and settings are used where the user names none.
PRESET = typer.Option(
    None, metavar="NAME", help="The published space and settings of an environment: cartpole, ..."
)

#: A named configuration.
AGENT = typer.Option(
    None, metavar="NAME", help="Start from a named configuration: rainbow, stable, ..."
)
ONLY_NAMED = typer.Option(
    False, "--only-named", help="Search only the named hyperparameters; the rest keep tuned values."
)
DEFAULTS = typer.Option(
    False, "--defaults", help="With --only-named: the rest keep the space's defaults instead."
)
EXTENDED = typer.Option(False, "--extended", help="Also search the algorithm's extensions.")

#: The memory limit that all commands have by default, in GiB.
DEFAULT_MEMORY_LIMIT = 4.0
MEMORY_LIMIT = typer.Option(
    DEFAULT_MEMORY_LIMIT, help="Memory limit in GiB; training that would need more is refused."
)

#: What to print.
QUIET = typer.Option(False, "--quiet", help="Print nothing.")
AS_JSON = typer.Option(False, "--json", help="Print the summary as JSON only.")


def timesteps_option(of: str) -> Any:
    """The option for the length of a training run, which the help calls ``of``."""
    return typer.Option(100_000, help=f"Environment steps of {of}.")


def evaluations_option(of: str, default: int = 10) -> Any:
    """The option for the number of evaluations of a training run, which the help calls ``of``."""
    return typer.Option(default, help=f"Evaluations of {of}.")


def seeds_option(of: str) -> Any:
    """The option for the number of seeds of ``of``."""
    return typer.Option(3, help=f"How many seeds to train {of} with.")
