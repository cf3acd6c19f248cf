"""What registries of users' functions share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


def same_function(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether it is one function, perhaps defined again, as by a notebook's cell."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


@contextlib.contextmanager
def blamed_on(what: str) -> Iterator[None]:
    """Notes in an error whose it is."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This was raised by {what}.")
        raise
