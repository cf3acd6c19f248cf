"""Errors of environments that step in Python, told by themselves instead of by JAX.

A program that calls the host and meets an error there ends with an error of JAX's own, in
whose text ours is one of many lines. Whoever waits for a program gets ours in its place.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar, cast

import gymnasium
import jax

from arlbench.errors import ArlbenchError, EnvironmentFaultError

T = TypeVar("T")

# Errors of programs that nobody waits for are forgotten.
_recent: collections.deque[ArlbenchError] = collections.deque(maxlen=16)

# Whose frames are not the user's: this package, JAX, gymnasium, and Python's own library.
_FOREIGN = tuple(
    str(path) + "/"
    for path in (
        Path(__file__).resolve().parents[2],
        Path(jax.__file__).resolve().parent,
        Path(gymnasium.__file__).resolve().parent,
    )
)
_STANDARD = str(Path(sysconfig.get_path("stdlib")).resolve()) + "/"


def _is_worth_a_log(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], ArlbenchError))


# On accelerators JAX logs what a callback raises with all its frames, before it passes it on.
logging.getLogger("jax._src.callback").addFilter(_is_worth_a_log)


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """Keeps an error of this package that is raised within, for :func:`surfacing`."""
    try:
        yield
    except ArlbenchError as error:
        _recent.append(error)
        raise


@contextlib.contextmanager
def surfacing() -> Iterator[None]:
    """Raises what was raised on the host within a program, in place of JAX's error about it."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        own = _remembered_in(str(error))
        if own is None:
            raise
        raise own.with_traceback(None) from None


def answered(call: Callable[[], T]) -> T:
    """What a call of compiled programs gives, waited for so that their errors are raised here."""
    with surfacing():
        return cast(T, jax.block_until_ready(call()))


def _remembered_in(text: str) -> ArlbenchError | None:
    """The newest error that a text tells of."""
    for error in reversed(_recent.copy()):
        if str(error).partition("\n")[0] in text:
            _recent.remove(error)
            return error
    return None


def raised_by(name: str, when: str, error: BaseException) -> EnvironmentFaultError:
    """The error for one that an environment has raised, with the user's own frames.

    Args:
        name: The environment's.
        when: Such as ``"at step 3 (copy 0)"``.
        error: What it raised.
    """
    said = " ".join(str(error).split())
    kind = type(error).__name__
    sentence = f"{name} raised {kind} {when}" + (f": {said}" if said else ".")
    fault = EnvironmentFaultError("\n".join([sentence, *own_frames(error)]))
    fault.original = error
    return fault


def own_frames(error: BaseException) -> list[str]:
    """The lines of a traceback that are the user's, ending where the error was raised.

    If there are none the last line of all stands for them.
    """
    frames = user_frames(error) or traceback.extract_tb(error.__traceback__)[-1:]
    return [text.rstrip("\n") for text in traceback.format_list(frames)]


def user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of a traceback that belong to the user."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not _is_foreign(frame.filename)]


def place_of(error: BaseException) -> str:
    """The user's file and line where an error was raised, such as ``"envs.py, line 3"``."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = user_frames(error) or traceback.extract_tb(error.__traceback__)[-1:]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else "nowhere"


def _is_foreign(filename: str) -> bool:
    if filename.startswith("<frozen"):
        return True
    resolved = str(Path(filename).resolve())
    # Packages of others lie within Python's library too, and an environment may be one.
    is_standard = resolved.startswith(_STANDARD) and "site-packages" not in resolved
    return is_standard or resolved.startswith(_FOREIGN)
