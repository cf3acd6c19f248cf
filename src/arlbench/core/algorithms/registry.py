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

    Args:
        name: One that is registered, or ``module:Class`` for one that need not be.

    Raises:
        ConfigurationError: If there is none of this name.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        known_names([name], _ALGORITHMS, "algorithm")
        module, attribute = _ALGORITHMS[name]
        return getattr(importlib.import_module(module), attribute)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"There is no algorithm '{name}': {error}.") from error
    if not (isinstance(found, type) and issubclass(found, Algorithm)):
        raise ConfigurationError(f"'{name}' is not an algorithm; give a subclass of Algorithm.")
    return found
