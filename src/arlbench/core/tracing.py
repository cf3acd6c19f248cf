"""What a function would compute, read from its trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

#: Loops whose length is not known before the program runs, and branches.
WAITING = frozenset({"while", "cond"})

# Numbers that a function may compute and still be cheap.
_CHEAP = 20_000


def equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """Every equation of a jaxpr and of those within it."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in subjaxprs(equation):
            yield from equations(inner)


def subjaxprs(equation: JaxprEqn) -> Iterator[Jaxpr]:
    """The jaxprs that an equation calls."""
    for value in equation.params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(part, (ClosedJaxpr, Jaxpr)):
                yield part.jaxpr if isinstance(part, ClosedJaxpr) else part


def is_cheap(function: Callable[..., Any], *arguments: Any) -> bool:
    """Whether a function computes few numbers and has no loops of unknown length."""
    traced = list(equations(jax.make_jaxpr(function)(*arguments).jaxpr))
    values: list[Any] = [variable.aval for equation in traced for variable in equation.outvars]
    size = sum(math.prod(value.shape) for value in values)
    return size <= _CHEAP and not any(equation.primitive.name in WAITING for equation in traced)
