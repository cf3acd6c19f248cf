"""Postpones imports that a library makes but a training run never uses."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any


class _DeferringFinder(importlib.abc.MetaPathFinder):
    """Finds the named modules as usual, but runs them only when they are first used."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.abc.Loader):
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextlib.contextmanager
def deferred(*names: str) -> Iterator[None]:
    """Within the context, importing one of the modules ``names`` does not run it yet.

    A deferred module runs when one of its attributes is first read, so code that uses it
    finds it complete.
    """
    finder = _DeferringFinder(frozenset(names))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def public_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Makes a ``__getattr__`` that imports a package's public names when they are first used.

    It also gives the package a ``__dir__`` that lists them, so that editors and notebooks can
    complete them.

    Args:
        package: The name of the package.
        homes: The module of each public name.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(homes[name]), name)

    contents = vars(sys.modules[package])
    contents["__dir__"] = lambda: sorted({*contents, *homes})
    return find
