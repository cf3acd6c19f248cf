"""Imports classes and functions of the user's own modules, as in ``my_module:MyTuner``."""

from __future__ import annotations

import importlib
import operator
from typing import Any

from arlbench.core.tracebacks import raised_at
from arlbench.errors import ConfigurationError


def own_class(kind: str, name: str) -> Any:
    """What ``MODULE:CLASS`` names; the class may be inside another one, as in ``my:Outer.Inner``.

    Raises:
        ConfigurationError: If it cannot be imported; ``kind`` says in the message what it is.
    """
    return _imported(kind, name, "MODULE:CLASS")


def own_function(kind: str, name: str) -> Any:
    """What ``MODULE:FUNCTION`` names; the same as :func:`own_class` for functions.

    Raises:
        ConfigurationError: If it cannot be imported; ``kind`` says in the message what it is.
    """
    return _imported(kind, name, "MODULE:FUNCTION")


def _imported(kind: str, name: str, form: str) -> Any:
    module_name, _, attribute = name.partition(":")
    try:
        return operator.attrgetter(attribute)(importlib.import_module(module_name))
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"The {kind} '{name}' cannot be imported ({error}); write {form}, with the module in "
            "the working directory, in a folder of PYTHONPATH or installed."
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"The module {module_name} raised {type(error).__name__} when it was imported "
            f"({error}){raised_at(error)}; correct it."
        ) from error
