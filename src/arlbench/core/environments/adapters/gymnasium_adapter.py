"""Environments of the gymnasium library (https://gymnasium.farama.org), which step in Python."""

from __future__ import annotations

import functools
import importlib

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as RegisteredEnv
from gymnasium.error import DependencyNotInstalled

from arlbench.core.environments.adapters import host_spaces
from arlbench.core.environments.adapters.adapting import (
    Interface,
    check_at_least_one,
    check_name,
    listing,
    refusals,
    unusable,
    without_copies,
)
from arlbench.core.environments.adapters.host import HostEnvironment
from arlbench.core.environments.adapters.pygame_drawing import drawn_by_pygame, quiet_pygame
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import MissingExtraError, UnknownEnvironmentError

_TIME_LIMIT = "max_episode_steps"

# Whose pictures pygame draws, and whose steps Box2D computes.
_EXTRAS = {
    "gymnasium.envs.classic_control": "classic-control",
    "gymnasium.envs.toy_text": "classic-control",
    "gymnasium.envs.box2d": "box2d",
}

_IN_JAX = "it computes with JAX, which cannot be called from within a program of JAX"

# Its packages are not in any extra, so those of this family are listed without being made.
_MUJOCO = "gymnasium.envs.mujoco"

# Families that cannot be used.
_UNUSABLE = {
    "gymnasium.envs.phys2d": _IN_JAX,
    "gymnasium.envs.tabular": _IN_JAX,
}


class GymnasiumEnvironment(HostEnvironment):
    """``n_envs`` copies of an environment of gymnasium."""

    def make_instance(self) -> gymnasium.Env:
        env = _make(self._instance_kind)
        space = env.action_space
        start = int(space.start) if isinstance(space, spaces.Discrete) else 0
        return env if start == 0 else _FromZero(env, start)

    def draw(self, env: gymnasium.Env) -> np.ndarray | None:
        if "rgb_array" not in (env.metadata or {}).get("render_modes", ()):
            return None
        extra = _extra(_registered(self._instance_kind)) or "classic-control"
        return drawn_by_pygame(self.env_name, extra, lambda: _picture(env))


def _picture(env: gymnasium.Env) -> np.ndarray:
    """A picture of an environment that was not made to be drawn.

    Some do more in every step where they were: three quarters of the time of a lander are
    sparks that nobody sees.
    """
    bare = env.unwrapped
    mode, bare.render_mode = bare.render_mode, "rgb_array"
    try:
        return np.asarray(env.render())
    finally:
        bare.render_mode = mode


class _FromZero(gymnasium.ActionWrapper):
    """Counts actions from 0."""

    def __init__(self, env: gymnasium.Env, start: int) -> None:
        super().__init__(env)
        self._start = start

    def action(self, action: int) -> int:
        return action + self._start


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    A name may begin with the module that registers it, as in ``"my_package:MyTask-v0"``.

    Raises:
        UnknownEnvironmentError: If there is no such environment, or it cannot be used.
        MissingExtraError: If a package that it needs is not installed.
        ConfigurationError: If a setting is unknown or refused.
    """
    return GymnasiumEnvironment(spec, _interface(without_copies(spec)))


def list_environments() -> list[EnvListing]:
    """The newest version of all that gymnasium brings, with the reason where it cannot be used."""
    newest: dict[str, RegisteredEnv] = {}
    for registered in gymnasium.registry.values():
        if _family(registered) in {*_EXTRAS, *_UNUSABLE, _MUJOCO}:
            key = f"{registered.namespace}/{registered.name}"
            newest[key] = max(newest.get(key, registered), registered, key=_version)
    return [_describe(registered) for registered in newest.values()]


def _describe(registered: RegisteredEnv) -> EnvListing:
    spec = EnvSpec("gymnasium", registered.id)
    if reason := _UNUSABLE.get(_family(registered)):
        return EnvListing("gymnasium", registered.id, unusable=reason)
    if _family(registered) == _MUJOCO:
        limit = registered.max_episode_steps
        return EnvListing("gymnasium", registered.id, time_limit=limit, action_kind="Box")
    found = listing(spec, _interface(spec))
    needs = _extra(registered)
    return found._replace(extra=needs if needs == "box2d" else None)


@functools.lru_cache(maxsize=256)
def _interface(spec: EnvSpec) -> Interface:
    """What an agent has to know, from an environment that is made and closed again."""
    registered = _registered(spec)
    if reason := _UNUSABLE.get(_family(registered)):
        raise unusable(spec.name, reason)
    check_at_least_one(spec, _TIME_LIMIT)
    with refusals(spec):
        env = _make(spec)
        observation_space, action_space = env.observation_space, env.action_space
        env.close()
    try:
        observations = host_spaces.narrowed(observation_space)
    except TypeError as error:
        raise unusable(spec.name, str(error)) from None
    limit = env.spec.max_episode_steps if env.spec else None
    return Interface(_actions(spec, action_space), observations, limit)


def _actions(spec: EnvSpec, space: spaces.Space) -> spaces.Space:
    """The space of actions as arrays of JAX; where they are a finite set they count from 0."""
    if isinstance(space, spaces.Discrete):
        return spaces.Discrete(int(space.n))
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        return host_spaces.narrowed(space)
    raise unusable(spec.name, f"its actions are of the kind {type(space).__name__}")


def _registered(spec: EnvSpec) -> RegisteredEnv:
    """gymnasium's entry for a name, whose module is imported where the name has one."""
    module, _, name = spec.name.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(name)
    except ModuleNotFoundError as error:
        raise UnknownEnvironmentError(
            f"{spec.name} is registered by a module that cannot be imported ({error}); install "
            "it, or fix its name."
        ) from error
    except gymnasium.error.UnregisteredEnv:
        prefix = f"{module}:" if module else ""
        check_name(spec, [prefix + known for known in gymnasium.registry])
        raise


def _make(spec: EnvSpec) -> gymnasium.Env:
    registered = _registered(spec)
    try:
        # Their libraries ask others for names that these are about to drop.
        with quiet_pygame():
            return gymnasium.make(registered.id, disable_env_checker=True, **spec.env_kwargs)
    except DependencyNotInstalled as error:
        extra = _extra(registered)
        cure = f": pip install 'arlbench[{extra}]'" if extra else f" ({error})"
        raise MissingExtraError(
            f"{spec.name} needs a package that is missing; install it{cure}"
        ) from error


def _extra(registered: RegisteredEnv) -> str | None:
    """This package's extra that an environment needs, or its pictures do."""
    return _EXTRAS.get(_family(registered))


def _family(registered: RegisteredEnv) -> str:
    """The package that an environment is in, of those that gymnasium brings."""
    module = str(registered.entry_point).partition(":")[0]
    return ".".join(module.split(".")[:3])


def _version(registered: RegisteredEnv) -> int:
    return registered.version or 0
