"""Runs functions of other libraries independently of a user's settings of JAX."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")


def leniently(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run with JAX's default settings instead of the user's.

    By default, ranks and types are promoted implicitly, and numbers have 32 bits. Users may choose
    strict promotion or double precision for their own code, but a library's code may not be
    written for these settings.
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
