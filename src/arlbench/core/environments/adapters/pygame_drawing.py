"""Pictures that gymnasium draws with pygame, without its windows, greetings and sounds."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

from gymnasium.error import DependencyNotInstalled

from arlbench.errors import RenderingError

R = TypeVar("R")

_QUIET_PYGAME = {
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_AUDIODRIVER": "dummy",
    "SDL_VIDEODRIVER": "dummy",
}


def drawn_by_pygame(name: str, extra: str, draw: Callable[[], R]) -> R:
    """What ``draw`` returns.

    Args:
        name: The environment's, for people.
        extra: This package's extra that installs pygame.
        draw: May import pygame.

    Raises:
        RenderingError: If pygame is missing.
    """
    with quiet_pygame():
        try:
            return draw()
        except DependencyNotInstalled as error:
            raise RenderingError(
                f"{name} is drawn by pygame, which is missing; install it with: "
                f"pip install 'arlbench[{extra}]'"
            ) from error


@contextlib.contextmanager
def quiet_pygame() -> Iterator[None]:
    """Within the context pygame neither greets nor looks for a screen and loudspeakers."""
    before = {name: os.environ.get(name) for name in _QUIET_PYGAME}
    os.environ.update(_QUIET_PYGAME)
    try:
        with warnings.catch_warnings():
            # pygame asks setuptools for names that it is about to drop.
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
