"""One tree of arrays in one file, NumPy's ``npz``: named arrays, and nothing executable.

Each leaf is an array named by its path in the tree. What ``npz`` has no type for is kept
as its bits, and ``__types__`` says what it was: random keys as their data with the name
of their generator, small floats such as bfloat16 as plain bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from arlbench.errors import CheckpointError

_TYPES = "__types__"
_KEY = "key:"


class HostKey(NamedTuple):
    """A random key as NumPy sees it.

    Attributes:
        data: The words, ``[..., n_words]``.
        generator: The name of its generator, such as ``threefry2x32``.
    """

    data: np.ndarray
    generator: str


def on_host(tree: Any) -> Any:
    """A copy in ordinary memory, which a training that goes on cannot overwrite."""
    return jax.tree.map(_copy, tree, is_leaf=_is_host_key)


def write_tree(path: Path, tree: Any) -> None:
    """Writes a tree of arrays, numbers and random keys; the file must not be there yet."""
    arrays: dict[str, np.ndarray] = {}
    types: dict[str, str] = {}
    for name, leaf in _named_leaves(tree):
        if name in arrays or name == _TYPES:
            raise CheckpointError(f"Two leaves of a tree would both be called {name}; rename one.")
        arrays[name], kind = _encode(leaf)
        if kind is not None:
            types[name] = kind
    with path.open("xb") as file:
        np.savez(file, allow_pickle=False, **{_TYPES: np.array(json.dumps(types))}, **arrays)


def read_leaves(path: Path) -> dict[str, Any]:
    """All leaves by name, as NumPy arrays, or ``HostKey`` for random keys."""
    with np.load(path, allow_pickle=False) as file:
        types = json.loads(str(file[_TYPES]))
        return {name: _decode(file[name], types.get(name)) for name in file.files if name != _TYPES}


def read_tree(path: Path, like: Any, what: str) -> Any:
    """Reads a tree into the structure of another.

    Args:
        path: The file.
        like: A tree of arrays or ``jax.ShapeDtypeStruct``; a length of None in a shape
            fits any length.
        what: What the tree is called in an error.

    Returns:
        The tree, its leaves in new memory of the default device.

    Raises:
        CheckpointError: Naming the leaf that is missing, unexpected, or of another
            shape or type, with what was found and what was wanted.
    """
    stored = read_leaves(path)
    expected = _named_leaves(like)
    for name in sorted(stored.keys() ^ {name for name, _ in expected}):
        fault = "is not part of it here" if name in stored else "is missing in the checkpoint"
        raise CheckpointError(
            f"{what}: the leaf {name} {fault}; it was saved from another network, environment "
            "or setting."
        )
    for name, leaf in expected:
        _check(what, name, stored[name], leaf)
    leaves = [_on_device(stored[name]) for name, _ in expected]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree.leaves_with_path(tree, is_leaf=_is_host_key)
    return [
        (jax.tree_util.keystr(path, simple=True, separator="/") or "value", leaf)
        for path, leaf in leaves
    ]


def _is_host_key(x: Any) -> bool:
    return isinstance(x, HostKey)


def _is_key(x: Any) -> bool:
    return jax.numpy.issubdtype(getattr(x, "dtype", np.float32), jax.dtypes.prng_key)


def _copy(leaf: Any) -> Any:
    if isinstance(leaf, HostKey):
        return leaf
    if _is_key(leaf):
        data = np.array(jax.random.key_data(leaf), copy=True)
        return HostKey(data, str(jax.random.key_impl(leaf)))
    return np.array(leaf, copy=True)


def _encode(leaf: Any) -> tuple[np.ndarray, str | None]:
    if _is_key(leaf):
        leaf = _copy(leaf)
    if isinstance(leaf, HostKey):
        return leaf.data, _KEY + leaf.generator
    array = np.asarray(leaf)
    if array.dtype.hasobject:
        raise CheckpointError(f"A {type(leaf).__name__} cannot be saved; a tree holds arrays.")
    if array.dtype.isbuiltin != 1:
        return array.view(f"V{array.dtype.itemsize}"), array.dtype.name
    return array, None


def _decode(array: np.ndarray, kind: str | None) -> Any:
    if kind is None:
        return array
    if kind.startswith(_KEY):
        return HostKey(array, kind.removeprefix(_KEY))
    return array.view(jax.numpy.dtype(kind))


def _check(what: str, name: str, stored: Any, wanted: Any) -> None:
    if _is_key(wanted) or isinstance(stored, HostKey):
        same_kind = _is_key(wanted) and isinstance(stored, HostKey)
        if not same_kind or stored.data.shape[:-1] != wanted.shape:
            raise CheckpointError(f"{what}: the leaf {name} must be a random key on both sides.")
        return
    shape = tuple(np.shape(wanted))
    if len(stored.shape) != len(shape) or any(
        n not in {None, m} for n, m in zip(shape, stored.shape, strict=True)
    ):
        wished = str(shape).replace("None", "any")
        raise CheckpointError(
            f"{what}: the leaf {name} has the shape {stored.shape} in the checkpoint and "
            f"{wished} here; it was saved from another network, environment or setting."
        )
    dtype = wanted.dtype if hasattr(wanted, "dtype") else np.result_type(wanted)
    if stored.dtype != dtype:
        raise CheckpointError(
            f"{what}: the leaf {name} is {stored.dtype} in the checkpoint and {dtype} here."
        )


def _on_device(leaf: Any) -> jax.Array:
    if isinstance(leaf, HostKey):
        return jax.random.wrap_key_data(jax.numpy.asarray(leaf.data), impl=leaf.generator)
    # Memory of its own: training takes it over, and NumPy's cannot be taken over.
    return jax.device_put(leaf, may_alias=False)
