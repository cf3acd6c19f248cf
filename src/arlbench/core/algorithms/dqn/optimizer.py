"""The optimiser: Adam, with the learning rate as an input."""

from __future__ import annotations

import functools
from typing import Any

import chex
import jax.numpy as jnp
import optax


@functools.cache
def optimizer() -> optax.GradientTransformationExtraArgs:
    """Adam, whose learning rate is part of its state; always the same object."""
    return optax.inject_hyperparams(optax.adam)(learning_rate=0.0)


def with_learning_rate(opt_state: Any, learning_rate: chex.Numeric) -> Any:
    """The optimiser's state with this learning rate."""
    rate = jnp.asarray(learning_rate, jnp.float32)
    return opt_state._replace(hyperparams={**opt_state.hyperparams, "learning_rate": rate})
