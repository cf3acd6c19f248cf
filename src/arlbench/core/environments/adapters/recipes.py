"""How instances of an environment of gymnasium are made: what a name stands for at present.

A name may be registered again, by a notebook's cell that runs twice or a module that is
reloaded. So all that is kept of an environment is kept for its recipe, not for its name.
"""

from __future__ import annotations

import copy
import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec as Entry
from gymnasium.envs.registration import load_env_creator

from arlbench.core.environments.faults import place_of
from arlbench.errors import UnknownEnvironmentError, did_you_mean

# Known here though no module of this process has them: another process has sent them.
_sent: dict[str, Recipe] = {}


class Recipe:
    """What makes instances; two recipes are equal if they make the same.

    Args:
        name: What it is known by.
        entry: As gymnasium registers environments.
        creator: What the entry's entry point stands for at present, a class or a function.

    Attributes:
        family: The package that it is in, as its first three names, such as
            ``"gymnasium.envs.box2d"``.
    """

    def __init__(self, name: str, entry: Entry, creator: Callable[..., Any]) -> None:
        self.name = name
        self.creator = creator
        self.family = family(entry)
        # Apart from the registry's, whose settings may be changed in place.
        self.entry = copy.copy(entry)
        self.entry.entry_point = creator
        self.entry.kwargs = dict(entry.kwargs)

    def make(self, env_kwargs: Mapping[str, Any]) -> gymnasium.Env:
        """An instance."""
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
    """The recipe of an environment that was made already: itself."""

    def __init__(self, name: str, env: gymnasium.Env) -> None:
        """Takes the environment as it is."""
        super().__init__(name, of_creator(name, type(env.unwrapped)), type(env.unwrapped))
        self._env = env

    def make(self, env_kwargs: Mapping[str, Any]) -> gymnasium.Env:
        return self._env

    def _content(self) -> tuple[Any, ...]:
        return (self._env,)


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are equal, as far as they can tell."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    try:
        return one is other or bool(one == other)
    except Exception:  # arrays, say, have no single answer
        return False


def family(entry: Entry) -> str:
    """The package that an environment is in, as its first three names."""
    point = entry.entry_point
    if isinstance(point, str):
        module = point.partition(":")[0]
    else:
        module = str(getattr(point, "__module__", ""))
    return ".".join(module.split(".")[:3])


def find(name: str) -> Recipe:
    """The recipe of a name, whose module is imported if it names one.

    After the module it may name what that has registered, or a class or function in it.

    Raises:
        UnknownEnvironmentError: If there is none, or a module cannot be imported.
    """
    if name in _sent:
        return _sent[name]
    module_name, _, own_name = name.rpartition(":")
    module = _imported(name, module_name) if module_name else None
    try:
        entry = gymnasium.spec(own_name)
    except gymnasium.error.Error as error:
        creator = None if module is None else attribute(module, own_name)
        if not callable(creator):
            raise _unknown(name, own_name, module) from error
        return Recipe(name, of_creator(name, creator), creator)
    return Recipe(name, entry, _creator_of(name, entry))


def is_found_at(own: Callable[..., Any], name: str) -> bool:
    """Whether a class or function is what is found under a name."""
    try:
        return find(name).creator == own
    except UnknownEnvironmentError:
        return False


def of_creator(name: str, creator: Callable[..., Any]) -> Entry:
    """An entry for what is not registered."""
    # gymnasium allows fewer signs than Python has in names.
    plain = "".join(sign if sign.isalnum() or sign in ".:_" else "_" for sign in name)
    return Entry(id=plain, entry_point=creator)


def adopt(name: str, recipe: Recipe) -> None:
    """Makes a recipe known that another process has sent."""
    _sent[name] = recipe


def attribute(module: ModuleType, qualified_name: str) -> Any:
    """What a module has under a name, which may have dots; None if nothing."""
    try:
        return functools.reduce(getattr, qualified_name.split("."), module)
    except AttributeError:
        return None


def _imported(name: str, module_name: str) -> ModuleType:
    if module_name in sys.modules:
        return sys.modules[module_name]
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and _is_within(module_name, error.name):
            raise UnknownEnvironmentError(
                f"{name} is in a module that cannot be imported ({error}); install it, run this in "
                "the folder that it is in, or fix its name."
            ) from error
        raise _broken(module_name, error) from error


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
        raise _broken(entry.entry_point, error) from error


def _broken(what: str, error: Exception) -> UnknownEnvironmentError:
    said = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return UnknownEnvironmentError(
        f"{what} cannot be imported: {type(error).__name__}: {said} ({place_of(error)})."
    )


def _is_within(module_name: str, missing: str | None) -> bool:
    """Whether a module that is missing is the one that was named, or a package around it."""
    return missing is not None and f"{module_name}.".startswith(f"{missing}.")


def _unknown(name: str, own_name: str, module: ModuleType | None) -> UnknownEnvironmentError:
    prefix = "" if module is None else f"{module.__name__}:"
    known = [prefix + entry for entry in gymnasium.registry]
    where = "" if module is None else f" ({getattr(module, '__file__', None) or 'this program'})"
    if module is not None:
        known += [prefix + key for key in _environments_in(module)]
    return UnknownEnvironmentError(
        f"gymnasium has no environment named '{name}'{where}."
        + (did_you_mean(name, known) or " 'arlbench envs' lists them.")
    )


def _environments_in(module: ModuleType) -> list[str]:
    return [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, gymnasium.Env)
    ]
