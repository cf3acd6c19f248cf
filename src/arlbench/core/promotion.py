"""Other people's functions under a user's settings of JAX."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")


def leniently(function: Callable[P, R]) -> Callable[P, R]:
    """The function, with JAX as it is by default, whatever the user has set.

    Ranks and types promote by themselves, and numbers have 32 bits: a user who is strict with
    the own code, or computes in double precision, cannot fix that of a library.
    """

    @functools.wraps(function)
    def lenient(*args: P.args, **kwargs: P.kwargs) -> R:
        with (
            jax.numpy_rank_promotion("allow"),
            jax.numpy_dtype_promotion("standard"),
            jax.enable_x64(False),
        ):
            return function(*args, **kwargs)

    return lenient
