"""The tuners: one file each, whose name is the tuner's.

To add one, put a file here with one subclass of :class:`arlbench.experiments.tuner.Tuner`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arlbench.experiments.tuner import Tuner

#: What searches unless something else is asked for.
DEFAULT_TUNER = "sobol"


def tuner_names() -> list[str]:
    """Every tuner by name; none is imported for it, and neither is JAX."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def tuner_class(name: str) -> type[Tuner]:
    """The tuner of a name.

    Raises:
        ConfigurationError: If there is none.
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
