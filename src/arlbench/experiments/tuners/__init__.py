"""The tuners: one file each, which has the tuner's name.

To add one, put a file here with one subclass of :class:`arlbench.experiments.tuner.Tuner`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arlbench.experiments.tuner import Tuner

#: The tuner that is used if none is named.
DEFAULT_TUNER = "sobol"


def tuner_names() -> list[str]:
    """The names of all tuners; this imports neither the tuners nor JAX."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def tuner_class(name: str) -> type[Tuner]:
    """The tuner with a given name.

    Raises:
        ConfigurationError: If it does not exist.
    """
    from arlbench.core.checks import known_names
    from arlbench.experiments.tuner import Tuner

    known_names([name], tuner_names(), "sampler")
    module = importlib.import_module(f"{__name__}.{name}")
    (found,) = (
        member
        for member in vars(module).values()
        if inspect.isclass(member)
        and issubclass(member, Tuner)
        and member.__module__ == module.__name__
    )
    return found
