"""Checks of arguments that all parts of the package need."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from arlbench.errors import ConfigurationError, did_you_mean

#: The largest whole number in a program, whose counters have 32 bits.
INT32_MAX = 2**31 - 1

#: A random key is made from a seed of 32 bits.
SEED_LIMIT = 2**32


def as_python(value: Any) -> Any:
    """The Python value of a scalar of NumPy or JAX; other values as they are."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def positive_whole(name: str, value: Any, at_most: int | None = INT32_MAX) -> int:
    """The value as an int; ``1e5`` is accepted, 0.5 is not.

    Args:
        name: Its name, for the message.
        value: The value.
        at_most: The largest number; None for one that programs do not use, such as a sum.

    Raises:
        ConfigurationError: If it is something else.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and 1 <= value <= (value if at_most is None else at_most):
        return int(value)
    limit = "" if at_most is None else f" of at most {at_most}"
    raise ConfigurationError(f"{name} must be a positive whole number{limit}, not {value!r}.")


def whole_from_environment(name: str, word: str = "") -> int | None:
    """The value of an environment variable, a whole number of at least 1.

    Args:
        name: The variable.
        word: A word that it may have instead; empty if it has no such word.

    Returns:
        None if the variable is not set or has that word.

    Raises:
        ConfigurationError: If it has another value.
    """
    text = os.environ.get(name)
    if text is None or (word and text == word):
        return None
    if not text.isdecimal() or int(text) < 1:
        or_word = f" or {word!r}" if word else ""
        raise ConfigurationError(
            f"{name} must be a whole number of at least 1{or_word}, not {text!r}."
        )
    return int(text)


def finite(name: str, value: Any) -> float:
    """The value as a float, if it is a finite number."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise ConfigurationError(f"{name} must be a finite number, not {value!r}.")
    return float(value)


def seed_in_range(seed: Any, name: str = "") -> int:
    """The seed as an int, if a random key can be made of it; ``name`` is for the message."""
    is_whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not is_whole or not 0 <= seed < SEED_LIMIT:
        which = f"{name} must be a whole number" if name else "Seeds must be whole numbers"
        raise ConfigurationError(f"{which} from 0 to 2**32 - 1, not {seed!r}.")
    return int(seed)


def true_or_false(name: str, value: Any) -> bool:
    """The value as a bool; a text such as 'no' is not accepted, because it would count as true."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise ConfigurationError(f"{name} must be True or False, not {value!r}.")


def one_of(name: str, value: Any, known: Sequence[str], kind: str) -> str:
    """The value, if it is a known text; ``name`` and ``kind`` are for the messages."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be one of {', '.join(known)}, not {value!r}.")
    known_names([value], known, kind)
    return value


def known_names(names: Iterable[str], known: Iterable[str], kind: str, own: str = "") -> None:
    """Raises if a name is unknown; the message suggests the most similar known name.

    Args:
        names: The names.
        known: The known names.
        kind: What they are names of, for the message.
        own: How users name one of their own, such as ``MODULE:CLASS``; empty if they cannot.
    """
    known = list(known)
    for name in names:
        if name not in known:
            all_known = f"Known: {', '.join(known)}." if known else "None are known."
            hint = did_you_mean(name, known) or f" {all_known}"
            of_your_own = f" For one of your own, write {own}." if own else ""
            raise ConfigurationError(f"Unknown {kind} '{name}'.{hint}{of_your_own}")
