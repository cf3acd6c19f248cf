"""Users' own compiled environments: classes in modules, as in ``"my_module:MyEnv"``."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Hashable
from typing import Any

import cloudpickle
import gymnasium

from arlbench.core.environments.adapters import modules, sending
from arlbench.core.environments.adapters.adapting import check_settings, constructing
from arlbench.core.environments.adapters.jax_trial import try_out
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import (
    ConfigurationError,
    EnvironmentFaultError,
    UnknownEnvironmentError,
)

# Arguments of a constructor that are not settings.
_ARGUMENTS = ("env_name", "n_envs", "spec")

# Classes that another process has sent, by name, with their bytes.
_sent: dict[str, tuple[bytes, type[Environment]]] = {}


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes, from a class such as ``"my_module:MyEnv"``.

    Raises:
        UnknownEnvironmentError: If the class does not exist, or is not an environment.
        ConfigurationError: If a setting is unknown or refused, or ``n_envs`` cannot be given.
        EnvironmentFaultError: If it cannot be compiled, or returns values of wrong kinds.
    """
    return _of_class(spec, _found(spec.name))


def make_own(own: Any, spec: EnvSpec) -> Environment:
    """Makes an environment of a class.

    Args:
        own: A subclass of :class:`Environment`.
        spec: Everything except the name.

    Returns:
        The environment. If the class can be found by its module and name, it equals the one made
        from ``"module:name"``; otherwise it has no spec, so it stays in this process.

    Raises:
        ConfigurationError: If ``own`` is something else.
    """
    if not _is_compiled(own):
        raise ConfigurationError(
            "The framework 'jax' takes the class of a compiled environment, a subclass of "
            f"Environment, or its name, not {_described(own)}."
        )
    name = modules.name_of(own)
    if _is_found_at(own, name):
        return make(dataclasses.replace(spec, name=name))
    env = _of_class(dataclasses.replace(spec, name=own.__qualname__), own)
    env.spec = None
    return env


def has(name: str) -> bool:
    """Whether a name refers to the class of a compiled environment.

    Raises:
        UnknownEnvironmentError: If the name begins with a module that cannot be imported.
    """
    return name in _sent or _is_compiled(_named(name))


def pack(spec: EnvSpec) -> bytes | None:
    """See :func:`sending.packed`."""
    cls = _found(spec.name)
    return sending.packed(spec.name, cls.__module__, cls)


def adopt(name: str, content: bytes) -> None:
    """Registers a class that another process has sent; the same bytes are always one class."""
    if name not in _sent or _sent[name][0] != content:
        _sent[name] = (content, cloudpickle.loads(content))


def meaning(spec: EnvSpec) -> Hashable:
    """The class that a name refers to at present."""
    return _found(spec.name)


def list_environments() -> list[EnvListing]:
    """An empty list, because names refer to classes in users' own modules."""
    return []


def _found(name: str) -> type[Environment]:
    if name in _sent:
        return _sent[name][1]
    module, found = modules.module_of(name), _named(name)
    if module is None:
        raise UnknownEnvironmentError(
            f"'{name}' is not the name of a class; the framework 'jax' finds classes in your own "
            "modules, such as 'my_module:MyEnv'."
        )
    if found is None:
        raise modules.unknown_in(module, name, modules.classes_in(module, Environment))
    if not _is_compiled(found):
        raise UnknownEnvironmentError(
            f"{name} is not a compiled environment, but {_described(found)}."
        )
    return found


def _named(name: str) -> Any:
    """What a name refers to; None if nothing."""
    module = modules.module_of(name)
    return None if module is None else modules.attribute(module, name.rpartition(":")[2])


def _is_found_at(own: type[Environment], name: str) -> bool:
    try:
        return _found(name) is own
    except UnknownEnvironmentError:
        return False


def _is_compiled(found: Any) -> bool:
    return inspect.isclass(found) and issubclass(found, Environment)


def _described(found: Any) -> str:
    """What was given instead of a class of a compiled environment, and the cure if there is one."""
    if isinstance(found, Environment):
        return "an existing environment; give that to the algorithm itself"
    if inspect.isclass(found):
        is_gymnasium = issubclass(found, gymnasium.Env | gymnasium.vector.VectorEnv)
        cure = "; use the framework 'gymnasium'" if is_gymnasium else ""
        return f"the class {found.__name__}{cure}"
    return f"a {type(found).__name__}"


def _of_class(spec: EnvSpec, cls: type[Environment]) -> Environment:
    # Randomness comes only from keys, so a seed would only make equal specs differ.
    spec = dataclasses.replace(spec, seed=None)
    env = _made(spec, cls)
    env.spec = spec
    try_out(spec.name, env)
    return env


def _made(spec: EnvSpec, cls: type[Environment]) -> Environment:
    if missing := ", ".join(sorted(getattr(cls, "__abstractmethods__", ()))):
        raise EnvironmentFaultError(
            f"{spec.name} does not define {missing}; define them in the class, spaces as "
            "attributes or properties."
        )
    arguments = _arguments(spec, cls)
    with constructing(spec):
        env = cls(**arguments)
    if getattr(env, "n_envs", None) != spec.n_envs:
        raise EnvironmentFaultError(
            f"{spec.name} does not have the number of copies that was asked for; let its "
            "constructor call super().__init__(env_name, n_envs) with the n_envs that it is given."
        )
    if not hasattr(env, "env_name"):
        raise EnvironmentFaultError(
            f"{spec.name} has no name; let its constructor call super().__init__(env_name, n_envs)."
        )
    if env.kind != "traceable":
        raise EnvironmentFaultError(
            f"{spec.name} steps in Python; make it a gymnasium.Env, which compiled programs call."
        )
    return env


def _arguments(spec: EnvSpec, cls: type[Environment]) -> dict[str, Any]:
    """The arguments for the constructor: the settings, and what a constructor may ask for.

    Raises:
        ConfigurationError: If a setting is unknown, or it does not take ``n_envs``.
    """
    parameters = inspect.signature(cls).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    takes_any = inspect.Parameter.VAR_KEYWORD in kinds
    if not takes_any and "n_envs" not in parameters:
        raise ConfigurationError(
            f"{spec.name} cannot be told how many copies step together; give its constructor a "
            "parameter n_envs, and pass that on to super().__init__(env_name, n_envs)."
        )
    starred = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    named = [name for name, parameter in parameters.items() if parameter.kind not in starred]
    known = [*named, *(spec.env_kwargs if takes_any else ())]
    check_settings(spec, {name: None for name in known if name not in _ARGUMENTS})
    # A constructor with *args and **kwargs passes the name on; one with only **kwargs chooses its
    # own name.
    takes_name = "env_name" in parameters or starred <= kinds
    name = {"env_name": spec.name} if takes_name else {}
    return {**name, "n_envs": spec.n_envs, **spec.env_kwargs}
