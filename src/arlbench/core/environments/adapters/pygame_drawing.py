"""Pictures that gymnasium draws with pygame, without pygame's windows, greetings and sounds."""

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
    """Calls ``draw`` and returns its result.

    Args:
        name: The environment's name for people.
        extra: The extra of arlbench that installs pygame.
        draw: A function that may import pygame.

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
    """Within the context, pygame does not print a greeting, and needs no screen or loudspeakers."""
    before = {name: os.environ.get(name) for name in _QUIET_PYGAME}
    os.environ.update(_QUIET_PYGAME)
    try:
        with warnings.catch_warnings():
            # pygame uses deprecated names of setuptools.
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
