"""Environments of the gymnasium library (https://gymnasium.farama.org), which step in Python."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Hashable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as RegisteredEnv
from gymnasium.error import DependencyNotInstalled

from arlbench.core.environments.adapters import gymnasium_batches as batches
from arlbench.core.environments.adapters import modules, recipes, sending
from arlbench.core.environments.adapters.adapting import (
    check_at_least_one,
    constructing,
    listing,
    unusable,
)
from arlbench.core.environments.adapters.copies import ENV_WORKERS, EVALUATE_IN_PLACE, Copies
from arlbench.core.environments.adapters.gymnasium_spaces import Found, found_of
from arlbench.core.environments.adapters.gymnasium_vectors import makes_all_copies
from arlbench.core.environments.adapters.host import HostEnvironment
from arlbench.core.environments.adapters.host_trial import try_out
from arlbench.core.environments.adapters.instances import INSTANCES
from arlbench.core.environments.adapters.pygame_drawing import (
    drawn_by_pygame,
    picture_of,
    quiet_pygame,
)
from arlbench.core.environments.adapters.recipes import MadeByRecipe, Recipe, TheOne
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import ConfigurationError, MissingExtraError, UnknownEnvironmentError

_TIME_LIMIT = "max_episode_steps"

# Families whose pictures pygame draws, and whose steps Box2D computes.
_EXTRAS = {
    "gymnasium.envs.classic_control": "classic-control",
    "gymnasium.envs.toy_text": "classic-control",
    "gymnasium.envs.box2d": "box2d",
}

_IN_JAX = "it computes with JAX, which cannot be called from within a JAX program"

# No extra installs its packages, so environments of this family are listed without making them.
_MUJOCO = "gymnasium.envs.mujoco"

# Families that cannot be used.
_UNUSABLE = {
    "gymnasium.envs.phys2d": _IN_JAX,
    "gymnasium.envs.tabular": _IN_JAX,
}


class GymnasiumEnvironment(MadeByRecipe, HostEnvironment):
    """``n_envs`` copies of a gymnasium environment."""

    def __init__(self, spec: EnvSpec, recipe: Recipe, found: Found) -> None:
        """Copies made by a recipe.

        Raises:
            ConfigurationError: As in :class:`HostEnvironment`.
        """
        copies = Copies.of(spec)
        super().__init__(spec, recipe, found, copies.evaluate_in_place)
        self._settings = [_settings(recipe, copies, i) for i in range(spec.n_envs)]

    def make_instance(self, copy: int) -> gymnasium.Env:
        return _make(self._recipe, self._settings[copy])

    def instance_kind(self, copy: int) -> Hashable:
        return self._recipe, self._settings[copy]

    def draw(self, env: gymnasium.Env) -> np.ndarray | None:
        if "rgb_array" not in (env.metadata or {}).get("render_modes", ()):
            return None
        extra = _EXTRAS.get(self._recipe.family, "classic-control")
        return drawn_by_pygame(self.env_name, extra, lambda: picture_of(self.env_name, env))


class _FromZero(gymnasium.ActionWrapper):
    """Counts actions from 0."""

    def __init__(self, env: gymnasium.Env, space: spaces.Discrete) -> None:
        super().__init__(env)
        self.action_space = spaces.Discrete(int(space.n))
        self._start = int(space.start)

    def action(self, action: int) -> int:
        return action + self._start


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    A name may begin with a module. In ``"my_package:MyTask-v0"`` the module registers the
    environment; in ``"my_package:MyTask"`` the module has a class or function of that name.

    Raises:
        UnknownEnvironmentError: If the environment does not exist or cannot be used.
        MissingExtraError: If a package that it needs is not installed.
        ConfigurationError: If a setting is unknown or refused.
        EnvironmentFaultError: If its first reset or step returns wrong values.
    """
    return _of_recipe(spec, _recipe(spec))


def make_own(own: Any, spec: EnvSpec) -> Environment:
    """Makes an environment of the user's own.

    Args:
        own: A class, a function that makes an environment, or an environment.
        spec: Everything except the name.

    Returns:
        The environment. If ``own`` can be found by its module and name, the environment
        equals the one made from ``"module:name"``. Otherwise it does not have a spec, so it
        stays in this process and cannot be made again from files. If ``own`` is an
        environment, the result has a single copy, which evaluations use too.

    Raises:
        ConfigurationError: If ``own`` is something else, or if several copies of an existing
            environment are requested.
        UnknownEnvironmentError: If it cannot be used.
        EnvironmentFaultError: If its first reset or step returns wrong values.
    """
    if isinstance(own, gymnasium.Env):
        return _the_one(own, spec)
    if isinstance(own, gymnasium.vector.VectorEnv):
        return batches.of_object(own, spec)
    if not callable(own):
        raise ConfigurationError(
            "make_env takes the name of an environment, its class, a function that makes one, or "
            f"a gymnasium.Env, not a {type(own).__name__}."
        )
    name = modules.name_of(own)
    if recipes.is_found_at(own, name):
        return make(dataclasses.replace(spec, name=name))
    short = str(getattr(own, "__qualname__", type(own).__name__))
    entry = recipes.of_creator(short, own)
    env = _of_recipe(dataclasses.replace(spec, name=short), Recipe(short, entry, own))
    env.spec = None
    return env


def _the_one(own: gymnasium.Env, spec: EnvSpec) -> Environment:
    name = str(own.spec.id) if own.spec else type(own.unwrapped).__name__
    if spec.n_envs != 1 or spec.env_kwargs:
        raise ConfigurationError(
            f"This {name} is a single existing environment, so n_envs must be 1 and env_kwargs "
            "empty; for more copies, give its class or a function that makes it."
        )
    in_place = dataclasses.replace(spec, name=name, env_kwargs={EVALUATE_IN_PLACE: True})
    env = _of_recipe(in_place, TheOne(name, own))
    env.spec = None
    return env


def _of_recipe(spec: EnvSpec, recipe: Recipe) -> Environment:
    copies = Copies.of(spec)
    if makes_all_copies(recipe, copies.vectorization_mode):
        return batches.of_recipe(spec, recipe, copies)
    found = _of_longest(_found(recipe, _settings(recipe, copies, 0)), spec, copies)
    if copies.n_workers:
        content = sending.pack(recipe)
        return batches.WorkerEnvironment(spec, recipe, found, copies, content)
    return GymnasiumEnvironment(spec, recipe, found)


def _of_longest(found: Found, spec: EnvSpec, copies: Copies) -> Found:
    """The facts with the longest time limit of all copies, which may have one each."""
    limits = copies.per_copy.get(_TIME_LIMIT)
    if limits is None:
        return found
    for limit in limits[: spec.n_envs]:
        check_at_least_one(dataclasses.replace(spec, env_kwargs={_TIME_LIMIT: limit}), _TIME_LIMIT)
    longest = found.interface._replace(time_limit=max(limits[: spec.n_envs]))
    return found._replace(interface=longest)


def _settings(recipe: Recipe, copies: Copies, copy: int) -> EnvSpec:
    """The spec of a single copy, with only the library's settings."""
    return EnvSpec("gymnasium", recipe.name, env_kwargs=copies.settings_of(copy))


def with_copies(spec: EnvSpec, n_envs: int) -> EnvSpec:
    """The spec with another number of copies, and no more worker processes than copies.

    A single copy steps in this process, where it can be drawn.
    """
    env_kwargs = dict(spec.env_kwargs)
    if n_workers := env_kwargs.pop(ENV_WORKERS, 0):
        env_kwargs |= {ENV_WORKERS: min(n_workers, n_envs)} if n_envs > 1 else {}
    return dataclasses.replace(spec, n_envs=n_envs, env_kwargs=env_kwargs)


def pack(spec: EnvSpec) -> bytes | None:
    """See :func:`sending.pack`."""
    return sending.pack(_recipe(spec))


def adopt(name: str, content: bytes) -> None:
    """See :func:`sending.adopt`."""
    sending.adopt(name, content)


def meaning(spec: EnvSpec) -> Hashable:
    """What a name refers to at present."""
    return _recipe(spec)


def list_environments() -> list[EnvListing]:
    """The newest version of each of gymnasium's environments, with the reason if it is unusable."""
    newest: dict[str, RegisteredEnv] = {}
    for registered in gymnasium.registry.values():
        if recipes.family(registered) in {*_EXTRAS, *_UNUSABLE, _MUJOCO}:
            key = f"{registered.namespace}/{registered.name}"
            newest[key] = max(newest.get(key, registered), registered, key=_version)
    return [_describe(registered) for registered in newest.values()]


def _describe(registered: RegisteredEnv) -> EnvListing:
    spec = EnvSpec("gymnasium", registered.id)
    if reason := _UNUSABLE.get(recipes.family(registered)):
        return EnvListing("gymnasium", registered.id, unusable=reason)
    if recipes.family(registered) == _MUJOCO:
        limit = registered.max_episode_steps
        return EnvListing("gymnasium", registered.id, time_limit=limit, action_kind="Box")
    with constructing(spec):
        env = _make(_recipe(spec), spec)
    found = listing(spec, _found_in(spec.name, env).interface)
    needs = _EXTRAS.get(recipes.family(registered))
    return found._replace(extra=needs if needs == "box2d" else None)


@functools.lru_cache(maxsize=256)
def _found(recipe: Recipe, spec: EnvSpec) -> Found:
    """The facts found by making one copy, which is kept for later use."""
    check_at_least_one(spec, _TIME_LIMIT)
    with constructing(spec):
        env = _make(recipe, spec)
    try:
        found = _found_in(spec.name, env)
        try_out(spec.name, env)
    except BaseException:
        env.close()
        raise
    INSTANCES.keep((recipe, spec), env)
    return found


def _found_in(name: str, env: gymnasium.Env) -> Found:
    return found_of(name, env.observation_space, env.action_space, _time_limit(env))


def _time_limit(env: gymnasium.Env) -> int | None:
    """The smallest of the time limits that wrap an environment."""
    limits = []
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, gymnasium.wrappers.TimeLimit):
            limits.append(env._max_episode_steps)
        env = env.env
    return min(limits, default=None)


def _recipe(spec: EnvSpec) -> Recipe:
    """The recipe that a name refers to.

    Raises:
        UnknownEnvironmentError: If the name does not exist, or cannot be used.
        MissingExtraError: If a package that it needs is not installed.
    """
    registered = gymnasium.registry.get(spec.name)
    if registered and (reason := _UNUSABLE.get(recipes.family(registered))):
        raise unusable(spec.name, reason)
    try:
        # Messages from the user's own modules are not hidden.
        with contextlib.nullcontext() if ":" in spec.name else quiet_pygame():
            found = recipes.find(spec.name)
    except DependencyNotInstalled as error:
        family = recipes.family(registered) if registered else ""
        raise _missing(spec.name, family, error) from error
    if inspect.isclass(found.creator) and issubclass(found.creator, Environment):
        raise UnknownEnvironmentError(
            f"{spec.name} is a compiled environment, not one of gymnasium; use the framework 'jax'."
        )
    return found


def _make(recipe: Recipe, spec: EnvSpec) -> gymnasium.Env:
    try:
        # gymnasium's own environments use deprecated names of other libraries. What any other
        # environment says is not hidden.
        is_gymnasiums = recipe.family.startswith("gymnasium.")
        with quiet_pygame() if is_gymnasiums else contextlib.nullcontext():
            env = recipe.make(spec.env_kwargs)
    except DependencyNotInstalled as error:
        raise _missing(spec.name, recipe.family, error) from error
    space = env.action_space
    if isinstance(space, spaces.Discrete) and space.start != 0:
        return _FromZero(env, space)
    return env


def _missing(name: str, family: str, error: Exception) -> MissingExtraError:
    extra = _EXTRAS.get(family)
    cure = f": pip install 'arlbench[{extra}]'" if extra else f" ({error})"
    return MissingExtraError(f"{name} needs a package that is missing; install it{cure}")


def _version(registered: RegisteredEnv) -> int:
    return registered.version or 0
