"""``arlbench envs``: lists the environments that can be trained."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import typer
from rich.console import Console

from arlbench.cli import tables
from arlbench.cli.arguments import ALGORITHM
from arlbench.errors import UnknownEnvironmentError

if TYPE_CHECKING:
    from arlbench.core.environments import EnvListing

# Columns of a table for people; the last one takes the remaining width.
_HEADER = ("environment", "framework", "actions", "limit", "needs", "observation")
_NUMBERS = (2, 3)
_NEEDS = 4

# The smallest width for an observation.
_LEAST_FOR_OBSERVATION = 8


class _Listed(NamedTuple):
    """An environment, and what is needed before it can be trained.

    Attributes:
        env: Its description.
        extra: The extra that must be installed for it; None if none is needed.
        reason: Why it cannot be trained; None if it can.
    """

    env: EnvListing
    extra: str | None
    reason: str | None


def envs(
    pattern: str = typer.Argument(
        None,
        metavar="[PATTERN]",
        help="Only names that contain this, or match a pattern such as 'MiniGrid-*-5x5'.",
    ),
    every: bool = typer.Option(
        False, "--all", help="Also list environments that cannot be trained, and why."
    ),
    algorithm: str = ALGORITHM,
    as_json: bool = typer.Option(False, "--json", help="Print everything as JSON only."),
) -> None:
    """List the environments that can be trained, including those whose library is not installed.

    If the output is not a terminal, each environment is one line of cells separated by tabs: name,
    framework, observation, actions, time limit, what to install, why it cannot be trained.
    """
    from arlbench.core.algorithms.registry import DEFAULT_ALGORITHM

    listed = _listed(algorithm or DEFAULT_ALGORITHM)
    named = [entry for entry in listed if _matches(entry.env.name, pattern)]
    shown = [entry for entry in named if every or entry.reason is None]
    if not shown:
        raise UnknownEnvironmentError(_why_none(pattern, bool(named)))
    console = Console()
    if as_json:
        typer.echo(json.dumps([_as_json(entry) for entry in shown], indent=1))
    elif console.is_terminal:
        header, *lines = table(shown, console.width)
        console.print(header, style="bold", markup=False, highlight=False, soft_wrap=True)
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    else:
        for entry in shown:
            typer.echo("\t".join(_plain_cells(entry)))


def _why_none(pattern: str | None, any_named: bool) -> str:
    """A sentence if nothing can be listed."""
    if not pattern:
        return "No environment can be trained with this algorithm; 'arlbench envs --all' says why."
    if any_named:
        return (
            f"No environment has '{pattern}' in its name and can be trained; 'arlbench envs --all' "
            "says why."
        )
    return f"No environment has '{pattern}' in its name; 'arlbench envs' lists all of them."


def _listed(algorithm: str) -> list[_Listed]:
    from arlbench.core.algorithms.registry import algorithm_class
    from arlbench.core.environments import list_environments, missing_extra

    learner = algorithm_class(algorithm)
    return [
        _Listed(env, missing_extra(env), env.unusable or learner.cannot_learn(env))
        for env in list_environments()
    ]


def _matches(name: str, pattern: str | None) -> bool:
    """Whether a name contains a part or matches a pattern with ``*`` and ``?``, ignoring case."""
    if not pattern:
        return True
    name, pattern = name.casefold(), pattern.casefold()
    has_wildcard = any(mark in pattern for mark in "*?[")
    return fnmatch.fnmatchcase(name, pattern) if has_wildcard else pattern in name


def table(listed: Sequence[_Listed], width: int) -> list[str]:
    """The lines of a table for people; names are whole, observations get the remaining width."""
    whole = [_HEADER, *(_cells(entry) for entry in listed)]
    needed = any(entry.extra for entry in listed)
    fixed = [row[:_NEEDS] + (row[_NEEDS:-1] if needed else ()) for row in whole]
    room = width - len(tables.lines([_widest(fixed)])[0]) - len(tables.GAP)
    with_observations = room >= _LEAST_FOR_OBSERVATION
    rows = [
        (*cells, tables.shortened(row[-1], room)) if with_observations else cells
        for cells, row in zip(fixed, whole, strict=True)
    ]
    header, *lines = tables.lines(rows, _NUMBERS)
    with_reasons = [header]
    for line, entry in zip(lines, listed, strict=True):
        reason = [f"    cannot be trained: {entry.reason}"] if entry.reason else []
        with_reasons += [line, *reason]
    return with_reasons


def _widest(rows: Sequence[Sequence[str]]) -> list[str]:
    return ["x" * width for width in tables.widths(rows)]


def _cells(entry: _Listed) -> tuple[str, ...]:
    env = entry.env
    return (
        env.name,
        env.framework,
        str(env.n_actions or "-"),
        str(env.time_limit or "-"),
        f"[{entry.extra}]" if entry.extra else "-",
        env.observation,
    )


def _plain_cells(entry: _Listed) -> tuple[str, ...]:
    env = entry.env
    return (
        env.name,
        env.framework,
        env.observation,
        str(env.n_actions or "-"),
        str(env.time_limit or "-"),
        f"arlbench[{entry.extra}]" if entry.extra else "-",
        entry.reason or "-",
    )


def _as_json(entry: _Listed) -> dict[str, object]:
    env = entry.env
    return {
        "name": env.name,
        "framework": env.framework,
        "observation": env.observation,
        "actions": env.n_actions,
        "time_limit": env.time_limit,
        "needs": f"arlbench[{entry.extra}]" if entry.extra else None,
        "cannot_be_trained": entry.reason,
    }
