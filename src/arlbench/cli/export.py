"""``arlbench export``: writes a study for other tools."""

from __future__ import annotations

from pathlib import Path

import typer

from arlbench.core.checks import known_names

_TO = typer.Option("optuna", help="The tool to export to: optuna.")
_STORAGE = typer.Option(
    None, metavar="URL", help="The storage. By default the file optuna.db in the study's folder."
)
_NAME = typer.Option(None, help="The study's name in the storage. By default its folder's name.")


def export(
    folder: Path = typer.Argument(..., help="The folder of a study."),
    to: str = _TO,
    storage: str = _STORAGE,
    name: str = _NAME,
    quiet: bool = typer.Option(False, "--quiet", help="Print nothing."),
) -> None:
    """Export: arlbench export runs/CartPole-v1-study-001 --to optuna"""
    from arlbench.tuning.optuna_mirror import export as export_study

    known_names([to], ["optuna"], "kind of export")
    url = storage or f"sqlite:///{(folder / 'optuna.db').resolve()}"
    n_trials = export_study(folder, url, name)
    if not quiet:
        typer.echo(f"{n_trials} trials in {url}; see them with: optuna-dashboard {url}")
