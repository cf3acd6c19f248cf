"""Trees of arrays come back from a file bit by bit, and never as something else."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.checkpoints.trees import HostKey, on_host, read_leaves, read_tree, write_tree
from arlbench.core.shapes import ArrayTemplate, OneOf
from arlbench.errors import CheckpointError
from probes import same_bits


class Pair(NamedTuple):
    left: Any
    right: Any


def tree() -> Any:
    """A tree with all kinds of leaves."""
    return {
        "params": {"kernel": jnp.arange(6.0).reshape(2, 3), "none": None},
        "pair": Pair(jnp.array([True, False]), (jnp.int32(-3), jnp.zeros((0, 4), jnp.uint8))),
        "half": jnp.array([1.5, -0.0, jnp.inf, jnp.nan], jnp.bfloat16),
        "float": jnp.array([jnp.nan, -0.0, 1e-45], jnp.float32),
        "key": jax.random.key(3),
        "keys": jax.random.split(jax.random.key(4, impl="rbg"), 5),
    }


def through_a_file(path: Path, saved: Any, like: Any) -> Any:
    write_tree(path / "tree.npz", saved)
    return read_tree(path / "tree.npz", like, "tree")


@pytest.mark.parametrize("copy", [lambda t: t, on_host], ids=["on the device", "on the host"])
def test_a_tree_comes_back_in_every_bit_and_type(copy: Any, tmp_path: Path) -> None:
    loaded = through_a_file(tmp_path, copy(tree()), tree())
    assert jax.tree.structure(loaded) == jax.tree.structure(tree())
    assert same_bits(loaded, tree())
    assert [x.dtype for x in jax.tree.leaves(loaded)] == [x.dtype for x in jax.tree.leaves(tree())]
    assert loaded["half"].dtype == jnp.bfloat16
    # Keys keep their generator, so they still draw the same numbers.
    for name in ("key", "keys"):
        assert str(jax.random.key_impl(loaded[name])) == str(jax.random.key_impl(tree()[name]))
    assert float(jax.random.uniform(loaded["keys"][2])) == float(
        jax.random.uniform(tree()["keys"][2])
    )


def test_shapes_are_enough_to_read_a_tree(tmp_path: Path) -> None:
    shapes = jax.eval_shape(tree)
    assert same_bits(through_a_file(tmp_path, tree(), shapes), tree())


def test_numbers_of_python_and_a_leaf_alone_are_trees_too(tmp_path: Path) -> None:
    assert int(through_a_file(tmp_path, jnp.int32(7), jnp.int32(0))) == 7
    write_tree(tmp_path / "numbers.npz", {"a": 1, "b": 2.5, "c": True})
    read = read_leaves(tmp_path / "numbers.npz")
    assert {name: leaf.item() for name, leaf in read.items()} == {"a": 1, "b": 2.5, "c": True}


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), max_size=4)
        | st.sampled_from(["file", "allow_pickle", "arr_0", "a.npy", "a", "a.npy.npy", "args"]),
        st.integers(-100, 100),
        max_size=6,
    )
)
def test_a_leaf_may_be_called_anything(tmp_path_factory, leaves: dict[str, int]) -> None:
    path = tmp_path_factory.mktemp("names") / "tree.npz"
    if "" in leaves and "value" in leaves:
        with pytest.raises(CheckpointError, match="have the name value"):
            write_tree(path, leaves)
        return
    write_tree(path, leaves)
    read = {name: leaf.item() for name, leaf in read_leaves(path).items()}
    assert read == {name or "value": number for name, number in leaves.items()}


@pytest.mark.parametrize("name", ["\0", "a\0b", "\ud800", "line\n"])
def test_a_name_that_no_file_can_hold_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="which cannot be stored in a file"):
        write_tree(tmp_path / "tree.npz", {name: 1})


@pytest.mark.parametrize("name", ["a/b", "__types__"])
def test_two_leaves_of_one_name_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"have the name {name}"):
        write_tree(tmp_path / "tree.npz", {"a": {"b": 1}, name: 2})


@pytest.mark.parametrize("array", [np.array([1.5], ">f4"), np.array(["text"]), np.array(5, ">i8")])
def test_arrays_that_jax_has_no_type_for_come_back_as_they_were(
    array: np.ndarray, tmp_path: Path
) -> None:
    write_tree(tmp_path / "tree.npz", {"a": array})
    read = read_leaves(tmp_path / "tree.npz")["a"]
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_a_copy_on_the_host_does_not_follow_its_origin() -> None:
    origin = {"a": np.zeros(3), "key": jax.random.key(1)}
    copy = on_host(origin)
    origin["a"] += 1
    np.testing.assert_array_equal(copy["a"], np.zeros(3))
    assert isinstance(copy["key"], HostKey)
    assert copy["key"].generator == "threefry2x32"
    assert on_host(None) is None


def test_what_is_read_can_be_taken_over_by_a_program(tmp_path: Path) -> None:
    # Aligned for JAX, so that it would prefer NumPy's memory to a copy.
    loaded = through_a_file(tmp_path, {"a": jnp.arange(4096.0)}, {"a": jnp.zeros(4096)})
    doubled = jax.jit(lambda x: 2 * x, donate_argnums=0)(loaded["a"])
    assert loaded["a"].is_deleted()
    np.testing.assert_array_equal(doubled, 2 * np.arange(4096.0))


ZEROS = {"net": {"kernel": np.zeros((4, 8), np.float32), "step": np.int32(0)}}

MISFITS = {
    "another shape": (
        {"net": {"kernel": np.zeros((4, 16), np.float32), "step": np.int32(0)}},
        ["net/kernel", "(4, 16) in the checkpoint", "(4, 8) here"],
    ),
    "another number of axes": (
        {"net": {"kernel": np.zeros(4, np.float32), "step": np.int32(0)}},
        ["net/kernel", "(4,) in the checkpoint", "(4, 8) here"],
    ),
    "another type": (
        {"net": {"kernel": np.zeros((4, 8), np.float16), "step": np.int32(0)}},
        ["net/kernel", "float16 in the checkpoint", "float32 here"],
    ),
    "a leaf too few": (
        {"net": {"step": np.int32(0)}},
        ["net/kernel is missing in the checkpoint"],
    ),
    "a leaf too many": (
        {"net": {**ZEROS["net"], "bias": np.zeros(8)}},
        ["net/bias is in the checkpoint but not expected here"],
    ),
    "a key for a number": (
        {"net": {**ZEROS["net"], "step": HostKey(np.zeros(2, np.uint32), "threefry2x32")}},
        ["net/step", "random key of the same shape"],
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_leaf_that_does_not_fit_is_named(misfit: str, tmp_path: Path) -> None:
    saved, expected = MISFITS[misfit]
    with pytest.raises(CheckpointError) as error:
        through_a_file(tmp_path, saved, ZEROS)
    for part in ["tree: ", *expected]:
        assert part in str(error.value)


@pytest.mark.parametrize(
    "saved",
    [lambda: np.zeros(2, np.uint32), lambda: jax.random.split(jax.random.key(0))],
    ids=["raw", "two keys"],
)
def test_a_key_fits_only_a_key_of_its_shape(saved: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="the leaf k must be a random key"):
        through_a_file(tmp_path, {"k": saved()}, {"k": jax.random.key(0)})


@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_length_of_none_fits_any_length(n: int, tmp_path: Path) -> None:
    like = {"rows": ArrayTemplate((None, 3), np.float32)}
    saved = {"rows": np.ones((n, 3), np.float32)}
    assert through_a_file(tmp_path, saved, like)["rows"].shape == (n, 3)
    (tmp_path / "tree.npz").unlink()
    with pytest.raises(CheckpointError, match=r"\(any, 3\) here"):
        through_a_file(tmp_path, {"rows": np.ones((n, 4), np.float32)}, like)


class Boom:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_an_object_is_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="The leaf net/fn cannot be saved"):
        write_tree(tmp_path / "tree.npz", {"net": {"fn": print}})
    trap = tmp_path / "executed"
    np.savez(tmp_path / "evil.npz", a=np.array([Boom(trap)], dtype=object), __types__="{}")
    (tmp_path / "evil.pickle").write_bytes(pickle.dumps(Boom(trap)))
    for name in ("evil.npz", "evil.pickle"):
        with pytest.raises(CheckpointError, match="does not contain a tree of arrays"):
            read_leaves(tmp_path / name)
    assert not trap.exists()
    # The trap itself works.
    pickle.loads((tmp_path / "evil.pickle").read_bytes())
    assert trap.exists()


def test_other_files_are_no_trees(tmp_path: Path) -> None:
    np.savez(tmp_path / "foreign.npz", a=np.zeros(2))
    np.save(tmp_path / "single.npy", np.zeros(2))
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("PK but no archive")
    with zipfile.ZipFile(tmp_path / "texts.npz", "w") as file:
        file.writestr("readme.txt", "no array")
    for path in [*tmp_path.iterdir(), tmp_path / "nowhere.npz"]:
        with pytest.raises(CheckpointError, match="does not contain a tree of arrays"):
            read_leaves(path)


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree.npz", {"a": 1})
    with pytest.raises(FileExistsError):
        write_tree(tmp_path / "tree.npz", {"a": 2})
    assert read_leaves(tmp_path / "tree.npz")["a"] == 1


def test_numpy_alone_can_read_a_tree(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree.npz", {"params": {"kernel": jnp.arange(3.0)}})
    with np.load(tmp_path / "tree.npz") as file:
        np.testing.assert_array_equal(file["params/kernel"], [0.0, 1.0, 2.0])


def test_a_part_may_be_one_of_several_trees(tmp_path: Path) -> None:
    number = ArrayTemplate((), np.float32)
    choices = OneOf(({"left": number, "right": number}, {"left": number}))
    parts = [{"left": 1, "right": 2}, {"left": 1}]
    for i, part in enumerate(parts):
        tree = {"own": np.float32(0), "part": jax.tree.map(np.float32, part)}
        write_tree(tmp_path / f"{i}.npz", tree)
        found = read_tree(tmp_path / f"{i}.npz", {"own": number, "part": choices}, "tree")
        assert jax.tree.structure(found) == jax.tree.structure(tree)
        assert same_bits(found, tree)
        write_tree(tmp_path / f"alone-{i}.npz", tree["part"])
        assert same_bits(read_tree(tmp_path / f"alone-{i}.npz", choices, "tree"), tree["part"])
    write_tree(tmp_path / "other.npz", {"own": np.float32(0), "part": {"middle": np.float32(1)}})
    with pytest.raises(CheckpointError, match=r"part/(left|middle|right)"):
        read_tree(tmp_path / "other.npz", {"own": number, "part": choices}, "tree")
