"""What the libraries offer, written down, so that a list needs none of them.

``make catalogue`` writes the table again from the libraries that are installed; a test
holds it against them.
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Iterable
from importlib import resources

from arlbench.core.environments.listing import EnvListing

_FILE = "catalogue.csv"


@functools.cache
def read() -> tuple[EnvListing, ...]:
    """Every environment in the table."""
    return tuple(_parse(row) for row in csv.DictReader(io.StringIO(_text())))


def write(listings: Iterable[EnvListing]) -> str:
    """The table as CSV; what is None is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(EnvListing._fields)
    writer.writerows(listings)
    return file.getvalue()


def _text() -> str:
    return resources.files(__package__).joinpath(_FILE).read_text()


def _parse(row: dict[str, str]) -> EnvListing:
    numbers = {name: int(row[name]) if row[name] else None for name in ("n_actions", "time_limit")}
    texts = {name: row[name] or None for name in ("unusable", "extra", "action_kind")}
    return EnvListing(**{**row, **numbers, **texts})  # type: ignore[arg-type]
