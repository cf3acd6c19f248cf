"""Recipes and classes as bytes, for other processes of this program."""

from __future__ import annotations

import functools
import sys
from collections.abc import Hashable
from typing import Any

import cloudpickle

from arlbench.core.environments.adapters import recipes
from arlbench.core.environments.adapters.recipes import Recipe
from arlbench.errors import UnknownEnvironmentError

# The adopted bytes, by name.
_adopted: dict[str, bytes] = {}

_MAIN = "__main__"


def pack(recipe: Recipe) -> bytes | None:
    """What another process needs for a recipe in addition to its name; None if it needs nothing.

    Raises:
        UnknownEnvironmentError: If it cannot be sent; the message names the cure.
    """
    if recipe.family.startswith("gymnasium.") and ":" not in recipe.name:
        return None
    return packed(recipe.name, getattr(recipe.creator, "__module__", ""), recipe)


def packed(name: str, module: str, value: Hashable) -> bytes | None:
    """The bytes of what a name refers to; None if other processes can import it by its name.

    Args:
        name: The name.
        module: The module that defines the class or function.
        value: The recipe or class that the other processes need.

    Raises:
        UnknownEnvironmentError: If it cannot be sent; the message names the cure.
    """
    named = name.rpartition(":")[0]
    return None if named and _can_be_imported(named) else _pickled(name, module, value)


def adopt(name: str, content: bytes) -> None:
    """Registers a recipe from bytes that :func:`pack` made in another process."""
    if _adopted.get(name) != content:
        recipes.adopt(name, cloudpickle.loads(content))
        _adopted[name] = content


# Cached, so that equal recipes give equal bytes and are adopted once.
@functools.lru_cache(maxsize=64)
def _pickled(name: str, defined_in: str, value: Hashable) -> bytes:
    module = sys.modules.get(defined_in)
    # Classes of modules that other processes cannot import are sent by value. For those of the main
    # program, cloudpickle does this without being told.
    by_value = module is not None and not _can_be_imported(module.__name__)
    by_value = by_value and module is not None and module.__name__ != _MAIN
    try:
        if by_value:
            cloudpickle.register_pickle_by_value(module)
        return bytes(cloudpickle.dumps(value))
    except Exception as error:
        said = " ".join(str(error).split())
        raise UnknownEnvironmentError(
            f"{name} cannot be sent to other processes ({type(error).__name__}: {said}); "
            "put its class into a separate module and name it 'my_module:MyClass', so that they "
            "can import it."
        ) from error
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)


def _can_be_imported(module: str) -> bool:
    """Whether a new process would find a module of this name, whatever this process has loaded."""
    path: Any = None
    parts = module.split(".")
    for i in range(len(parts)):
        name = ".".join(parts[: i + 1])
        specs = (finder.find_spec(name, path) for finder in sys.meta_path)
        found = next((spec for spec in specs if spec is not None), None)
        if found is None:
            return False
        path = found.submodule_search_locations
    return module != _MAIN
