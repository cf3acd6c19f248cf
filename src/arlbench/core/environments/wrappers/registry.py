"""Wrappers by the names that specs use for them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from arlbench.core.checks import known_names
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.wrappers.cast_observation import CastObservation
from arlbench.core.environments.wrappers.end_at_time_limit import EndAtTimeLimit
from arlbench.core.environments.wrappers.flatten import FlattenObservation
from arlbench.core.environments.wrappers.frame_stack import FrameStack
from arlbench.core.environments.wrappers.one_hot import OneHotObservation
from arlbench.core.environments.wrappers.rewards import ClipReward, ScaleReward
from arlbench.core.environments.wrappers.sticky_action import StickyAction
from arlbench.core.environments.wrappers.time_limit import TimeLimit
from arlbench.core.environments.wrappers.transpose import TransposeObservation
from arlbench.core.environments.wrappers.wrapper import Wrapper
from arlbench.errors import ConfigurationError, did_you_mean

_wrappers: dict[str, type[Wrapper]] = {
    str(cls.spec_name): cls
    for cls in (
        FlattenObservation,
        FrameStack,
        ClipReward,
        ScaleReward,
        TimeLimit,
        EndAtTimeLimit,
        CastObservation,
        TransposeObservation,
        StickyAction,
        OneHotObservation,
    )
}


def known() -> dict[str, type[Wrapper]]:
    """All wrappers by name."""
    return dict(_wrappers)


def wrapper_class(name: str) -> type[Wrapper]:
    """The wrapper class with this name.

    Raises:
        ConfigurationError: If it does not exist.
    """
    if name not in _wrappers:
        raise ConfigurationError(
            f"Unknown wrapper '{name}'.{did_you_mean(name, _wrappers)} "
            f"Known: {', '.join(_wrappers)}."
        )
    return _wrappers[name]


def wrap(env: Environment, wrappers: Iterable[tuple[str, Mapping[str, Any]]]) -> Environment:
    """The environment inside these wrappers, the first of which is the innermost.

    Args:
        env: The environment to wrap.
        wrappers: Names and settings, such as ``[("frame_stack", {"n_frames": 4})]``.

    Raises:
        ConfigurationError: If a wrapper or a setting is unknown, missing or impossible.
    """
    for name, settings in wrappers:
        cls = wrapper_class(name)
        _check_settings(name, cls, settings)
        env = cls(env, **settings)
    return env


def _check_settings(name: str, cls: type[Wrapper], settings: Mapping[str, Any]) -> None:
    # The first parameter is the environment.
    parameters = list(inspect.signature(cls).parameters.values())[1:]
    if settings and not parameters:
        raise ConfigurationError(f"The wrapper '{name}' does not have settings; leave them out.")
    known_names(settings, [parameter.name for parameter in parameters], f"setting of {name}:")
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.name not in settings:
            raise ConfigurationError(
                f"The wrapper '{name}' needs the setting '{parameter.name}'; give it a value."
            )
