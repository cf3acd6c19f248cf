"""Running mean and variance of vectors, and inputs that are standardised with them."""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

#: Standardised inputs are clipped to this many standard deviations.
CLIP = 10.0

# Lower limits of the standard deviation, so that the rounding errors of a constant feature are not
# scaled up to the size of other features. The second is relative to the mean, whose rounding error
# looks like a deviation.
_MIN_STD = 1e-4
_MIN_RELATIVE_STD = 1e-5


class RunningStatisticsState(NamedTuple):
    """Statistics of a stream of vectors.

    Attributes:
        count: Number of vectors seen, int32 ``[]``.
        mean: Their mean, ``[*features]``.
        summed_variance: Sum of squared deviations from the mean, ``[*features]``.
        std: Population standard deviation, ``[*features]``, with a small lower limit; 1 before
            anything is seen.
    """

    count: jax.Array  # type: ignore[assignment]  # the name is the field's, not tuple's
    mean: jax.Array
    summed_variance: jax.Array
    std: jax.Array


def init_state(shape: tuple[int, ...]) -> RunningStatisticsState:
    """Statistics before any vector of this shape has been seen."""
    zeros = jnp.zeros(shape, jnp.float32)
    return RunningStatisticsState(
        jnp.zeros((), jnp.int32), zeros, jnp.zeros_like(zeros), jnp.ones_like(zeros)
    )


def update(state: RunningStatisticsState, batch: jax.Array) -> RunningStatisticsState:
    """Adds a batch ``[B, *features]``.

    Batches are merged as in Chan, Golub & LeVeque (1983), which stays accurate when sums of
    squares would cancel.
    """
    chex.assert_equal_shape([state.mean, batch[0]])
    n_new = batch.shape[0]
    count = state.count + n_new
    share = n_new / count.astype(jnp.float32)
    batch_mean = jnp.mean(batch, axis=0)
    delta = batch_mean - state.mean
    mean = state.mean + delta * share
    summed_variance = (
        state.summed_variance
        + jnp.sum(jnp.square(batch - batch_mean[None]), axis=0)
        + jnp.square(delta) * share * state.count.astype(jnp.float32)
    )
    std = jnp.sqrt(summed_variance / count.astype(jnp.float32))
    least = jnp.maximum(_MIN_STD, _MIN_RELATIVE_STD * jnp.abs(mean))
    return RunningStatisticsState(count, mean, summed_variance, jnp.maximum(std, least))


def normalize(
    state: RunningStatisticsState, batch: jax.Array, enabled: chex.Numeric = True
) -> jax.Array:
    """The batch ``[B, *features]`` standardised and clipped; unchanged unless enabled."""
    chex.assert_equal_shape([state.mean, batch[0]])
    standardised = jnp.clip((batch - state.mean[None]) / state.std[None], -CLIP, CLIP)
    return jnp.where(enabled, standardised, batch)
