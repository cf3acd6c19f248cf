"""The samplers: one file each, which has the sampler's name.

To add one, put a file here with one subclass of :class:`arlbench.experiments.sampler.Sampler`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arlbench.experiments.sampler import Sampler

#: The sampler that is used if none is named.
DEFAULT_SAMPLER = "sobol"


def sampler_names() -> list[str]:
    """The names of all samplers; this imports neither the samplers nor JAX."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def sampler_class(name: str) -> type[Sampler]:
    """The sampler with a given name.

    Raises:
        ConfigurationError: If it does not exist.
    """
    from arlbench.core.checks import known_names
    from arlbench.experiments.sampler import Sampler

    known_names([name], sampler_names(), "sampler")
    module = importlib.import_module(f"{__name__}.{name}")
    (found,) = (
        member
        for member in vars(module).values()
        if inspect.isclass(member)
        and issubclass(member, Sampler)
        and member.__module__ == module.__name__
    )
    return found
