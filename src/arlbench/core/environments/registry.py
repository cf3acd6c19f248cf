"""Finds environments by framework and name; a framework is imported only when it is used."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
from collections.abc import Hashable, Iterable, Mapping
from importlib import metadata
from typing import Any, NamedTuple, Protocol, cast

from arlbench.core.environments import catalogue
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.published import published_calls
from arlbench.core.environments.spec import EnvSpec
from arlbench.core.environments.wrappers.registry import wrap, wrapper_class
from arlbench.core.promotion import leniently
from arlbench.errors import (
    ConfigurationError,
    MissingExtraError,
    UnknownEnvironmentError,
    did_you_mean,
)


class Adapter(Protocol):
    """The functions in the module of a framework."""

    def make(self, spec: EnvSpec) -> Environment: ...

    def list_environments(self) -> list[EnvListing]: ...


class Framework(NamedTuple):
    """The module of a framework's adapter, and what to install for it.

    Attributes:
        module: The adapter's module.
        package: The package that it needs: the name of its distribution. For the libraries below,
            this is also the name to import.
        extra: The extra of arlbench that installs it; None if it is always installed.
        on_host: Whether its environments step in Python.
        namespace: The beginning of names that belong to it, such as ``"ALE/"``; None if none do.
        on_request: Whether :func:`find_framework` prefers any other framework that has the same
            name.
    """

    module: str
    package: str
    extra: str | None
    on_host: bool = False
    namespace: str | None = None
    on_request: bool = False


_LIBRARIES: dict[str, Framework] = {
    "gymnax": Framework("arlbench.core.environments.adapters.gymnax_adapter", "gymnax", None),
    "xland": Framework("arlbench.core.environments.adapters.xland_adapter", "xminigrid", "xland"),
    "navix": Framework("arlbench.core.environments.adapters.navix_adapter", "navix", "navix"),
    "jumanji": Framework(
        "arlbench.core.environments.adapters.jumanji_adapter", "jumanji", "jumanji"
    ),
    "craftax": Framework(
        "arlbench.core.environments.adapters.craftax_adapter", "craftax", "craftax"
    ),
    "gymnasium": Framework(
        "arlbench.core.environments.adapters.gymnasium_adapter", "gymnasium", None, on_host=True
    ),
    "ale": Framework(
        "arlbench.core.environments.adapters.ale_adapter", "ale_py", "atari", True, "ALE/"
    ),
    "envpool": Framework(
        "arlbench.core.environments.adapters.envpool_adapter",
        "envpool",
        "envpool",
        on_host=True,
        on_request=True,
    ),
}

# The import names of what the extras for single environments install.
_PACKAGES_OF_EXTRAS = {"box2d": "Box2D"}

# A user's own compiled environments are classes in modules, which no table lists.
_OWN = {"jax": Framework("arlbench.core.environments.adapters.jax_adapter", "jax", None)}

_frameworks = _LIBRARIES | _OWN


def register_framework(
    name: str,
    module: str,
    package: str | None = None,
    extra: str | None = None,
    on_host: bool = False,
) -> None:
    """Registers a framework, whose module has the functions of :class:`Adapter`.

    Args:
        name: The framework's name for :func:`make_env`.
        module: The adapter's module, imported when first used.
        package: The distribution that the adapter needs; errors name it if it is missing.
        extra: The extra of arlbench that installs it, if one exists.
        on_host: Whether its environments step in Python. If several frameworks have an environment
            of the same name, compiled ones are preferred.

    Raises:
        ConfigurationError: If the name is taken.
    """
    if name in _frameworks:
        raise ConfigurationError(
            f"A framework named '{name}' is already registered; choose another name."
        )
    _frameworks[name] = Framework(module, package or name, extra, on_host)


def registered_frameworks() -> dict[str, Framework]:
    """All frameworks by name, for :func:`adopt_frameworks` in another process."""
    return dict(_frameworks)


def adopt_frameworks(frameworks: Mapping[str, Framework]) -> None:
    """Registers the frameworks of another process."""
    for name, framework in frameworks.items():
        _frameworks.setdefault(name, framework)


@published_calls
def make_env(
    framework: str,
    name: Any,
    n_envs: int = 1,
    env_kwargs: Mapping[str, Any] | None = None,
    cnn_policy: bool = False,
    seed: int | None = None,
) -> Environment:
    """Makes an environment.

    Calls as in arlbench 0.1.3 work too: ``env_framework`` and ``env_name`` by keyword, and the
    order ``(env_framework, env_name, cnn_policy, n_envs, seed, env_kwargs)``, which is recognised
    by a bool as the third argument.

    Args:
        framework: The library that provides it, such as ``"gymnax"``.
        name: Its name there. With ``"jax"`` also the class of a compiled environment; with
            ``"gymnasium"`` a class, a function that makes an environment, or an existing one.
        n_envs: How many copies step together.
        env_kwargs: Settings for the library.
        cnn_policy: Whether observations are kept as images for a convolutional network.
        seed: Added to the seeds of the episodes of environments that step in Python; compiled ones
            ignore it.

    Raises:
        UnknownEnvironmentError: If the environment does not exist or cannot be used.
        ConfigurationError: If the framework or a setting is unknown or impossible.
        MissingExtraError: If the framework is not installed.
        EnvironmentFaultError: If it is one of your own or steps in Python, and its first reset or
            step fails or returns wrong values.
    """
    kwargs = {} if env_kwargs is None else env_kwargs
    if isinstance(name, str):
        return make_env_from_spec(EnvSpec(framework, name, n_envs, kwargs, cnn_policy, seed))
    make_own = getattr(_adapter(framework, name), "make_own", None)
    if make_own is None:
        given = "class" if isinstance(name, type) else type(name).__name__
        raise ConfigurationError(
            f"The framework '{framework}' needs the name of an environment, not a {given}; for an "
            "environment of your own, use 'gymnasium', or 'jax' if it can be compiled."
        )
    return make_own(name, EnvSpec(framework, "", n_envs, kwargs, cnn_policy, seed))


def make_env_from_spec(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes, with its wrappers; see :func:`make_env`."""
    if not spec.wrappers:
        return _adapter(spec.framework, spec.name).make(spec)
    env = make_env_from_spec(dataclasses.replace(spec, wrappers=()))
    return wrap(env, spec.wrappers)


def evaluation_spec(spec: EnvSpec) -> EnvSpec:
    """The spec of the environment for evaluations of an agent that learns in ``spec``.

    Wrappers and settings that are meant for training only are left out, so that returns are those
    of the task itself.

    Raises:
        ConfigurationError: If a wrapper does not exist.
    """
    kept = [entry for entry in spec.wrappers if not wrapper_class(entry[0]).training_only]
    of_task = dataclasses.replace(spec, wrappers=kept)
    change = getattr(_adapter(spec.framework, spec.name), "for_evaluation", None)
    return of_task if change is None else change(of_task)


def with_copies(spec: EnvSpec, n_envs: int) -> EnvSpec:
    """The spec with another number of copies; settings that need more copies are changed."""
    change = getattr(_adapter(spec.framework, spec.name), "with_copies", None)
    return dataclasses.replace(change(spec, n_envs) if change else spec, n_envs=n_envs)


def packed_environment(spec: EnvSpec) -> bytes | None:
    """What another process needs to make an environment in addition to its spec; None if nothing.

    Raises:
        UnknownEnvironmentError: If it cannot be sent; the message names the cure.
    """
    pack = getattr(_adapter(spec.framework, spec.name), "pack", None)
    return None if pack is None else pack(spec)


def adopt_environment(framework: str, name: str, content: bytes) -> None:
    """Registers an environment that another process has packed."""
    cast(Any, _adapter(framework)).adopt(name, content)


def meaning_of(spec: EnvSpec) -> Hashable:
    """What the name of an environment refers to at present, as a value to compare."""
    meaning = getattr(_adapter(spec.framework, spec.name), "meaning", None)
    return None if meaning is None else meaning(spec)


def list_environments() -> list[EnvListing]:
    """All environments of all frameworks, including those that are not installed."""
    listed = ([*catalogue.read(name)] or live_listings([name]) for name in _frameworks)
    return [listing for listings in listed for listing in listings]


def live_listings(frameworks: Iterable[str] | None = None) -> list[EnvListing]:
    """The environments of some (by default all) libraries, as far as they are installed.

    They are read from the libraries themselves, not from tables.
    """
    listings: list[EnvListing] = []
    for name in _frameworks if frameworks is None else frameworks:
        with contextlib.suppress(MissingExtraError):
            listings.extend(_adapter(name).list_environments())
    return listings


def missing_extra(listing: EnvListing) -> str | None:
    """The extra of arlbench that must be installed to make an environment; this imports nothing."""
    entry = _frameworks[listing.framework]
    # A registered framework names its distribution, whose module may have another name.
    if listing.framework in _LIBRARIES and importlib.util.find_spec(entry.package) is None:
        return entry.extra
    package = _PACKAGES_OF_EXTRAS.get(listing.extra or "")
    is_missing = package is not None and importlib.util.find_spec(package) is None
    return listing.extra if is_missing else None


def library_version(framework: str) -> dict[str, str]:
    """The name and version of a framework's distribution; empty if it is unknown."""
    if framework not in _frameworks:
        return {}
    package = _frameworks[framework].package
    try:
        return {package: metadata.version(package)}
    except metadata.PackageNotFoundError:
        return {}


def steps_in_python(framework: str) -> bool:
    """Whether a framework's environments step in Python; false if it is unknown."""
    return framework in _frameworks and _frameworks[framework].on_host


def find_framework(name: str) -> str:
    """The framework that has an environment of this name.

    If the name exists both compiled and in Python, the compiled one is found. If it begins with a
    module, as in ``"my_package:MyTask-v0"``, that module is imported: a class of a compiled
    environment belongs to jax, and anything else to gymnasium.

    Raises:
        UnknownEnvironmentError: If no framework has it, or its module cannot be imported.
        ConfigurationError: If several frameworks have it.
    """
    if ":" in name:
        return "jax" if cast(Any, _adapter("jax")).has(name) else "gymnasium"
    for framework, entry in _frameworks.items():
        if entry.namespace and name.startswith(entry.namespace):
            return framework
    listings = list_environments()
    found = sorted({listing.framework for listing in listings if listing.name == name})
    found = [framework for framework in found if not _frameworks[framework].on_host] or found
    found = [framework for framework in found if not _frameworks[framework].on_request] or found
    if len(found) > 1:
        raise ConfigurationError(
            f"Several frameworks have an environment '{name}'; choose one: "
            + " or ".join(f"--framework {framework}" for framework in found)
            + "."
        )
    if not found:
        alike = did_you_mean(name, [listing.name for listing in listings])
        suggestion = alike or " 'arlbench envs' lists them."
        own = " For a class of your own, write MODULE:CLASS." if "." in name else ""
        raise UnknownEnvironmentError(f"Unknown environment '{name}'.{suggestion}{own}")
    return found[0]


def _adapter(framework: str, env_name: Any = "") -> Adapter:
    """The adapter of a framework; ``env_name`` is only used to recognise swapped arguments."""
    if framework not in _frameworks:
        if isinstance(env_name, str) and env_name in _frameworks:
            raise ConfigurationError(
                f"'{framework}' comes before its framework; write the framework first, as in "
                f"make_env('{env_name}', '{framework}')."
            )
        raise ConfigurationError(
            f"Unknown environment framework '{framework}'."
            f"{did_you_mean(framework, _frameworks)} Known: {', '.join(_frameworks)}."
        )
    entry = _frameworks[framework]
    try:
        # Libraries compute constants when they are imported.
        return cast(Adapter, leniently(importlib.import_module)(entry.module))
    except ModuleNotFoundError as error:
        cure = f"arlbench[{entry.extra}]" if entry.extra else entry.package
        raise MissingExtraError(
            f"The framework '{framework}' needs a package that is missing ({error.name}); "
            f"install it with: pip install '{cure}'"
        ) from error
