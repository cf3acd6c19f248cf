"""Which batch sizes a compiled training is made for."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from arlbench.core.algorithms.dqn.hyperparameters import Structure, check_value
from arlbench.errors import ConfigurationError

#: Each batch size of a program is compiled before its first member can begin.
MAX_BATCH_SIZES = 8


def check_batch_sizes(batch_sizes: Collection[int]) -> tuple[int, ...]:
    """The batch sizes in rising order.

    Raises:
        ConfigurationError: If they are none.
    """
    if isinstance(batch_sizes, str) or not isinstance(batch_sizes, Collection):
        raise ConfigurationError(
            f"batch_sizes must be several values of buffer_batch_size, not {batch_sizes!r}."
        )
    return tuple(sorted({check_value("buffer_batch_size", size) for size in batch_sizes}))


def options_to_share(structures: Sequence[Structure]) -> list[dict[str, Any]]:
    """The ``batch_sizes`` with which algorithms of these structures share programs.

    Those that differ in nothing else share one, ``MAX_BATCH_SIZES`` batch sizes at most.
    """
    sizes: dict[Structure, set[int]] = {}
    for structure in structures:
        sizes.setdefault(_apart_from_batch(structure), set()).update(structure.batch_sizes)
    families = {kind: _family_of_each(sorted(of_kind)) for kind, of_kind in sizes.items()}
    return [
        {"batch_sizes": families[_apart_from_batch(structure)][structure.batch_sizes[0]]}
        for structure in structures
    ]


def _apart_from_batch(structure: Structure) -> Structure:
    return dataclasses.replace(structure, batch_sizes=())


def _family_of_each(batch_sizes: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """For each batch size those that it shares a program with."""
    begins = range(0, len(batch_sizes), MAX_BATCH_SIZES)
    families = [tuple(batch_sizes[begin : begin + MAX_BATCH_SIZES]) for begin in begins]
    return {size: family for family in families for size in family}
