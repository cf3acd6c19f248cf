"""Computes how much memory a run will need, before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax

from arlbench.errors import MemoryLimitError

GIB = 2**30


def tree_bytes(tree: Any) -> int:
    """Bytes of all arrays (or shapes) in a tree; a key counts as its data."""
    return sum(_leaf_bytes(leaf) for leaf in jax.tree.leaves(tree))


def check(parts: Mapping[str, int], limit_gib: float, cures: Mapping[str, str]) -> None:
    """Raises if the parts together exceed the limit.

    Args:
        parts: Bytes, by what they are needed for.
        limit_gib: The limit in GiB.
        cures: What to change, for parts that can be made smaller.

    Raises:
        MemoryLimitError: If the limit is exceeded. The message names every part's size, and the
            cure for the largest.
    """
    total = sum(parts.values())
    if total <= limit_gib * GIB:
        return
    sizes = ", ".join(f"{name} {_text(size)}" for name, size in parts.items() if size)
    largest = max(parts, key=lambda name: parts[name])
    raise MemoryLimitError(
        f"This run would need {_text(total)} ({sizes}), more than the limit of {limit_gib:g} GiB; "
        f"{cures[largest]}, or raise memory_limit_gib."
    )


def _leaf_bytes(leaf: Any) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize


def _text(size: int) -> str:
    return f"{size / GIB:.2f} GiB" if size >= GIB / 10 else f"{size / 2**20:.1f} MiB"
