"""Tables of the environments of all libraries, so that listing them needs no library.

Each framework has one table. If an older Python installs an older release of a framework, that
Python has its own table, such as ``navix-python3.11.csv``.

``make catalogue`` writes the tables again from the installed libraries; a test compares them.
"""

from __future__ import annotations

import csv
import functools
import io
import sys
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable

from arlbench.core.environments.listing import EnvListing

_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


@functools.cache
def read(framework: str) -> tuple[EnvListing, ...]:
    """All environments in the table of a framework; empty if the table does not exist."""
    file = table(framework)
    if not file.is_file():
        return ()
    return tuple(_parse(row) for row in csv.DictReader(io.StringIO(file.read_text())))


def table(framework: str) -> Traversable:
    """The path of the table for this Python, even if it does not exist."""
    folder = _folder()
    for_this_python = folder / f"{framework}-{_PYTHON}.csv"
    return for_this_python if for_this_python.is_file() else folder / f"{framework}.csv"


def write(listings: Iterable[EnvListing]) -> str:
    """A table as CSV; None becomes an empty cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(EnvListing._fields)
    writer.writerows(listings)
    return file.getvalue()


def _folder() -> Traversable:
    return resources.files(__package__) / "tables"


def _parse(row: dict[str, str]) -> EnvListing:
    numbers = {name: int(row[name]) if row[name] else None for name in ("n_actions", "time_limit")}
    texts = {name: row[name] or None for name in ("unusable", "extra", "action_kind")}
    return EnvListing(**{**row, **numbers, **texts})  # type: ignore[arg-type]
