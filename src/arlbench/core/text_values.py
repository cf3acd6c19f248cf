"""Parses values on the command line and in the cells of a file."""

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
