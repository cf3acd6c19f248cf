"""Finds algorithms by name; each is imported when it is first used."""

from __future__ import annotations

import importlib

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.checks import known_names
from arlbench.core.own_classes import own_class
from arlbench.errors import ConfigurationError

_ALGORITHMS = {"dqn": ("arlbench.core.algorithms.dqn", "DQN")}

#: The algorithm that is used unless another one is given.
DEFAULT_ALGORITHM = "dqn"


def register_algorithm(name: str, module: str, attribute: str) -> None:
    """Registers an algorithm under a name; every process that trains imports its module.

    Args:
        name: The class's ``name``.
        module: The module of the class, imported when it is first used.
        attribute: The name of the class in its module.

    Raises:
        ConfigurationError: If another class is registered under this name.
    """
    home = (module, attribute)
    if _ALGORITHMS.setdefault(name, home) != home:
        raise ConfigurationError(f"An algorithm named '{name}' is already registered.")


def registered_algorithms() -> dict[str, tuple[str, str]]:
    """Module and attribute of every algorithm by name, to register them in another process."""
    return dict(_ALGORITHMS)


def algorithm_class(name: str) -> type[Algorithm]:
    """The class of an algorithm.

    Args:
        name: A registered name, or ``module:Class`` for a class that need not be registered.

    Raises:
        ConfigurationError: If no algorithm has this name.
    """
    if ":" not in name:
        known_names([name], _ALGORITHMS, "algorithm", own="MODULE:CLASS")
        module, attribute = _ALGORITHMS[name]
        return getattr(importlib.import_module(module), attribute)
    found = own_class("algorithm", name)
    if not (isinstance(found, type) and issubclass(found, Algorithm)):
        raise ConfigurationError(f"'{name}' is not an algorithm; give a subclass of Algorithm.")
    return found
