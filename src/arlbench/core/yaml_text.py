"""Reads YAML that users write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from arlbench.errors import ConfigurationError


def parse_yaml(text: str, path: Path) -> Any:
    """The content of a text in YAML.

    Args:
        text: The text.
        path: Where it is from, for the message.

    Raises:
        ConfigurationError: If it is not YAML.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"{path} is not valid YAML ({getattr(error, 'problem', None) or 'unreadable'}{place}); "
            "fix it there."
        ) from None
