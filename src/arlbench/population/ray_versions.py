"""Versions of packages on the machines of a Ray cluster, which must be the same on all of them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping

from arlbench.errors import ConfigurationError

#: Versions by the name of the package; None if it is missing.
Versions = Mapping[str, str | None]

#: The packages on whose versions a member's results may depend.
PACKAGES = ("arlbench", "jax", "jaxlib", "numpy")


def how_to_find_versions(packages: tuple[str, ...] = PACKAGES) -> Callable[[], Versions]:
    """A function that finds them, and that can be sent to machines without this package."""

    def versions() -> Versions:
        found: dict[str, str | None] = {}
        for name in packages:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                found[name] = None
        return found

    return versions


def require_equal(here: Versions, there: Versions, node: str) -> None:
    """Compares the versions of this process with those of a node.

    Raises:
        ConfigurationError: If one differs; the message names both.
    """
    for name, version in here.items():
        if there.get(name) is None:
            raise ConfigurationError(
                f"The Ray node {node} has no {name}; install {name} {version}, the version of this "
                "process, on all nodes."
            )
        if there[name] != version:
            raise ConfigurationError(
                f"The Ray node {node} has {name} {there[name]}, but this process has {name} "
                f"{version}; install one version on all nodes."
            )
