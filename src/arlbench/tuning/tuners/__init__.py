"""The tuners: each is in a file with its name here, or is a class in the user's own module."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arlbench.tuning.tuner import Tuner

#: The default tuner.
DEFAULT_TUNER = "random"


def tuner_names() -> list[str]:
    """The names of all tuners, found without importing them or JAX."""
    modules = pkgutil.iter_modules(__path__)
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def tuner_class(name: str) -> type[Tuner]:
    """The class of a tuner, given its name or ``MODULE:CLASS``.

    Raises:
        ConfigurationError: If it does not exist.
        MissingExtraError: If it needs a package that is not installed.
    """
    from arlbench.core.checks import known_names

    if ":" in name:
        return _own(name)
    known_names([name], tuner_names(), "tuner", own="MODULE:CLASS")
    module = importlib.import_module(f"{__name__}.{name}")
    (found,) = (
        member
        for member in vars(module).values()
        if _is_tuner(member) and member.__module__ == module.__name__
    )
    return found


def name_of(cls: type[Tuner]) -> str:
    """The name of a tuner in files."""
    inside = f"{__name__}."
    if cls.__module__.startswith(inside):
        return cls.__module__.removeprefix(inside)
    return f"{cls.__module__}:{cls.__qualname__}"


def short_name(name: str) -> str:
    """The name of a tuner in sentences: its name, or only that of its class."""
    return name.rpartition(":")[2].rpartition(".")[2]


def _own(name: str) -> type[Tuner]:
    from arlbench.core.own_classes import own_class
    from arlbench.errors import ConfigurationError

    found: Any = own_class("tuner", name)
    if not _is_tuner(found):
        raise ConfigurationError(
            f"'{name}' is not a tuner; make it a subclass of arlbench.tuning.Tuner with a method "
            "ask."
        )
    return found


def _is_tuner(member: Any) -> bool:
    from arlbench.tuning.tuner import Tuner

    return inspect.isclass(member) and issubclass(member, Tuner) and not inspect.isabstract(member)
