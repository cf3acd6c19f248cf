"""Finds episodes that a compiled environment keeps in itself instead of in its state.

A compiled program runs the Python code of a step only once, while it is traced. What that code
assigns to ``self`` therefore never changes again.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from arlbench.core.environments.adapters.host_values import MisfitError
from arlbench.core.environments.environment import Environment

_PLAIN = (bool, int, float, complex, str, bytes, np.generic)


def snapshot(env: Environment) -> dict[str, Any]:
    """The attributes of an environment, with copies of lists, tuples, dicts and sets."""
    return {key: _copied(value) for key, value in vars(env).items()}


def require_stateless(env: Environment, before: dict[str, Any]) -> None:
    """Raises a MisfitError if tracing one of its methods left a part of an episode in ``env``.

    That is a value of the trace, or another plain value (a number, string or NumPy array, or a
    list, tuple, dict or set of them) than before. An attribute or entry that was added, or that
    was None, is accepted: it may be a cache.

    Args:
        env: The environment, after the method was traced.
        before: Its :func:`snapshot` before that.
    """
    for key, value in vars(env).items():
        if _has_tracers(value) or _is_changed(before.get(key), value):
            what = f"keeps a value of an episode in self.{key}"
            raise MisfitError(what, "return it as a part of the state, and take it from there")


def _has_tracers(value: Any) -> bool:
    try:
        leaves = jax.tree.leaves(value)
    except (TypeError, ValueError):  # a dict whose keys have no order
        return False
    return any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(entry) for entry in value]
    return frozenset(value) if isinstance(value, set) else value


def _is_changed(before: Any, after: Any) -> bool:
    """Whether a plain value differs from a copy of what it was before."""
    if before is None or before is after:
        return False
    if isinstance(before, dict) and isinstance(after, dict):
        return any(key not in after or _is_changed(before[key], after[key]) for key in before)
    if isinstance(before, list) and isinstance(after, list | tuple):
        pairs = zip(before, after, strict=False)
        return len(before) != len(after) or any(_is_changed(*pair) for pair in pairs)
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        return not np.array_equal(before, after)
    kinds = frozenset | set if isinstance(before, frozenset) else _PLAIN
    return isinstance(before, kinds) and isinstance(after, kinds) and bool(before != after)
