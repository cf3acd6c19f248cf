"""What a reset and a step of a compiled environment may return: kinds, shapes and structures.

The values are those within a trace, or their shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.adapters.host_values import MisfitError

_LEAVES = (jax.Array, np.ndarray, np.generic, bool, int, float)

# Kinds of numbers; each can hold what those before it hold.
_KINDS = (np.bool_, np.integer, np.floating, np.complexfloating)


def arrays(state: Any, obs: Any) -> tuple[Any, Any]:
    """Both, if they consist of arrays and numbers only.

    Raises:
        MisfitError: If they do not.
    """
    for what, tree in (("state", state), ("observation", obs)):
        for leaf in jax.tree.leaves(tree):
            if not isinstance(leaf, _LEAVES):
                kind = type(leaf).__name__
                raise MisfitError(f"has a {kind} in its {what}", "use arrays of jax.numpy")
    return state, obs


def require_number(field: str, value: Any, shape: tuple[int, ...]) -> None:
    """Raises a MisfitError if a value is not real, or has another shape."""
    if not isinstance(value, _LEAVES) or jnp.iscomplexobj(value):
        kind = "complex number" if isinstance(value, _LEAVES) else type(value).__name__
        raise MisfitError(f"gave a {kind} as its {field}", "use arrays of jax.numpy and numbers")
    if jnp.shape(value) != shape:
        wanted = f"an array of the shape {shape}" if shape else "a scalar"
        cure = "return one value for each copy" if shape else f"use {field}[0] or sum it up"
        raise MisfitError(f"gave a {field} of the shape {jnp.shape(value)}, not {wanted}", cure)


def require_bool(field: str, value: Any) -> None:
    """Raises a MisfitError if an array holds something else than true and false."""
    if (dtype := jnp.result_type(value)) != np.bool_:
        raise MisfitError(f"gave a {field} of {dtype}, not of bool", f"use {field}.astype(bool)")


def require_equal(what: str, begun: Any, stepped: Any, any_precision: bool = False) -> None:
    """Raises a MisfitError if those of a step cannot follow those of a reset.

    Args:
        what: What they are, for people.
        begun: Their shapes after a reset.
        stepped: Their shapes after a step.
        any_precision: Whether numbers of the same kind may differ in precision.
    """
    cure = "make them equal"
    structures: list[Any] = [jax.tree.structure(tree) for tree in (begun, stepped)]
    if structures[0] != structures[1]:
        raise MisfitError(f"returns {what} of another structure from a step than a reset", cure)
    after = jax.tree.leaves(stepped)
    for (path, before), now in zip(jax.tree.leaves_with_path(begun), after, strict=True):
        can_hold = any_precision and _can_hold(before.dtype, now.dtype)
        if before.shape != now.shape or not (before.dtype == now.dtype or can_hold):
            if any_precision and before.shape == now.shape:
                cure = "begin with the kind of number that a step returns, such as 0.0 instead of 0"
            where = jax.tree_util.keystr(path)
            difference = f"{_shown(now)} after a step, but {_shown(before)} after a reset"
            raise MisfitError(f"returns {what}{where and f' with {where}'} of {difference}", cure)


def _can_hold(begun: Any, stepped: Any) -> bool:
    """Whether numbers of one dtype can be converted to another without losing their fractions."""
    kinds = [
        [i for i, kind in enumerate(_KINDS) if jnp.issubdtype(dtype, kind)]
        for dtype in (stepped, begun)
    ]
    # Keys of random numbers have no kind.
    return all(kinds) and kinds[0] <= kinds[1]


def require_fitting(space: spaces.Space, obs: Any, n_batch_axes: int = 0, part: str = "") -> None:
    """Raises a MisfitError if observations do not have the structure and shapes of their space.

    Args:
        space: The space of one observation. Kinds that a network cannot read are not checked.
        obs: The shapes of observations.
        n_batch_axes: The number of first axes that an observation does not have.
        part: The place within the whole observation, such as ``['a'][0]``.
    """
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for key, inner in _parts(space, obs, part):
            require_fitting(inner, obs[key], n_batch_axes, f"{part}[{key!r}]")
        return
    if not isinstance(
        space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary
    ):
        return
    which = _which(part)
    if not hasattr(obs, "shape"):
        raise MisfitError(
            f"returns {which} in a {type(obs).__name__}, but its observation_space is a "
            f"{type(space).__name__}",
            "return one array, as jnp.stack makes",
        )
    shape, wanted = obs.shape[n_batch_axes:], space.shape or ()
    # The entries of a box are flattened, or taken as they are.
    flat = isinstance(space, spaces.Box | spaces.MultiBinary)
    if (np.prod(shape) != np.prod(wanted)) if flat else (shape != wanted):
        what = f"returns {which} of the shape {shape}, but its observation_space has {wanted}"
        raise MisfitError(what, "make them equal")


def _parts(
    space: spaces.Dict | spaces.Tuple, obs: Any, part: str
) -> list[tuple[Any, spaces.Space]]:
    """The parts of a composed space by their keys in observations, which must have all of them."""
    if isinstance(space, spaces.Dict):
        parts: list[tuple[Any, spaces.Space]] = list(space.spaces.items())
        fits = isinstance(obs, Mapping) and set(space.spaces) <= set(obs)
        wanted = f"a dict with {', '.join(map(repr, space.spaces))}"
    else:
        parts = list(enumerate(space.spaces))
        fits = isinstance(obs, tuple | list) and len(obs) == len(parts)
        wanted = f"a tuple of {len(parts)}"
    if not fits:
        what = f"returns {_which(part)} that are not {wanted}, as its observation_space says"
        raise MisfitError(what, "return each of these parts")
    return parts


def _which(part: str) -> str:
    return f"observations{part and f' with {part}'}"


def _shown(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"
