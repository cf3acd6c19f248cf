"""Checks of what a caller gives, before anything is traced."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.algorithms.harness.progress import TrainingProgress
from arlbench.core.checks import as_python
from arlbench.core.environments import Environment
from arlbench.errors import ConfigurationError, ConsumedStateError


def environments(env: Any, eval_env: Any) -> None:
    """Raises unless both are environments and an agent of one can act in the other."""
    for role, given in (("env", env), ("eval_env", eval_env)):
        if not isinstance(given, Environment):
            raise ConfigurationError(
                f"{role} must be an Environment, as make_env returns, not a {type(given).__name__}."
            )
    same_spaces(env, eval_env)


def same_spaces(env: Environment, eval_env: Environment) -> None:
    """Raises if an agent of ``env`` cannot act in ``eval_env``; bounds may differ."""
    for name in ("action_space", "observation_space"):
        ours, theirs = getattr(env, name), getattr(eval_env, name)
        if _kind_of(ours) != _kind_of(theirs):
            raise ConfigurationError(
                f"eval_env has the {name} {theirs} but env has {ours}; give an eval_env of the "
                "same task."
            )


def _kind_of(space: spaces.Space) -> Any:
    """The part of a space that shapes a network's input or output."""
    if isinstance(space, spaces.Dict):
        return {name: _kind_of(part) for name, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return [_kind_of(part) for part in space]
    if isinstance(space, spaces.Box):
        return ("Box", space.shape)
    return space


def batch_of(name: str, given: Any, example: Any) -> None:
    """Raises if ``given`` is not a batch of observations like ``example``."""
    given_leaves = dict(_named_leaves(given))
    for path, like in _named_leaves(example):
        shape = np.shape(given_leaves[path]) if path in given_leaves else None
        if shape is None or shape[1:] != like.shape or len(shape) != len(like.shape) + 1:
            raise ConfigurationError(
                f"{name}{path} has the shape {shape}, but observations of this environment are "
                f"[batch, *{like.shape}]; a single one needs a first axis: obs[None]."
            )


def not_consumed(*trees: Any) -> None:
    """Raises if a tree holds arrays whose memory an earlier call has reused."""
    for leaf in jax.tree.leaves(trees):
        known = isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer)
        if known and leaf.is_deleted():
            raise ConsumedStateError(
                "This state was given to an earlier call to train, which reused its memory; use "
                "the state that the earlier call returned, or a copy made before that call "
                "(jax.tree.map(jnp.copy, state))."
            )


def not_in_place_when_traced(env: Environment) -> None:
    """Raises if evaluations would end the episodes of a traced training."""
    if env.evaluated_in_place:
        raise ConfigurationError(
            f"{env.env_name} is evaluated in the same instances in which it trains, which starts "
            "new episodes between two segments; train outside of jax.jit, or leave out "
            "evaluate_in_place."
        )


def no_progress_when_traced(progress: Any) -> None:
    """Raises if a training run inside ``jax.jit`` is given the progress of an earlier call."""
    if progress is not None:
        raise ConfigurationError(
            "Inside jax.jit, train cannot continue from a progress; call it outside of jax.jit."
        )


def progress_of_training(progress: Any) -> None:
    """Raises if a progress is not one that ``on_progress`` received, or None."""
    if progress is not None and not isinstance(progress, TrainingProgress):
        raise ConfigurationError(
            "progress must be the TrainingProgress that on_progress received, not a "
            f"{type(progress).__name__}."
        )


def timesteps_done(value: Any) -> Any:
    """The ``timesteps_before`` of a training run as an int; a sum of budgets may exceed 32 bits."""
    if isinstance(value, jax.core.Tracer):
        return value
    number = as_python(value)
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not 0 <= number < math.inf or number != int(number):
        raise ConfigurationError(
            f"timesteps_before must be a whole number of at least 0, not {value!r}."
        )
    return int(number)


def is_traced(tree: Any) -> bool:
    """Whether any leaf stands for a value that is not known yet, or a trace is active."""
    # Inside jit even this constant is traced, which shows a trace that closed over the state.
    tree = (tree, jax.device_put(np.int32(0)))
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def same_structure(name: str, given: Any, expected: Any) -> None:
    """Raises if a given part does not fit; the message names the leaf and both shapes.

    Args:
        name: The name of the part.
        given: The given tree.
        expected: A tree of arrays or shapes that it must match.
    """
    given_leaves = dict(_named_leaves(given))
    expected_leaves = dict(_named_leaves(expected))
    for path in sorted(given_leaves.keys() ^ expected_leaves.keys()):
        fault = "is missing" if path in expected_leaves else "is not expected"
        raise ConfigurationError(
            f"{name}{path} {fault}; {name} must come from an algorithm with the same "
            "network, environment and optimiser."
        )
    for path, leaf in given_leaves.items():
        wanted = expected_leaves[path]
        if np.shape(leaf) != wanted.shape:
            raise ConfigurationError(
                f"{name}{path} has the shape {np.shape(leaf)}, but {wanted.shape} is "
                "needed; it must come from an algorithm with the same network and environment."
            )
        dtype = leaf.dtype if hasattr(leaf, "dtype") else np.result_type(leaf)
        if jax.dtypes.canonicalize_dtype(dtype, allow_extended_dtype=True) != wanted.dtype:
            raise ConfigurationError(
                f"{name}{path} is {dtype}, but must be {wanted.dtype}; convert it."
            )


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree.leaves_with_path(tree)]
