"""Writes the tables of environments again, from the installed libraries."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from arlbench.core.environments import catalogue, registry


def main() -> None:
    """Writes one table for each installed framework, and prints its name."""
    listings = registry.live_listings()
    for framework, offered in itertools.groupby(listings, key=lambda listing: listing.framework):
        path = Path(str(catalogue.table(framework)))
        new = path.with_suffix(".new")
        new.write_text(catalogue.write(offered))
        os.replace(new, path)
        print(path)


if __name__ == "__main__":
    main()
