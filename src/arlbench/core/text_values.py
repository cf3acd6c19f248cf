"""Values as text: on the command line, in the cells of a file, and in sentences."""

from __future__ import annotations

from typing import Any

_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse_value(text: str) -> Any:
    """A bool, int, float or the text itself: ``true``, ``3``, ``1e-3``, ``tanh``."""
    if text.casefold() in _FLAGS:
        return _FLAGS[text.casefold()]
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def text_of(value: Any) -> str:
    """The text that :func:`parse_value` reads as this value, with every digit of a number."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def count(n: int, noun: str) -> str:
    """A number with its noun, such as ``1 seed`` or ``3 seeds``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
