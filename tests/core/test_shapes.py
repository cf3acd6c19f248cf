"""Templates of arrays."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.shapes import ArrayTemplate, any_number


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (1_000_000, 3)])
def test_none_stands_for_any_length(shape: tuple[int, ...]) -> None:
    assert ArrayTemplate((None, 3), np.float32).fits(shape)


@pytest.mark.parametrize("shape", [(), (3,), (2, 4), (2, 3, 1)])
def test_other_lengths_and_ranks_do_not_fit(shape: tuple[int, ...]) -> None:
    assert not ArrayTemplate((None, 3), np.float32).fits(shape)
    assert not ArrayTemplate((2, 3), np.float32).fits(shape)


def test_a_template_is_one_leaf_of_a_tree() -> None:
    tree = {"a": ArrayTemplate((None, 2), np.int8), "b": (ArrayTemplate((), np.bool_),)}
    assert len(jax.tree.leaves(tree)) == 2


@pytest.mark.parametrize("kind", [np.float32, "float32", np.dtype("float32"), jnp.float32])
def test_a_type_may_be_written_in_any_way(kind: object) -> None:
    assert ArrayTemplate((), kind) == ArrayTemplate((), np.float32)
    assert str(ArrayTemplate((), kind).dtype) == "float32"


def test_types_of_keys_and_of_packages_are_kept() -> None:
    key = jax.random.key(0)
    assert ArrayTemplate(key.shape, key.dtype).dtype == key.dtype
    assert ArrayTemplate((), jnp.bfloat16).dtype == jnp.bfloat16


def test_any_number_of_a_leaf_has_a_new_first_axis() -> None:
    assert any_number(np.zeros((2, 3), np.int16)) == ArrayTemplate((None, 2, 3), np.int16)
    assert str(any_number(jnp.zeros(2))) == "(any, 2)"
