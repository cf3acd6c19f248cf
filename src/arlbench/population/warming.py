"""Compiles a program only once if several processes need it at the same time.

The compilation cache on disk shares programs between processes, but processes that start
together would all find it empty and compile the same programs. Here they take a lock for
each program: the first process compiles, the others wait and then read.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import jax

from arlbench.core import files
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.harness.structure import InitOptions, as_static


def warm(
    algorithm: Algorithm,
    init_options: Mapping[str, Any],
    n_eval_episodes: int,
    backwards: bool,
) -> None:
    """Compiles the programs that a training run will need, unless this process already has them.

    Args:
        algorithm: The algorithm that will train.
        init_options: Options of its ``init``.
        n_eval_episodes: Episodes of its evaluations.
        backwards: Start with the last program. Processes that start from both ends wait
            less for each other.
    """
    folder = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    # A cache that is not a local folder is shared without locks.
    if folder is not None and "://" not in folder:
        locks = Path(folder) / "locks"
        group, options = _ByStructure(algorithm), as_static(init_options)
        _warm_once(group, options, n_eval_episodes, backwards, locks)


class _ByStructure:
    """An algorithm that compares equal to all others of its structure."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self._structure: Hashable = algorithm.structure

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByStructure) and self._structure == other._structure

    def __hash__(self) -> int:
        return hash(self._structure)


@functools.lru_cache(maxsize=256)
def _warm_once(
    group: _ByStructure, options: InitOptions, n_eval_episodes: int, backwards: bool, locks: Path
) -> None:
    programs = list(group.algorithm.rehearsals(dict(options), n_eval_episodes).items())
    for name, compiled in reversed(programs) if backwards else programs:
        # If another run has a different program with this name, one of them waits unnecessarily.
        file_name = hashlib.sha256(name.encode()).hexdigest()[:32]
        with files.alone(locks / file_name) as is_alone:
            if not is_alone:  # the cache cannot be written, so nothing is shared
                return
            compiled()
