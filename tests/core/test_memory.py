"""Memory that is computed before a run starts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core import memory
from arlbench.errors import ArlbenchError, MemoryLimitError

MIB = 2**20
CURES = {"buffer": "lower buffer_size", "metrics": "track less"}


def test_the_bytes_of_a_tree_are_those_of_its_arrays_and_shapes():
    tree = {
        "floats": jnp.zeros((3, 4)),
        "bytes": np.zeros(5, np.uint8),
        "scalar": jnp.int32(1),
        "shape": jax.ShapeDtypeStruct((1000, 1000, 1000, 1000), jnp.float32),
        "nothing": None,
        "empty": jnp.zeros((0, 7)),
    }
    assert memory.tree_bytes(tree) == 48 + 5 + 4 + 4 * 10**12


def test_a_key_counts_as_its_data():
    key = jax.random.key(0)
    assert memory.tree_bytes(key) == jax.random.key_data(key).nbytes == 8
    assert memory.tree_bytes(jax.random.split(key, 3)) == 24


@pytest.mark.parametrize(("size", "limit_gib"), [(0, 0.0), (2**30, 1.0), (2**29, 0.5), (5, 4)])
def test_what_fits_the_limit_passes(size, limit_gib):
    memory.check({"buffer": size, "metrics": 0}, limit_gib, CURES)


def test_one_byte_over_the_limit_is_refused():
    with pytest.raises(MemoryLimitError):
        memory.check({"buffer": 2**30, "metrics": 1}, 1.0, CURES)


def test_the_error_names_every_size_and_the_cure_for_the_largest():
    with pytest.raises(MemoryLimitError) as raised:
        memory.check({"buffer": 3 * MIB // 2, "metrics": 6 * 2**30}, 1.5, CURES)
    assert str(raised.value) == (
        "This run would need 6.00 GiB (buffer 1.5 MiB, metrics 6.00 GiB), more than the limit of "
        "1.5 GiB; track less, or raise memory_limit_gib."
    )
    assert isinstance(raised.value, (ArlbenchError, MemoryError))


def test_parts_that_take_nothing_are_not_mentioned():
    with pytest.raises(MemoryLimitError) as raised:
        memory.check({"buffer": 2 * 2**30, "metrics": 0}, 1, CURES)
    assert "metrics" not in str(raised.value)
    assert "lower buffer_size" in str(raised.value)
