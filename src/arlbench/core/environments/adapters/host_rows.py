"""Writes observations into the rows of arrays, and checks each against its space."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from arlbench.core.environments.adapters import host_spaces
from arlbench.core.environments.adapters.host_values import MisfitError, shown

# Kinds of dtypes: flags, signed and unsigned integers, floats.
_NUMBERS = "biuf"

# Numbers up to this size certainly fit into 64 bits.
_FAR = 2**62

_FLOAT_CURE = "return finite numbers of at most 3.4e+38 in size, for example by clipping them"
_SPACE_CURE = "return values of that space, or change the space"


class Rows:
    """Writes observations into arrays ``[n_envs, ...]``, one for each part of their space.

    An observation with the dtype and shape of its space is only copied. Anything else is accepted
    if it has the same numbers in another form, and refused otherwise. Numbers of 64 bits are first
    stored as they are, and then converted to 32 bits for all copies together.

    Args:
        space: The space of one observation, with the environment's own dtypes.
    """

    def __init__(self, space: spaces.Space) -> None:
        self._space = space
        self._columns = [_Column(part, name) for name, part in _parts(space)]
        self._is_composed = isinstance(space, spaces.Dict | spaces.Tuple)

    def staged(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The arrays to write to: the rows themselves, or arrays with the environment's dtypes."""
        pairs = zip(self._columns, rows, strict=True)
        return [
            row if column.is_kept else np.empty(row.shape, column.declared) for column, row in pairs
        ]

    def write(self, staged: Sequence[np.ndarray], i: int, obs: Any) -> None:
        """Writes the observation of copy ``i``.

        Raises:
            MisfitError: If it does not fit the space.
        """
        if not self._is_composed:
            self._columns[0].write(staged[0], i, obs)
            return
        try:
            values = _values(self._space, obs)
            for column, array, value in zip(self._columns, staged, values, strict=True):
                column.write(array, i, value)
        except MisfitError as error:
            error.copy = i
            raise

    def write_all(self, staged: Sequence[np.ndarray], obs: Any) -> None:
        """Writes the observations of all copies, leaves ``[n_envs, ...]``.

        Raises:
            MisfitError: If they do not fit the space.
        """
        values = _values(self._space, obs) if self._is_composed else [obs]
        for column, array, value in zip(self._columns, staged, values, strict=True):
            column.write_all(array, value)

    def finish(self, staged: Sequence[np.ndarray], rows: Sequence[np.ndarray]) -> None:
        """Converts the written values to 32 bits, and checks the values of all copies.

        Raises:
            MisfitError: If the dtype of a row cannot hold a value, or a network cannot read it.
        """
        for column, array, row in zip(self._columns, staged, rows, strict=True):
            if array is not row:
                with np.errstate(over="ignore", invalid="ignore"):
                    row[...] = array
            column.check(array, row)

    def of_one(self, obs: Any) -> list[np.ndarray]:
        """New arrays with a single observation, ``[1, ...]``.

        Raises:
            MisfitError: If it does not fit the space.
        """
        rows = [column.empty(1) for column in self._columns]
        staged = self.staged(rows)
        self.write(staged, 0, obs)
        self.finish(staged, rows)
        return rows


class _Column:
    """One array of the observations.

    Attributes:
        declared: The environment's own dtype.
        is_kept: Whether the array has the same dtype.
    """

    def __init__(self, space: spaces.Space, name: str) -> None:
        self._space, self._name = space, name
        self._shape = tuple(space.shape or ())
        self.declared = np.dtype(space.dtype)
        bounds = host_spaces.categories(space)
        self._bounds = None if bounds is None else (bounds[0][None], bounds[1][None])
        self._dtype = np.dtype(host_spaces.shapes(host_spaces.narrowed(space), 1).dtype)
        self.is_kept = self._dtype == self.declared
        self._is_index = not self._shape and self.declared == np.int64

    def empty(self, n_envs: int) -> np.ndarray:
        """An array of observations."""
        return np.empty((n_envs, *self._shape), self._dtype)

    def write(self, array: np.ndarray, i: int, value: Any) -> None:
        """Writes one value into row ``i``."""
        kind = type(value)
        if kind is np.ndarray:
            fits = value.dtype == self.declared and value.shape == self._shape
        else:
            fits = self._is_index and (kind is np.int64 or (kind is int and abs(value) < _FAR))
        array[i] = value if fits else self._fitted(value, i)

    def write_all(self, array: np.ndarray, values: Any) -> None:
        """Writes the values of all copies."""
        if isinstance(values, np.ndarray) and (values.dtype, values.shape) == (
            self.declared,
            array.shape,
        ):
            array[...] = values
            return
        if len(values) != len(array):
            what = f"gave {self._name} for {len(values)} copies"
            raise MisfitError(what, f"it must give one for each of the {len(array)} copies")
        for i, value in enumerate(values):
            self.write(array, i, value)

    def check(self, array: np.ndarray, row: np.ndarray) -> None:
        """Raises if any row has a value that does not fit."""
        if self._bounds is not None:
            good = (array >= self._bounds[0]) & (array <= self._bounds[1])
            cure = _SPACE_CURE
        elif row.dtype.kind == "f":
            if _is_small(row):
                return
            good, cure = np.isfinite(row), _FLOAT_CURE
        elif array is not row:
            good, cure = array == row, _SPACE_CURE
        else:
            return
        if not good.all():
            first = tuple(np.argwhere(~good)[0])
            raise MisfitError(self._gave(array[first]), cure, copy=int(first[0]))

    def _fitted(self, value: Any, copy: int) -> np.ndarray:
        """The same numbers, from this copy, as an array of this dtype and shape."""
        try:
            array = np.asarray(value)
        except ValueError:  # lists of unequal length
            array = np.empty((), object)
        if array.dtype.kind not in _NUMBERS:
            raise MisfitError(self._gave(value), _SPACE_CURE, copy)
        if array.shape != self._shape:
            what = f"gave {self._name} of shape {array.shape} ({shown(value)})"
            cure = f"its space is {described(self._space)}, so its shape must be {self._shape}"
            raise MisfitError(what, cure, copy)
        if np.can_cast(array.dtype, self.declared, "safe"):
            return array
        with np.errstate(over="ignore", invalid="ignore"):
            cast = array.astype(self.declared)
        lost = cast != array
        # A float may be rounded; values outside its range are found when all rows are checked.
        if self.declared.kind != "f" and lost.any():
            raise MisfitError(self._gave(array[lost].flat[0]), _SPACE_CURE, copy)
        return cast

    def _gave(self, value: Any) -> str:
        value = value.item() if isinstance(value, np.generic) else value
        # A space of 64-bit floats may hold a finite number that its 32-bit form cannot.
        is_large = self.declared.kind == "f" and isinstance(value, float) and math.isfinite(value)
        why = "does not fit into 32 bits" if is_large else f"{described(self._space)} cannot hold"
        return f"gave {self._name} of {shown(value)}, which {why}"


def _is_small(row: np.ndarray) -> bool:
    """Whether the sum of all squares, and so every number, is finite; this check is the fastest."""
    flat = row.reshape(-1)
    with np.errstate(over="ignore"):
        return math.isfinite(flat.dot(flat))


def described(space: spaces.Space) -> str:
    """A short description of a space, as part of a sentence."""
    if isinstance(space, spaces.MultiDiscrete):
        return f"MultiDiscrete of shape {space.shape}"
    text = " ".join(str(space).split())
    return text if len(text) <= 80 else f"{type(space).__name__} of shape {space.shape}"


def _parts(space: spaces.Space, name: str = "an observation") -> Iterator[tuple[str, spaces.Space]]:
    """The parts that are not composed, with names, in the order of ``jax.tree.leaves``."""
    if isinstance(space, spaces.Dict):
        for key in sorted(space.spaces):
            yield from _parts(space[key], f"the entry {key!r} of an observation")
    elif isinstance(space, spaces.Tuple):
        for part in space:
            yield from _parts(part, name)
    else:
        yield name, space


def _values(space: spaces.Space, obs: Any) -> Iterator[Any]:
    """The arrays and numbers of one observation, in the same order.

    Raises:
        MisfitError: If it is not composed like its space.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(obs, Mapping) or obs.keys() != space.spaces.keys():
            given = f"the keys {sorted(obs, key=str)}" if isinstance(obs, Mapping) else shown(obs)
            what = f"gave an observation with {given}"
            raise MisfitError(what, f"its space is a Dict with the keys {sorted(space.spaces)}")
        for key in sorted(space.spaces):
            yield from _values(space[key], obs[key])
    elif isinstance(space, spaces.Tuple):
        if not isinstance(obs, tuple | list) or len(obs) != len(space.spaces):
            what = f"gave {shown(obs)} as an observation"
            raise MisfitError(what, f"its space is a Tuple of {len(space.spaces)} parts")
        for part, value in zip(space.spaces, obs, strict=True):
            yield from _values(part, value)
    else:
        yield obs
