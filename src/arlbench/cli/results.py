"""Prints results for people.

They are the only text that goes to the standard output. Progress, notes and errors go to the
standard error, so that a pipe or a file receives the results alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console


def console() -> Console:
    """A console for results, which has the width of the terminal at this moment."""
    return Console(highlight=False)


def width() -> int:
    """Characters that a line of a table may have; in a pipe or a file, any number."""
    of_results = console()
    return of_results.width if of_results.is_terminal else sys.maxsize


def say(lines: Iterable[str], style: str | None = None) -> None:
    """Prints lines as they are, none of them broken."""
    of_results = console()
    for line in lines:
        of_results.print(line, style=style, markup=False, soft_wrap=True)
