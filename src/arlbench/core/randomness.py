"""Random keys that are counted, not consumed.

Every draw's key is derived from the run's key, the purpose of the draw and a counter.
So a result does not depend on how a run is cut into calls, and an evaluation in between
takes nothing from the training.
"""

from __future__ import annotations

import enum

import chex
import jax
import jax.numpy as jnp

from arlbench.errors import ConfigurationError


class Stream(enum.IntEnum):
    """Purposes of random draws. The numbers are part of every result: never reuse one."""

    NETWORK_INIT = 0
    ENV_RESET = 1
    COLLECT = 2
    SAMPLE = 3
    EVALUATE = 4


def stream_key(rng: chex.PRNGKey, stream: Stream, counter: chex.Numeric = 0) -> chex.PRNGKey:
    """The key of draw number ``counter`` for one purpose."""
    return jax.random.fold_in(jax.random.fold_in(rng, int(stream)), counter)


def typed_key(rng: chex.PRNGKey) -> chex.PRNGKey:
    """The key as a typed key array, from a typed or a raw one.

    Raises:
        ConfigurationError: If it is neither.
    """
    if isinstance(rng, jax.Array) and rng.shape == ():
        if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key):
            return rng
    elif getattr(rng, "dtype", None) == jnp.uint32 and getattr(rng, "ndim", 0) == 1:
        return jax.random.wrap_key_data(rng)
    raise ConfigurationError(
        f"Expected one random key, as jax.random.key(0) or jax.random.PRNGKey(0), not {rng!r}."
    )
