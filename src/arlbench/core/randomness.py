"""Random numbers from counters instead of a chain of keys.

Every draw is derived from the run's key, the purpose of the draw and a counter. Therefore,
results do not depend on how a run is split into calls, and an evaluation in between does not
change the training.

The draws of many steps are made together, in blocks, because on a CPU the overhead of a small
draw is larger than the cost of the hash itself.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core import lockstep
from arlbench.errors import ConfigurationError

#: Consecutive values of a counter whose draws are made together.
BLOCK = 32


class Stream(enum.IntEnum):
    """Purposes of random draws. The numbers are part of every result: never reuse one."""

    NETWORK_INIT = 0
    ENV_RESET = 1
    COLLECT = 2
    SAMPLE = 3
    EVALUATE = 4
    PLAY = 5
    EXPLORE = 6
    NOISE_OF_ACTING = 7
    NOISE_OF_LEARNING = 8


def stream_key(rng: chex.PRNGKey, stream: Stream, counter: chex.Numeric = 0) -> chex.PRNGKey:
    """The key of draw number ``counter`` for this purpose."""
    return jax.random.fold_in(jax.random.fold_in(rng, int(stream)), counter)


class Block(NamedTuple):
    """The draws of ``BLOCK`` consecutive values of a counter.

    Attributes:
        number: The block begins at the counter's value ``number * BLOCK``, int32 ``[]``; -1 if
            nothing has been drawn yet.
        draws: A tree of draws with leaves ``[BLOCK, ...]``.
    """

    number: jax.Array
    draws: Any


def no_block(rng: chex.PRNGKey, draw: Callable[[chex.PRNGKey], Any]) -> Block:
    """An empty block, in which nothing has been drawn yet.

    Args:
        rng: A key of the kind that will be used for drawing.
        draw: Maps a key to a tree of draws with leaves ``[BLOCK, ...]``.
    """

    def room(shape: Any) -> jax.Array:
        is_key = jnp.issubdtype(shape.dtype, jax.dtypes.prng_key)
        return jnp.broadcast_to(rng if is_key else jnp.zeros((), shape.dtype), shape.shape)

    draws = jax.tree.map(room, jax.eval_shape(draw, rng)) if lockstep.may_wait() else ()
    return Block(jnp.int32(-1), draws)


def draw_row(
    block: Block,
    rng: chex.PRNGKey,
    stream: Stream,
    counter: chex.Numeric,
    draw: Callable[[chex.PRNGKey], Any],
    axis: str | None = None,
) -> tuple[Block, Any]:
    """The draws for one value of the counter, and the block that contains them.

    The given block is returned if it covers this value, and otherwise a new one. A program that
    does not wait does not keep a block: if only one row of a new block is used, XLA computes only
    that row on an accelerator.

    Args:
        block: The block of an earlier value.
        rng: The run's key.
        stream: The purpose.
        counter: The value.
        draw: As in :func:`no_block`.
        axis: The name of the batch of members that draw together; None without a batch.

    Returns:
        The block, and the row with leaves ``[...]``.
    """
    number = counter // BLOCK

    def renew() -> Any:
        return draw(stream_key(rng, stream, number))

    if not lockstep.may_wait():
        return block, _row(renew(), counter)
    # Blocks are small, so a branch is cheap here; a loop of at most one turn is not.
    draws = lockstep.refresh(number != block.number, renew, block.draws, axis)
    return Block(number, draws), _row(draws, counter)


def _row(draws: Any, counter: chex.Numeric) -> Any:
    return jax.tree.map(lambda x: x[counter % BLOCK], draws)


def typed_key(rng: chex.PRNGKey) -> chex.PRNGKey:
    """Returns a typed or raw key as a typed key array.

    Raises:
        ConfigurationError: If it is neither a typed nor a raw key.
    """
    if isinstance(rng, jax.Array) and rng.shape == ():
        if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key):
            return rng
    elif getattr(rng, "dtype", None) == jnp.uint32 and getattr(rng, "ndim", 0) == 1:
        with contextlib.suppress(TypeError, ValueError):  # the wrong number of words
            return jax.random.wrap_key_data(rng)
    raise ConfigurationError(
        f"Give one random key, such as jax.random.key(0) or jax.random.PRNGKey(0), not {rng!r}."
    )
