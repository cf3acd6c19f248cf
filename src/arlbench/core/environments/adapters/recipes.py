"""Recipes: how to make instances of the gymnasium environment to which a name refers at present.

A name may be registered again, for example by a notebook cell that runs twice or a module that
is reloaded. So everything that is kept for an environment belongs to its recipe, not its name.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec as Entry
from gymnasium.envs.registration import load_env_creator

from arlbench.core.environments.adapters import modules
from arlbench.core.environments.adapters.gymnasium_spaces import Found
from arlbench.core.environments.adapters.host_calls import SteppedInPython
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import UnknownEnvironmentError, did_you_mean

# Recipes that another process has sent, and that no module of this process contains.
_sent: dict[str, Recipe] = {}


class Recipe:
    """Makes instances; two recipes are equal if they make the same environment.

    Args:
        name: The name of the environment.
        entry: Its entry in gymnasium's registry.
        creator: The class or function that the entry point refers to at present.

    Attributes:
        family: The package that contains it, as its first three names, such as
            ``"gymnasium.envs.box2d"``.
    """

    def __init__(self, name: str, entry: Entry, creator: Callable[..., Any]) -> None:
        self.name = name
        self.creator = creator
        self.family = family(entry)
        # A copy, because the settings in the registry may be changed in place.
        self.entry = copy.copy(entry)
        self.entry.entry_point = creator
        self.entry.kwargs = dict(entry.kwargs)

    def make(self, env_kwargs: Mapping[str, Any]) -> gymnasium.Env:
        """Makes an instance."""
        return gymnasium.make(self.entry, disable_env_checker=True, **env_kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and all(map(_equal, self._content(), other._content()))

    def __hash__(self) -> int:
        return hash(self.name)

    def _content(self) -> tuple[Any, ...]:
        entry = self.entry
        makes = (entry.max_episode_steps, entry.order_enforce, entry.additional_wrappers)
        return (self.name, self.creator, *makes, entry.kwargs)


class TheOne(Recipe):
    """The recipe of an existing environment: the environment itself."""

    def __init__(self, name: str, env: gymnasium.Env) -> None:
        """Stores the environment."""
        super().__init__(name, of_creator(name, type(env.unwrapped)), type(env.unwrapped))
        self._env = env

    def make(self, env_kwargs: Mapping[str, Any]) -> gymnasium.Env:
        return self._env

    def _content(self) -> tuple[Any, ...]:
        return (self._env,)


class MadeByRecipe(SteppedInPython):
    """An environment that a recipe makes, even if its name refers to something else later."""

    def __init__(
        self, spec: EnvSpec, recipe: Recipe, found: Found, evaluated_in_place: bool = False
    ) -> None:
        """Copies made by this recipe; see :class:`SteppedInPython`."""
        super().__init__(spec, *found, evaluated_in_place=evaluated_in_place)
        # The spec itself is taken away from environments that it cannot make again.
        self._recipe, self._made_from = recipe, self.spec

    def identity(self) -> Any:
        return self._made_from, self.spec is None, self._recipe


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are equal; False if that cannot be decided."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    try:
        return one is other or bool(one == other)
    except Exception:  # comparing arrays, for example, does not give a single bool
        return False


def family(entry: Entry) -> str:
    """The package that contains an environment, as its first three names."""
    return ".".join(_module_of(entry).split(".")[:3])


def find(name: str) -> Recipe:
    """The recipe for a name; if the name begins with a module, that module is imported.

    After the module comes the name of an environment that it registers, or of a class or
    function in it.

    Raises:
        UnknownEnvironmentError: If the name is unknown, or the module cannot be imported.
    """
    if name in _sent:
        return _sent[name]
    own_name = name.rpartition(":")[2]
    module = modules.module_of(name)
    try:
        entry = gymnasium.spec(own_name)
    except gymnasium.error.Error as error:
        if module is None:
            raise _unknown(name) from error
        creator = modules.attribute(module, own_name)
        if not callable(creator):
            raise modules.unknown_in(module, name, _environments_in(module)) from error
        return Recipe(name, of_creator(name, creator), creator)
    return Recipe(name, entry, _creator_of(name, entry))


def is_found_at(own: Callable[..., Any], name: str) -> bool:
    """Whether a name refers to this class or function."""
    try:
        return find(name).creator == own
    except UnknownEnvironmentError:
        return False


def of_creator(name: str, creator: Callable[..., Any]) -> Entry:
    """An entry for a class or function that is not registered."""
    # gymnasium allows fewer characters in names than Python does.
    plain = "".join(sign if sign.isalnum() or sign in ".:_" else "_" for sign in name)
    return Entry(id=plain, entry_point=creator)


def adopt(name: str, recipe: Recipe) -> None:
    """Registers a recipe that another process has sent."""
    _sent[name] = recipe


def _creator_of(name: str, entry: Entry) -> Callable[..., Any]:
    if callable(entry.entry_point):
        return entry.entry_point
    if entry.entry_point is None:
        raise UnknownEnvironmentError(
            f"{name} is registered without an entry point; register it with the class or function "
            "that makes it."
        )
    try:
        return load_env_creator(entry.entry_point)
    except gymnasium.error.DependencyNotInstalled:
        raise
    except Exception as error:
        raise modules.broken(entry.entry_point, error) from error


def _unknown(name: str) -> UnknownEnvironmentError:
    return UnknownEnvironmentError(
        f"gymnasium has no environment named '{name}'."
        + (did_you_mean(name, list(gymnasium.registry)) or " 'arlbench envs' lists them.")
    )


def _environments_in(module: ModuleType) -> list[str]:
    """The environments that a module defines, and those that it or its package has registered."""
    own = f"{module.__name__}."
    return modules.classes_in(module, gymnasium.Env, Environment) + [
        entry.id for entry in gymnasium.registry.values() if f"{_module_of(entry)}.".startswith(own)
    ]


def _module_of(entry: Entry) -> str:
    """The module of an environment's entry point."""
    point = entry.entry_point
    if isinstance(point, str):
        return point.partition(":")[0]
    return str(getattr(point, "__module__", ""))
