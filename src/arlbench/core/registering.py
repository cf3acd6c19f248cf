"""Shared by the registries of users' functions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


def same_function(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether both are the same function, perhaps defined again, for example by a notebook cell."""
    name = getattr(one, "__qualname__", None)
    # Objects that can be called, such as those of functools.partial, have no such name.
    is_defined_again = name is not None and name == getattr(other, "__qualname__", None)
    return one is other or (is_defined_again and one.__module__ == other.__module__)


@contextlib.contextmanager
def blamed_on(what: str) -> Iterator[None]:
    """Adds a note to an error that says which function raised it."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This was raised by {what}.")
        raise
