"""Shapes of arrays with some arbitrary lengths, which ``jax.ShapeDtypeStruct`` does not allow."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np


@dataclasses.dataclass(frozen=True)
class ArrayTemplate:
    """The required shape and type of an array; a leaf of a tree, like the array.

    Attributes:
        shape: The lengths, with None for any length.
        dtype: The dtype, which may be that of random keys.
    """

    shape: tuple[int | None, ...]
    dtype: Any

    def __post_init__(self) -> None:
        if not jax.numpy.issubdtype(self.dtype, jax.dtypes.extended):
            object.__setattr__(self, "dtype", np.dtype(self.dtype))

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether arrays of this shape fit; their dtype is not checked."""
        same_rank = len(shape) == len(self.shape)
        return same_rank and all(
            wanted in {None, length} for wanted, length in zip(self.shape, shape, strict=True)
        )

    def __str__(self) -> str:
        return str(self.shape).replace("None", "any")


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Alternative templates, which differ in the names of their leaves; a stored tree must fit one.

    Attributes:
        templates: Trees of arrays, shapes or templates; the first is described in errors.
    """

    templates: tuple[Any, ...]


def any_number(leaf: Any) -> ArrayTemplate:
    """The template for any number of ``leaf`` (an array or its shape), along a new first axis."""
    return ArrayTemplate((None, *leaf.shape), leaf.dtype)
