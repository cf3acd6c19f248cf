"""Looking algorithms up by name; one is imported when it is used."""

from __future__ import annotations

import importlib

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.checks import known_names
from arlbench.errors import ConfigurationError

_ALGORITHMS = {"dqn": ("arlbench.core.algorithms.dqn", "DQN")}

#: What learns unless something else is asked for.
DEFAULT_ALGORITHM = "dqn"


def register_algorithm(name: str, module: str, attribute: str) -> None:
    """Makes an algorithm known by name; every process that trains imports its module.

    Args:
        name: The class's ``name``.
        module: Where the class is, imported at its first use.
        attribute: What it is called there.

    Raises:
        ConfigurationError: If the name is taken by another class.
    """
    home = (module, attribute)
    if _ALGORITHMS.setdefault(name, home) != home:
        raise ConfigurationError(f"An algorithm named '{name}' is registered already.")


def registered_algorithms() -> dict[str, tuple[str, str]]:
    """Module and attribute of every algorithm by name, for another process to adopt."""
    return dict(_ALGORITHMS)


def algorithm_class(name: str) -> type[Algorithm]:
    """The class of an algorithm.

    Raises:
        ConfigurationError: If there is none of this name.
    """
    known_names([name], _ALGORITHMS, "algorithm")
    module, attribute = _ALGORITHMS[name]
    return getattr(importlib.import_module(module), attribute)
