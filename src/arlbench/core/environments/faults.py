"""Raises the original errors of environments that step in Python, not JAX's errors about them.

If a program calls the host and an error is raised there, JAX raises another error, whose text
mentions the original one in one of many lines. With these functions, code that waits for a program
gets the original error instead.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar, cast

import gymnasium
import jax

from arlbench.core import tracebacks
from arlbench.errors import ArlbenchError, EnvironmentFaultError

T = TypeVar("T")

# The latest errors. Older ones are dropped, because some are never collected.
_recent: collections.deque[ArlbenchError] = collections.deque(maxlen=16)

# Libraries whose code is not the user's.
_FOREIGN = tuple(
    str(Path(file).resolve().parent) + "/" for file in (jax.__file__, gymnasium.__file__)
)


def _is_worth_a_log(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], ArlbenchError))


# On accelerators, JAX logs the error of a callback with all its frames before passing it on.
logging.getLogger("jax._src.callback").addFilter(_is_worth_a_log)


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """Keeps errors of this package that are raised within the context, for :func:`surfacing`."""
    try:
        yield
    except ArlbenchError as error:
        _recent.append(error)
        raise


@contextlib.contextmanager
def surfacing() -> Iterator[None]:
    """Raises the error from the host instead of JAX's error about it."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        own = _remembered_in(str(error))
        if own is None:
            raise
        raise own.with_traceback(None) from None


def answered(call: Callable[[], T]) -> T:
    """Waits for the result of a call of compiled programs, so that their errors are raised here."""
    with surfacing():
        return cast(T, jax.block_until_ready(call()))


def _remembered_in(text: str) -> ArlbenchError | None:
    """The newest kept error that a text mentions."""
    for error in reversed(_recent.copy()):
        if str(error).partition("\n")[0] in text:
            _recent.remove(error)
            return error
    return None


def raised_by(name: str, when: str, error: BaseException) -> EnvironmentFaultError:
    """The error to report for an error that an environment raised, with the user's frames.

    Args:
        name: The environment's name.
        when: When it happened, such as ``"at step 3 (copy 0)"``.
        error: The environment's error.
    """
    said = " ".join(str(error).split())
    kind = type(error).__name__
    sentence = f"{name} raised {kind} {when}" + (f": {said}" if said else ".")
    fault = EnvironmentFaultError("\n".join([sentence, *own_frames(error)]))
    fault.original = error
    return fault


def own_frames(error: BaseException) -> list[str]:
    """The user's lines of a traceback, up to the line that raised the error.

    If the user has none, the last line of the traceback is taken.
    """
    frames = user_frames(error) or traceback.extract_tb(error.__traceback__)[-1:]
    return [text.rstrip("\n") for text in traceback.format_list(frames)]


def user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of a traceback that belong to the user."""
    return tracebacks.user_frames(error, _FOREIGN)


def place_of(error: BaseException) -> str:
    """The user's file and line where an error was raised, such as ``"envs.py, line 3"``."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = user_frames(error) or traceback.extract_tb(error.__traceback__)[-1:]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else "nowhere"
