"""Random draws that depend only on the key, the purpose and the counter."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core import lockstep, randomness
from arlbench.core.randomness import BLOCK, Stream
from arlbench.errors import ConfigurationError


def draw_pairs(key):
    """Draws two leaves, in order to test a tree of draws."""
    first, second = jax.random.split(key)
    return {
        "bits": jax.random.bits(first, (BLOCK, 2)),
        "uniform": jax.random.uniform(second, (BLOCK,)),
    }


def draws_of(key, counter):
    """The definition: one draw from the key of the block."""
    return draw_pairs(randomness.stream_key(key, Stream.COLLECT, counter // BLOCK))


@jax.jit
def draw_row(block, key, counter):
    return randomness.draw_row(block, key, Stream.COLLECT, counter, draw_pairs)


def current_block(block, key, counter):
    return draw_row(block, key, counter)[0]


def assert_trees_equal(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


def key_data(key):
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def test_the_same_key_purpose_and_counter_give_the_same_draw():
    first = randomness.stream_key(jax.random.key(3), Stream.SAMPLE, 7)
    jax.random.uniform(first)  # draws in between do not change it
    second = jax.jit(lambda c: randomness.stream_key(jax.random.key(3), Stream.SAMPLE, c))(7)
    assert key_data(first) == key_data(second)


def test_other_keys_purposes_and_counters_give_other_draws():
    combinations = list(itertools.product([0, 1], Stream, range(5)))
    draws = {
        key_data(randomness.stream_key(jax.random.key(seed), stream, counter))
        for seed, stream, counter in combinations
    }
    assert len(draws) == len(combinations) == 90


def test_the_numbers_of_the_purposes_never_change():
    assert {stream.name: stream.value for stream in Stream} == {
        "NETWORK_INIT": 0, "ENV_RESET": 1, "COLLECT": 2, "SAMPLE": 3, "EVALUATE": 4, "PLAY": 5,
        "EXPLORE": 6, "NOISE_OF_ACTING": 7, "NOISE_OF_LEARNING": 8,
    }  # fmt: skip


@pytest.mark.parametrize("start", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_the_current_block_is_the_counters_own_wherever_one_begins(start):
    key = jax.random.key(5)
    block = randomness.no_block(key, draw_pairs)
    for counter in range(start, start + BLOCK + 3):
        block = current_block(block, key, counter)
        assert_trees_equal(block.draws, draws_of(key, counter))


def test_a_block_is_drawn_once():
    block = randomness.no_block(jax.random.key(5), draw_pairs)
    block = current_block(block, jax.random.key(5), 3)
    # Another key shows whether the block is drawn again.
    kept = current_block(block, jax.random.key(6), BLOCK - 1)
    assert_trees_equal(kept, block)
    assert not np.array_equal(
        current_block(block, jax.random.key(6), BLOCK).draws["bits"], block.draws["bits"]
    )


def test_the_rows_of_a_block_differ_and_so_do_its_neighbours():
    key = jax.random.key(5)
    block, rows = randomness.no_block(key, draw_pairs), []
    for counter in range(2 * BLOCK):
        block, row = draw_row(block, key, counter)
        rows.append(tuple(row["bits"].tolist()))
    assert len(set(rows)) == 2 * BLOCK


@pytest.mark.parametrize("counter", [0, BLOCK - 1, BLOCK, 3 * BLOCK + 7])
def test_a_program_that_does_not_wait_draws_the_same_rows_and_keeps_no_block(counter):
    key = jax.random.key(5)
    with lockstep.without_waiting():
        empty = randomness.no_block(key, draw_pairs)
        block, row = randomness.draw_row(empty, key, Stream.COLLECT, counter, draw_pairs)
    assert jax.tree.leaves(block) == [-1]
    of_the_block = jax.tree.map(lambda x: x[counter % BLOCK], draws_of(key, counter))
    assert_trees_equal(row, of_the_block)


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
def test_a_block_may_hold_keys_of_any_kind(kind):
    key = jax.random.key(1, impl=kind)
    block = randomness.no_block(key, lambda k: jax.random.split(k, BLOCK))
    _, row = randomness.draw_row(
        block, key, Stream.COLLECT, 0, lambda k: jax.random.split(k, BLOCK)
    )
    assert jax.random.key_impl(row) == jax.random.key_impl(key)


def test_raw_and_typed_keys_agree():
    typed = randomness.typed_key(jax.random.key(9))
    raw = randomness.typed_key(jax.random.PRNGKey(9))
    from_numpy = randomness.typed_key(np.array([0, 9], np.uint32))
    assert jnp.issubdtype(raw.dtype, jax.dtypes.prng_key)
    assert typed.shape == raw.shape == from_numpy.shape == ()
    assert key_data(typed) == key_data(raw) == key_data(from_numpy) == (0, 9)


def test_keys_are_accepted_while_tracing():
    typed = jax.jit(lambda raw: jax.random.key_data(randomness.typed_key(raw)))
    np.testing.assert_array_equal(typed(jax.random.PRNGKey(9)), [0, 9])


@pytest.mark.parametrize(
    "make",
    [
        lambda: 0,
        lambda: None,
        lambda: "key",
        lambda: [0, 9],
        lambda: np.uint32(9),
        lambda: jnp.uint32(9),
        lambda: jnp.array([0, 9], jnp.int32),
        lambda: jnp.array([0.0, 9.0]),
        lambda: jax.random.split(jax.random.key(0), 2),
        lambda: jax.random.split(jax.random.key(0), 1),
        lambda: jax.random.split(jax.random.PRNGKey(0), 2),
        lambda: jnp.array([0, 9, 1], jnp.uint32),
    ],
    ids=[
        "int", "none", "str", "list", "numpy scalar", "jax scalar", "signed", "floats",
        "two typed keys", "one typed key in a batch", "two raw keys", "three words",
    ],
)  # fmt: skip
def test_anything_but_one_key_is_an_error(make):
    with pytest.raises(ConfigurationError, match="one random key"):
        randomness.typed_key(make())
