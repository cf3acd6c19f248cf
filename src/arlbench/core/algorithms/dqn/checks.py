"""Checks at the edge: what a caller hands in, before anything is traced."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.environments import Environment, EnvListing
from arlbench.core.observations import ACTION_MASK, has_action_mask
from arlbench.errors import ConfigurationError, ConsumedStateError, UnknownEnvironmentError

# What kinds of actions are called that a network has no output for each of.
_ACTIONS = {
    "Box": "continuous actions",
    "MultiDiscrete": "an action consists of several choices",
    "MultiBinary": "an action consists of several choices",
}


def cannot_learn(listing: EnvListing) -> str | None:
    """Why DQN cannot learn in a listed environment, in words; None where it can."""
    if listing.n_actions is not None or listing.action_kind is None:
        return None
    return _in_words(listing.action_kind)


def _in_words(action_kind: str) -> str:
    return _ACTIONS.get(action_kind, f"actions of the kind {action_kind}")


def environments(env: Any, eval_env: Any) -> None:
    """Raises where DQN cannot learn in the one or be evaluated in the other."""
    learnable(env, "env")
    learnable(eval_env, "eval_env")
    same_spaces(env, eval_env)


def learnable(env: Any, role: str) -> None:
    """Raises where DQN cannot learn or be evaluated in this environment."""
    if not isinstance(env, Environment):
        raise ConfigurationError(
            f"{role} must be an Environment, as make_env returns, not a {type(env).__name__}."
        )
    if not isinstance(env.action_space, spaces.Discrete):
        reason = _in_words(type(env.action_space).__name__)
        raise UnknownEnvironmentError(
            f"DQN cannot learn in {env.env_name} ({reason}), because it needs a Discrete action "
            "space; choose another environment ('arlbench envs' lists them)."
        )
    if env.action_space.start != 0:
        raise UnknownEnvironmentError(
            f"{env.env_name} counts its actions from {env.action_space.start}; wrap it so that "
            "they begin with 0."
        )
    space, n_actions = env.observation_space, int(env.action_space.n)
    if has_action_mask(space) and space[ACTION_MASK].shape != (n_actions,):  # type: ignore[index]
        raise UnknownEnvironmentError(
            f"{env.env_name} has an '{ACTION_MASK}' of shape {space[ACTION_MASK].shape}, "  # type: ignore[index]
            f"and {n_actions} actions; give it an entry for each action, or another name."
        )


def same_spaces(env: Environment, eval_env: Environment) -> None:
    """Raises where an agent of ``env`` could not act in ``eval_env``; bounds may differ."""
    for name in ("action_space", "observation_space"):
        ours, theirs = getattr(env, name), getattr(eval_env, name)
        if _kind_of(ours) != _kind_of(theirs):
            raise ConfigurationError(
                f"eval_env has the {name} {theirs} and env has {ours}; give an eval_env of the "
                "same task."
            )


def _kind_of(space: spaces.Space) -> Any:
    """What of a space shapes what a network reads or says."""
    if isinstance(space, spaces.Dict):
        return {name: _kind_of(part) for name, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return [_kind_of(part) for part in space]
    if isinstance(space, spaces.Box):
        return ("Box", space.shape)
    return space


def batch_of(name: str, given: Any, example: Any) -> None:
    """Raises where ``given`` is no batch of observations like ``example``."""
    given_leaves = dict(_named_leaves(given))
    for path, like in _named_leaves(example):
        shape = np.shape(given_leaves[path]) if path in given_leaves else None
        if shape is None or shape[1:] != like.shape or len(shape) != len(like.shape) + 1:
            raise ConfigurationError(
                f"{name}{path} has the shape {shape}, and observations of this environment are "
                f"[batch, *{like.shape}]; a single one needs a first axis: obs[None]."
            )


def transitions(example: Any, observations: Any, next_observations: Any, **vectors: Any) -> None:
    """Raises where the parts of a batch do not belong together."""
    batch_of("observations", observations, example)
    batch_of("next_observations", next_observations, example)
    batch_size = np.shape(jax.tree.leaves(observations)[0])[0]
    for name, value in vectors.items():
        if np.shape(value) != (batch_size,):
            raise ConfigurationError(
                f"{name} has the shape {np.shape(value)}, and needs ({batch_size},) like the "
                "observations."
            )
    if not np.issubdtype(vectors["actions"].dtype, np.integer):
        raise ConfigurationError(
            f"actions are {vectors['actions'].dtype}, and must be integers; use astype(int)."
        )


def not_consumed(*trees: Any) -> None:
    """Raises where a tree holds arrays that an earlier call has taken over."""
    for leaf in jax.tree.leaves(trees):
        known = isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer)
        if known and leaf.is_deleted():
            raise ConsumedStateError(
                "This state was given to an earlier call of train, which took over its memory; "
                "use the state which that call returned, or a copy made before it "
                "(jax.tree.map(jnp.copy, state))."
            )


def no_progress_when_traced(progress: Any) -> None:
    """Raises where a training inside ``jax.jit`` should go on in the middle."""
    if progress is not None:
        raise ConfigurationError(
            "Inside jax.jit a training cannot go on from a progress; call train outside of it."
        )


def is_traced(tree: Any) -> bool:
    """Whether any leaf stands for a value that is not known yet, or a trace is running."""
    # Within jit even this constant is traced, also where the state was closed over.
    tree = (tree, jax.device_put(np.int32(0)))
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
                f"{wanted.shape}; it must come from a DQN with the same network and environment."
            )
        dtype = leaf.dtype if hasattr(leaf, "dtype") else np.result_type(leaf)
        if jax.dtypes.canonicalize_dtype(dtype, allow_extended_dtype=True) != wanted.dtype:
            raise ConfigurationError(
                f"{name}{path} is {dtype}, and this DQN needs {wanted.dtype}; convert it."
            )


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree.leaves_with_path(tree)]
