"""What the adapters of environment libraries share: base classes, and checks of settings."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.actions import action_shapes
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.faults import raised_by, user_frames
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.published import Discrete
from arlbench.core.environments.spec import EnvSpec
from arlbench.core.environments.vectorised import VectorisedEnvironment, strongly_typed
from arlbench.core.promotion import leniently
from arlbench.errors import (
    ArlbenchError,
    ConfigurationError,
    UnknownEnvironmentError,
    did_you_mean,
)

# gymnasium adds this to an error in a constructor.
_AGAIN = " was raised from the environment creator for"

P = ParamSpec("P")
R = TypeVar("R")


class Interface(NamedTuple):
    """What an agent must know about an environment.

    Attributes:
        action_space: The space of one copy's action.
        observation_space: The space of one copy's observation.
        time_limit: Steps until an episode is cut off; None if it never is.
    """

    action_space: spaces.Space
    observation_space: spaces.Space
    time_limit: int | None


class LibraryEnvironment(Environment):
    """``n_envs`` copies of a library's environment with a known interface."""

    def __init__(self, spec: EnvSpec, interface: Interface) -> None:
        super().__init__(spec.name, spec.n_envs, spec, interface.time_limit)
        self._interface = interface
        self._action_space = Discrete.of(interface.action_space)

    @property
    def action_space(self) -> spaces.Space:
        return self._action_space

    @property
    def observation_space(self) -> spaces.Space:
        return self._interface.observation_space


class AdaptedEnvironment(LibraryEnvironment, VectorisedEnvironment):
    """Copies that take all randomness from random keys."""

    def __init__(self, spec: EnvSpec, interface: Interface) -> None:
        # Randomness comes only from keys, so a seed would only make equal specs differ.
        super().__init__(dataclasses.replace(spec, seed=None), interface)


def in_library(function: Callable[P, R]) -> Callable[P, R]:
    """Runs a library's reset or step with JAX's default settings, and returns a tree of arrays.

    Python numbers in the tree are converted, because they would otherwise have 64 bits if the
    user has chosen double precision.
    """

    @leniently
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, strongly_typed(function(*args, **kwargs)))

    return call


def without_copies(spec: EnvSpec) -> EnvSpec:
    """The part of ``spec`` that defines the library's object; it is the key of the cache."""
    return EnvSpec(spec.framework, spec.name, env_kwargs=spec.env_kwargs)


def check_name(spec: EnvSpec, known: Iterable[str]) -> None:
    """Raises an UnknownEnvironmentError if the library has no environment of that name."""
    if spec.name not in (names := list(known)):
        raise UnknownEnvironmentError(
            f"{spec.framework} has no environment named '{spec.name}'."
            + (did_you_mean(spec.name, names) or " 'arlbench envs' lists them.")
        )


def unusable(name: str, reason: str) -> UnknownEnvironmentError:
    """The error for an environment that exists but cannot be used."""
    return UnknownEnvironmentError(
        f"{name} cannot be used: {reason}. Choose another environment; 'arlbench envs' lists them."
    )


def check_settings(spec: EnvSpec, known: Mapping[str, Any]) -> None:
    """Checks the names of settings, and the types of those whose default is a number.

    Args:
        spec: The environment with its settings.
        known: The default of each setting.

    Raises:
        ConfigurationError: If a setting is unknown or has another type than its default.
    """
    for key, value in spec.env_kwargs.items():
        if key not in known:
            raise ConfigurationError(
                f"{spec.name} has no setting '{key}'.{did_you_mean(key, known)} "
                + (f"It has: {', '.join(sorted(known))}." if known else "It has none.")
            )
        kind = _wrong_kind(value, known[key])
        if kind is not None:
            raise ConfigurationError(f"{key} of {spec.name} must be {kind}, not {value!r}.")


def check_at_least_one(spec: EnvSpec, *keys: str) -> None:
    """Raises a ConfigurationError if one of these settings is given but not a positive count."""
    for key in keys:
        value = spec.env_kwargs.get(key, 1)
        if not _is_whole(value) or value < 1:
            raise ConfigurationError(
                f"{key} of {spec.name} must be a whole number of at least 1, not {value!r}."
            )


@contextlib.contextmanager
def refusals(spec: EnvSpec) -> Iterator[None]:
    """Turns any error that a library raises within the context into a ConfigurationError."""
    try:
        yield
    except ArlbenchError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        reason = reason.partition(_AGAIN)[0]
        settings = dict(spec.env_kwargs)
        failed = f"refused the settings {settings}" if settings else "cannot be made"
        raise ConfigurationError(f"{spec.name} {failed}: {reason}") from error


@contextlib.contextmanager
def constructing(spec: EnvSpec) -> Iterator[None]:
    """Reports an error in the user's code with its place; for any other, the settings are blamed.

    Raises:
        EnvironmentFaultError: If the user's code raised an error within the context.
        ConfigurationError: If anything else did.
    """
    try:
        yield
    except ArlbenchError:
        raise
    except Exception as error:
        # gymnasium raises an error in a constructor again, with a longer message.
        first = (error.__cause__ if _AGAIN in str(error) else None) or error
        if user_frames(first):
            raise raised_by(spec.name, "when it was made", first) from None
        with refusals(spec):
            raise


def try_out(env: VectorisedEnvironment) -> None:
    """Traces a reset and a step, which fails if a setting makes no sense."""
    key = jax.random.key(0)
    env_state, _ = jax.eval_shape(env.reset_one, key)
    jax.eval_shape(env.step_one, env_state, action_shapes(env.action_space), key)


def listing(spec: EnvSpec, interface: Interface) -> EnvListing:
    """The entry of a list for an environment that can be used."""
    actions = interface.action_space
    return EnvListing(
        spec.framework,
        spec.name,
        describe(interface.observation_space),
        int(actions.n) if isinstance(actions, spaces.Discrete) else None,
        interface.time_limit,
        action_kind=type(actions).__name__,
    )


def describe(space: spaces.Space) -> str:
    """A description of a space for people."""
    if isinstance(space, spaces.Dict):
        return ", ".join(f"{key} {describe(part)}" for key, part in space.items())
    if isinstance(space, spaces.Tuple):
        return ", ".join(map(describe, space))
    if isinstance(space, spaces.Discrete):
        return f"Discrete({space.n})"
    return str(space.shape)


def new_figure(width: float, height: float, **settings: Any) -> tuple[Any, Any]:
    """A figure and its axes, made without pyplot's windows and global list; sizes in inches."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (for pictures only)

    figure = Figure((width, height), **settings)
    return figure, figure.add_subplot()


def as_picture(figure: Any) -> np.ndarray:
    """The picture on a figure, uint8 ``[height, width, 3]``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    """The picture ``[height, width, 3]``, with both sides enlarged by ``factor``."""
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _wrong_kind(value: Any, default: Any) -> str | None:
    """The required type in words if ``value`` has another type than ``default``; otherwise None."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, numbers.Integral):
        return None if _is_whole(value) else "a whole number"
    if isinstance(default, numbers.Real):
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return None if is_number else "a number"
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
