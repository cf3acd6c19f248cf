"""``arlbench envs``: what can be trained."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from arlbench.errors import UnknownEnvironmentError


def envs(
    part: str = typer.Argument(None, metavar="[PART]", help="Only names with this part."),
    every: bool = typer.Option(False, "--all", help="Also list what cannot be trained, and why."),
) -> None:
    """List the environments that can be trained, also those whose library is not installed."""
    from arlbench.core.algorithms.registry import DEFAULT_ALGORITHM, algorithm_class
    from arlbench.core.environments import list_environments, missing_extra

    algorithm = algorithm_class(DEFAULT_ALGORITHM)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("environment", "framework", "observation"):
        table.add_column(column, overflow="fold")
    for column in ("actions", "time limit"):
        table.add_column(column, justify="right")
    table.add_column("installed", overflow="fold")
    if every:
        table.add_column("cannot be trained because", overflow="fold")
    for env in list_environments():
        reason = env.unusable or algorithm.cannot_learn(env)
        if (reason and not every) or (part or "").casefold() not in env.name.casefold():
            continue
        extra = missing_extra(env)
        cells = [
            env.name,
            env.framework,
            env.observation,
            str(env.n_actions or "-"),
            str(env.time_limit or "-"),
            f"arlbench[{extra}]" if extra else "yes",
        ]
        # The brackets of an extra are no markup.
        table.add_row(*map(escape, cells), *([reason or ""] if every else []))
    if not table.row_count:
        raise UnknownEnvironmentError(
            f"No environment has '{part}' in its name; 'arlbench envs' lists all of them."
        )
    Console().print(table)
