"""Finds the classes and functions of users' own modules, as in ``"my_module:MyEnv"``."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from arlbench.core.environments.faults import place_of
from arlbench.errors import UnknownEnvironmentError, did_you_mean


def module_of(name: str) -> ModuleType | None:
    """The module with which a name begins, imported if necessary; None if it has no module.

    Raises:
        UnknownEnvironmentError: If the module cannot be imported.
    """
    module_name = name.rpartition(":")[0]
    if not module_name:
        return None
    if module_name in sys.modules:
        return sys.modules[module_name]
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and _is_within(module_name, error.name):
            raise UnknownEnvironmentError(
                f"{name} is in a module that cannot be imported ({error}); install it, run this in "
                "the folder that it is in, or fix its name."
            ) from error
        raise broken(module_name, error) from error


def attribute(module: ModuleType, qualified_name: str) -> Any:
    """The attribute of a module with a name, which may be dotted; None if it does not exist."""
    try:
        return functools.reduce(getattr, qualified_name.split("."), module)
    except AttributeError:
        return None


def name_of(own: Any) -> str:
    """The name under which a class or function would be found, if it is in a module."""
    return f"{getattr(own, '__module__', '')}:{getattr(own, '__qualname__', '')}"


def classes_in(module: ModuleType, *bases: type) -> list[str]:
    """The names of the subclasses of these classes in a module, except those of this package."""
    return [
        key
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, bases)
        and value not in bases
        and not value.__module__.startswith("arlbench.")
    ]


def unknown_in(module: ModuleType, name: str, own: Sequence[str]) -> UnknownEnvironmentError:
    """The error for a name that a module does not have.

    Args:
        module: The module with which the name begins.
        name: The whole name.
        own: The names of the environments that the module has, without the module.
    """
    prefix = f"{module.__name__}:"
    known = ", ".join(f"{prefix}{each}" for each in own)
    # Compared without the module, which would make every name similar.
    nearest = did_you_mean(name.rpartition(":")[2], own).replace("'", f"'{prefix}", 1)
    place = getattr(module, "__file__", None) or "This program"
    others = f"Known: {known}." if known else "Define its class or function there."
    return UnknownEnvironmentError(
        f"{place} does not define an environment '{name}'. {nearest.strip() or others}"
    )


def broken(what: str, error: Exception) -> UnknownEnvironmentError:
    """The error for a module that fails when it is imported."""
    said = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return UnknownEnvironmentError(
        f"{what} cannot be imported: {type(error).__name__}: {said} ({place_of(error)})."
    )


def _is_within(module_name: str, missing: str | None) -> bool:
    """Whether the missing module is the requested one, or a package that contains it."""
    return missing is not None and f"{module_name}.".startswith(f"{missing}.")
