"""Other people's functions under a user's strict settings of JAX."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")


def leniently(function: Callable[P, R]) -> Callable[P, R]:
    """The function, with ranks and types that promote by themselves whatever the user has set.

    A user who is strict with the own code cannot fix that of a library.
    """

    @functools.wraps(function)
    def lenient(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            return function(*args, **kwargs)

    return lenient
