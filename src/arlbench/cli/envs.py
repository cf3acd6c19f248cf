"""``arlbench envs``: what can be trained."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table


def envs(
    every: bool = typer.Option(False, "--all", help="Also list what cannot be trained, and why."),
) -> None:
    """List the environments that can be trained."""
    from arlbench.core.environments import list_environments

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("environment", "framework", "observation"):
        table.add_column(column)
    for column in ("actions", "time limit"):
        table.add_column(column, justify="right")
    if every:
        table.add_column("cannot be trained because")
    for env in list_environments():
        if env.unusable and not every:
            continue
        cells = [
            env.name,
            env.framework,
            env.observation,
            str(env.n_actions or "-"),
            str(env.time_limit or "-"),
        ]
        table.add_row(*cells, *([env.unusable or ""] if every else []))
    Console().print(table)
