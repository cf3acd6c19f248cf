"""One tree of arrays in one file, in NumPy's ``npz`` format: named arrays, nothing executable.

Each leaf is an array named by its path in the tree. Types that ``npz`` lacks are stored as
bits, and ``__types__`` records them: random keys are stored as their data with the name of
their generator, small floats such as bfloat16 as plain bytes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from arlbench.core.shapes import ArrayTemplate, OneOf
from arlbench.errors import CheckpointError

_TYPES = "__types__"
_KEY = "key:"

# The value of NumPy's ``dtype.isbuiltin`` for types that another package has added.
_OF_A_PACKAGE = 2


# Errors that NumPy and zipfile raise when they read a file of another kind.
_NO_TREE = (
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    EOFError,
    zipfile.BadZipFile,
)


class HostKey(NamedTuple):
    """A random key in NumPy.

    Attributes:
        data: The words, ``[..., n_words]``.
        generator: The name of its generator, such as ``threefry2x32``.
    """

    data: np.ndarray
    generator: str


def on_host(tree: Any) -> Any:
    """A copy in ordinary memory, which cannot be overwritten when the training continues."""
    return jax.tree.map(_copy, tree, is_leaf=_is_host_key)


def on_device(tree: Any) -> Any:
    """The inverse of :func:`on_host`, in new memory of the default device."""
    leaves, treedef = jax.tree.flatten(tree, is_leaf=_is_host_key)
    # In new memory, because training donates these buffers, and NumPy's memory cannot be donated.
    # All leaves in one call, because a call takes longer than copying.
    arrays = jax.device_put([x.data if _is_host_key(x) else x for x in leaves], may_alias=False)
    made = [
        jax.random.wrap_key_data(array, impl=leaf.generator) if _is_host_key(leaf) else array
        for leaf, array in zip(leaves, arrays, strict=True)
    ]
    return jax.tree.unflatten(treedef, made)


def write_tree(path: Path, tree: Any) -> None:
    """Writes a tree of arrays, numbers and random keys; the file must not exist yet."""
    arrays: dict[str, np.ndarray] = {}
    types: dict[str, str] = {}
    for name, leaf in _named_leaves(tree):
        if name in arrays or name == _TYPES:
            raise CheckpointError(f"Two leaves of a tree would have the name {name}; rename one.")
        if not name.isprintable():
            raise CheckpointError(
                f"A leaf has the name {name!r}, which cannot be stored in a file; rename it."
            )
        arrays[name], kind = _encode(name, leaf)
        if kind is not None:
            types[name] = kind
    # Not numpy.savez, because a leaf may have the name of one of its own arguments.
    with zipfile.ZipFile(path, "x") as file:
        for name, array in {_TYPES: np.array(json.dumps(types)), **arrays}.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_leaves(path: Path) -> dict[str, Any]:
    """All leaves by name, as NumPy arrays, or ``HostKey`` for random keys.

    Raises:
        CheckpointError: If the file was not written by :func:`write_tree`.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            # By the full name in the archive, because a leaf itself may have a name like "a.npy".
            arrays = {name: file[f"{name}.npy"] for name in file.files}
        types = json.loads(str(arrays.pop(_TYPES)))
        return {name: _decode(array, types.get(name)) for name, array in arrays.items()}
    except _NO_TREE as error:
        raise CheckpointError(f"{path} does not contain a tree of arrays ({error}).") from error


def read_tree(path: Path, like: Any, what: str) -> Any:
    """Reads a tree into the structure of another.

    Args:
        path: The file.
        like: A tree whose leaves are arrays, ``jax.ShapeDtypeStruct``, ``ArrayTemplate`` for
            arrays with arbitrary lengths, or ``OneOf`` for parts that have one of several forms.
        what: The name of the tree in an error.

    Returns:
        The tree, with its leaves in new memory of the default device.

    Raises:
        CheckpointError: If a leaf is missing, unexpected, or has another shape or type. The
            message names the leaf, what was found and what was expected.
    """
    stored = read_leaves(path)
    like = _with_choices(like, stored.keys())
    expected = _named_leaves(like)
    for name in sorted(stored.keys() ^ {name for name, _ in expected}):
        fault = (
            "is in the checkpoint but not expected here"
            if name in stored
            else "is missing in the checkpoint"
        )
        raise CheckpointError(
            f"{what}: the leaf {name} {fault}; it was saved from another network, environment "
            "or setting."
        )
    for name, leaf in expected:
        _check(what, name, stored[name], leaf)
    leaves = on_device([stored[name] for name, _ in expected])
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _with_choices(like: Any, names: Collection[str]) -> Any:
    """The tree, in which the template whose leaves have the stored names replaces each ``OneOf``.

    If no template has these names, the first one is used.
    """

    def choose(path: Any, leaf: Any) -> Any:
        if not isinstance(leaf, OneOf):
            return leaf
        begin = f"{jax.tree_util.keystr(path, simple=True, separator='/')}/" if path else ""
        own = {name.removeprefix(begin) for name in names if name.startswith(begin)}
        fitting = (t for t in leaf.templates if {name for name, _ in _named_leaves(t)} == own)
        return next(fitting, leaf.templates[0])

    return jax.tree_util.tree_map_with_path(choose, like, is_leaf=_is_host_key)


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


def _encode(name: str, leaf: Any) -> tuple[np.ndarray, str | None]:
    if _is_key(leaf):
        leaf = _copy(leaf)
    if isinstance(leaf, HostKey):
        return leaf.data, _KEY + leaf.generator
    array = np.asarray(leaf)
    if array.dtype.hasobject:
        raise CheckpointError(
            f"The leaf {name} cannot be saved, because it is not an array of numbers."
        )
    if array.dtype.isbuiltin == _OF_A_PACKAGE:
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
            raise CheckpointError(
                f"{what}: the leaf {name} must be a random key of the same shape both in the "
                "checkpoint and here."
            )
        return
    template = _template(wanted)
    if not template.fits(stored.shape):
        raise CheckpointError(
            f"{what}: the leaf {name} has the shape {stored.shape} in the checkpoint and "
            f"{template} here; it was saved from another network, environment or setting."
        )
    if stored.dtype != template.dtype:
        raise CheckpointError(
            f"{what}: the leaf {name} is {stored.dtype} in the checkpoint and {template.dtype} "
            "here."
        )


def _template(wanted: Any) -> ArrayTemplate:
    if isinstance(wanted, ArrayTemplate):
        return wanted
    dtype = wanted.dtype if hasattr(wanted, "dtype") else np.result_type(wanted)
    return ArrayTemplate(tuple(np.shape(wanted)), dtype)
