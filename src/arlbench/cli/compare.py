"""``arlbench compare``: studies of one problem with several tuners, in one table and picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from arlbench.cli import display, results, tables
from arlbench.errors import StorageError
from arlbench.report.numbers import finite_or_none, together
from arlbench.report.statistics import LEAST_FOR_INTERVAL

if TYPE_CHECKING:
    import pandas as pd

    from arlbench.tuning import Comparison

#: The name of the picture.
PICTURE = "comparison.png"

#: The heading of intervals of several kinds.
_ANY_SPREAD = "interval"

_FOLDERS = typer.Argument(
    ..., metavar="[NAME=]FOLDER", help="The folders of studies, repeated or not, and names."
)
_OUT = typer.Option(
    Path(), metavar="FOLDER", help=f"Where to draw {PICTURE}.", show_default="the current folder"
)
_CSV = typer.Option(None, "--csv", metavar="FILE", help="Also write the table to this file.")


def compare(
    folders: list[str] = _FOLDERS,
    out: Path = _OUT,
    csv: Path = _CSV,
    quiet: bool = typer.Option(False, "--quiet", help="Print nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the table as JSON only."),
) -> None:
    """Compare: arlbench compare random=runs/study-001 runs/hyperband --csv table.csv"""
    from arlbench.tuning.comparing import compare as compare_studies

    found = compare_studies(folders)
    picture = _draw(found, out)
    if csv is not None:
        _write(csv, found.table.to_csv())
    written_files = [str(path) for path in (picture, csv) if path is not None]
    if as_json:
        typer.echo(json.dumps(_as_json(found, written_files)))
    elif not quiet:
        _say(found, written_files)


def _draw(found: Comparison, folder: Path) -> Path | None:
    """Draws the picture into a folder; its path, or None if no study has anything to draw."""
    from arlbench.report import comparison_picture
    from arlbench.report.comparison_picture import DrawnStudy
    from arlbench.report.courses import Course

    known = {name: found.returns[name].dropna() for name in found.table.index}
    studies = [
        DrawnStudy(name, Course(returns.index.to_numpy(), returns.to_numpy().T))
        for name, returns in known.items()
        if len(returns)
    ]
    if not studies:
        return None
    path = folder / PICTURE
    _write(path, comparison_picture.draw(studies, found.title))
    return path


def _write(path: Path, content: str | bytes) -> None:
    from arlbench.core import files

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, content)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}); choose another place."
        ) from error


def _say(found: Comparison, written_files: Sequence[str]) -> None:
    """Prints the table for people."""
    results.say([*table(found.table, results.width()), *_explanation(found.table)])
    for note in found.notes:
        display.notice(note)
    if written_files:
        results.say([f"written: {', '.join(written_files)}"])


def table(found: pd.DataFrame, width: int = sys.maxsize) -> list[str]:
    """Lines with one row for each study; two tables under each other if they are too wide.

    Args:
        found: The table of a comparison.
        width: Characters of a line.
    """
    counts = [_counts(name, row) for name, row in found.iterrows()]
    columns = [_returns(found, what) for what in ("tuning", "test")]
    named = ["objective"] if "objective" in found else []
    header = ("study", "tuner", *named, "repeats", "trials", "total steps")
    n_first, n_texts = len(header), 2 + len(named)
    rows = [
        (*cells, *tuning, *test)
        for cells, tuning, test in zip([header, *counts], *columns, strict=True)
    ]
    lines = tables.lines(rows, range(n_texts, len(rows[0])))
    if max(map(len, lines)) <= width:
        return lines
    first = tables.lines([row[:n_first] for row in rows], range(n_texts, n_first))
    rest = [(row[0], *row[n_first:]) for row in rows]
    return [*first, "", *tables.lines(rest, range(1, len(rest[0])))]


def _counts(name: Any, row: pd.Series[Any]) -> tuple[str, ...]:
    counts = (row["trials"], round(row["total_steps"]))
    objective = [row["objective"]] if "objective" in row else []
    return str(name), str(row["tuner"]), *objective, str(row["repeats"]), *map(_count, counts)


def _count(value: float) -> str:
    """A mean of whole numbers, with a decimal only if it is not one."""
    return f"{value:,.1f}".removesuffix(".0")


def _returns(found: pd.DataFrame, what: str) -> list[tuple[str, ...]]:
    """Headings, then the mean and its spread for each study, with the same number of decimals.

    The spread is left out if no study has one.
    """
    values = found[[f"{what}_{end}" for end in ("return", "low", "high")]].to_numpy(float)
    texts = np.full(values.shape, "-", dtype=object)
    known = np.isfinite(values)
    if known.any():
        texts[known] = together(*values[known])
    headings = (f"{what} return", _spread_name(found[f"{what}_spread"]))
    if not known[:, 1].any():
        return [headings[:1], *((mean,) for mean, *_ in texts)]
    spreads = ((mean, f"{low} to {high}" if low != "-" else "-") for mean, low, high in texts)
    return [headings, *spreads]


def _spread_name(names: pd.Series[str]) -> str:
    """The name of the spreads in a column."""
    known = dict.fromkeys(filter(None, names))
    return known.popitem()[0] if len(known) == 1 else _ANY_SPREAD


def _explanation(found: pd.DataFrame) -> list[str]:
    """A line about what the spreads are, if those of a column are not the same in all rows."""
    known = [set(filter(None, found[f"{what}_spread"])) for what in ("tuning", "test")]
    few = f"the range of fewer than {LEAST_FOR_INTERVAL} repeats"
    line = f"{_ANY_SPREAD}: the 95 % interval of the mean, or {few}"
    return [line] if max(map(len, known)) > 1 else []


def _as_json(found: Comparison, written_files: Sequence[str]) -> dict[str, Any]:
    rows = found.table.reset_index().to_dict(orient="records")
    return {
        "studies": [
            {k: finite_or_none(v) if isinstance(v, float) else v for k, v in row.items()}
            for row in rows
        ],
        "notes": list(found.notes),
        "written": list(written_files),
    }
