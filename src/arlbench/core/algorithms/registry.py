"""Looking algorithms up by name; one is imported when it is used."""

from __future__ import annotations

import importlib

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.checks import known_names

DEFAULT_ALGORITHM = "dqn"

_ALGORITHMS = {"dqn": ("arlbench.core.algorithms.dqn", "DQN")}


def algorithm_class(name: str) -> type[Algorithm]:
    """The class of an algorithm.

    Raises:
        ConfigurationError: If there is none of this name.
    """
    known_names([name], _ALGORITHMS, "algorithm")
    module, attribute = _ALGORITHMS[name]
    return getattr(importlib.import_module(module), attribute)
