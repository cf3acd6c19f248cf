"""What the adapters of environment libraries share: one class, and checks of names and settings."""

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

P = ParamSpec("P")
R = TypeVar("R")


class Interface(NamedTuple):
    """What an agent has to know of an environment.

    Attributes:
        action_space: The space of one copy's action.
        observation_space: The space of one copy's observation.
        time_limit: Steps until an episode is cut off, None where it never is.
    """

    action_space: spaces.Space
    observation_space: spaces.Space
    time_limit: int | None


class LibraryEnvironment(Environment):
    """``n_envs`` copies of a library's environment, whose interface was found out."""

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
    """Copies that take their randomness from keys."""

    def __init__(self, spec: EnvSpec, interface: Interface) -> None:
        # Randomness comes from the keys alone, so a seed would only make equal specs differ.
        super().__init__(dataclasses.replace(spec, seed=None), interface)


def in_library(function: Callable[P, R]) -> Callable[P, R]:
    """A reset or a step of a library, whatever the user has set, as a tree of arrays.

    A number of Python that is left in the tree would have 64 bits if the user's numbers have.
    """

    @leniently
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, strongly_typed(function(*args, **kwargs)))

    return call


def without_copies(spec: EnvSpec) -> EnvSpec:
    """What of ``spec`` makes the library's part of an environment; the key of its cache."""
    return EnvSpec(spec.framework, spec.name, env_kwargs=spec.env_kwargs)


def check_name(spec: EnvSpec, known: Iterable[str]) -> None:
    """Raises an UnknownEnvironmentError if the library has no environment of that name."""
    if spec.name not in (names := list(known)):
        raise UnknownEnvironmentError(
            f"{spec.framework} has no environment named '{spec.name}'."
            + (did_you_mean(spec.name, names) or " 'arlbench envs' lists them.")
        )


def unusable(name: str, reason: str) -> UnknownEnvironmentError:
    """The error for an environment that exists and cannot be used."""
    return UnknownEnvironmentError(
        f"{name} cannot be used: {reason}. Choose another environment; 'arlbench envs' lists them."
    )


def check_settings(spec: EnvSpec, known: Mapping[str, Any]) -> None:
    """Checks the names of settings, and the kinds of those that are numbers by default.

    Args:
        spec: The settings and whose they are.
        known: The default of each setting.

    Raises:
        ConfigurationError: If a setting is unknown or of another kind than its default.
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
    """Raises a ConfigurationError where one of these settings is given and no positive count."""
    for key in keys:
        value = spec.env_kwargs.get(key, 1)
        if not _is_whole(value) or value < 1:
            raise ConfigurationError(
                f"{key} of {spec.name} must be a whole number of at least 1, not {value!r}."
            )


@contextlib.contextmanager
def refusals(spec: EnvSpec) -> Iterator[None]:
    """Turns whatever a library raises within into a ConfigurationError of one sentence."""
    try:
        yield
    except ArlbenchError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigurationError(
            f"{spec.name} refused the settings {dict(spec.env_kwargs)}: {reason}"
        ) from error


def try_out(env: VectorisedEnvironment) -> None:
    """Traces a reset and a step, where a setting that makes no sense comes to light."""
    key = jax.random.key(0)
    env_state, _ = jax.eval_shape(env.reset_one, key)
    jax.eval_shape(env.step_one, env_state, action_shapes(env.action_space), key)


def listing(spec: EnvSpec, interface: Interface) -> EnvListing:
    """The line of a list for an environment that can be used."""
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
    """A space for people."""
    if isinstance(space, spaces.Dict):
        return ", ".join(f"{key} {describe(part)}" for key, part in space.items())
    if isinstance(space, spaces.Tuple):
        return ", ".join(map(describe, space))
    if isinstance(space, spaces.Discrete):
        return f"Discrete({space.n})"
    return str(space.shape)


def new_figure(width: float, height: float, **settings: Any) -> tuple[Any, Any]:
    """A figure that no window and no list of figures holds, and its axes; sizes in inches."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (for pictures only)

    figure = Figure((width, height), **settings)
    return figure, figure.add_subplot()


def as_picture(figure: Any) -> np.ndarray:
    """What is drawn on a figure, uint8 ``[height, width, 3]``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    """The picture ``[height, width, 3]`` with squares of ``factor`` pixels for each."""
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _wrong_kind(value: Any, default: Any) -> str | None:
    """What ``value`` must be to stand for ``default``, None where it is that."""
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
