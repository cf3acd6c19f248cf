"""Checks at the edge: what a caller hands in, before anything is traced."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.environments import Environment
from arlbench.errors import ConfigurationError, ConsumedStateError, UnknownEnvironmentError

# What the three convolutions of CNNQ leave of a side must be at least one pixel.
_SMALLEST_IMAGE = 36


def positive_whole(name: str, value: Any) -> int:
    """The value as an int; ``1e5`` is welcome, 0.5 is not."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ConfigurationError(f"{name} must be a positive whole number, not {value!r}.")


def learnable(env: Any, role: str) -> None:
    """Raises where DQN cannot learn or be evaluated in this environment."""
    if not isinstance(env, Environment):
        raise ConfigurationError(
            f"{role} must be an Environment, as make_env returns, not a {type(env).__name__}."
        )
    if not isinstance(env.action_space, spaces.Discrete):
        raise UnknownEnvironmentError(
            f"{env.env_name} has actions of the kind {type(env.action_space).__name__}, and DQN "
            "needs a Discrete action space."
        )
    if env.action_space.start != 0:
        raise UnknownEnvironmentError(
            f"{env.env_name} counts its actions from {env.action_space.start}; wrap it so that "
            "they begin with 0."
        )
    if env.kind != "traceable":
        raise UnknownEnvironmentError(
            f"{env.env_name} runs on the host, and DQN trains only in environments that JAX can "
            "compile."
        )


def readable_images(env: Environment) -> None:
    """Raises where observations are no images that CNNQ can read."""
    shape = env.observation_space.shape
    is_image = isinstance(env.observation_space, spaces.Box) and len(shape or ()) == 3
    if not is_image or min(shape[1:]) < _SMALLEST_IMAGE:  # type: ignore[index]
        raise UnknownEnvironmentError(
            f"{env.env_name} gives observations of shape {shape}, and the convolutional network "
            f"reads (channels, height, width) of at least {_SMALLEST_IMAGE} pixels a side; set "
            "cnn_policy=False."
        )


def not_consumed(*trees: Any) -> None:
    """Raises where a tree holds arrays that an earlier call has taken over."""
    for leaf in jax.tree.leaves(trees):
        if isinstance(leaf, jax.Array) and not is_traced(leaf) and leaf.is_deleted():
            raise ConsumedStateError(
                "This state was given to an earlier call of train, which took over its memory; "
                "use the state which that call returned, or a copy made before it "
                "(jax.tree.map(jnp.copy, state))."
            )


def is_traced(tree: Any) -> bool:
    """Whether any leaf stands for a value that is not known yet."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def same_structure(name: str, given: Any, expected: Any) -> None:
    """Raises where a given part does not fit, naming the leaf and both shapes.

    Args:
        name: What the part is called.
        given: The tree that was handed in.
        expected: A tree of arrays or shapes that it has to match.
    """
    given_leaves = dict(_named_leaves(given))
    expected_leaves = dict(_named_leaves(expected))
    for path in sorted(given_leaves.keys() ^ expected_leaves.keys()):
        fault = "is missing" if path in expected_leaves else "is not expected"
        raise ConfigurationError(
            f"{name}{path} {fault}; {name} must come from a DQN with the same network, "
            "environment and optimiser."
        )
    for path, leaf in given_leaves.items():
        wanted = expected_leaves[path]
        if np.shape(leaf) != wanted.shape:
            raise ConfigurationError(
                f"{name}{path} has the shape {np.shape(leaf)}, and this DQN needs "
                f"{wanted.shape}; give it parameters of the same network."
            )


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree.leaves_with_path(tree)]
