"""Pictures that gymnasium draws with pygame, without pygame's windows, greetings and sounds."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import gymnasium
import numpy as np
from gymnasium.error import DependencyNotInstalled

from arlbench.core.environments.faults import raised_by
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


def picture_of(name: str, env: gymnasium.Env) -> np.ndarray:
    """A picture of an environment that was made without a render mode.

    With a render mode, some environments do more in every step: LunarLander would spend three
    quarters of its time on sparks that nobody sees.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        RenderingError: If ``render`` returns anything else.
        EnvironmentFaultError: If it raises an error, except for a missing package.
    """
    bare = env.unwrapped
    mode, bare.render_mode = bare.render_mode, "rgb_array"
    try:
        picture = np.asarray(env.render())
    except DependencyNotInstalled:
        raise
    except Exception as error:
        raise raised_by(name, "when it was drawn", error) from None
    finally:
        bare.render_mode = mode
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise RenderingError(
            f"The method render of {name} returned {picture.dtype}{list(picture.shape)}, but must "
            "return a picture uint8[height, width, 3] in the mode 'rgb_array'."
        )
    return picture


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
