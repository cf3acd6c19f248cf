"""Classes and functions are found in the user's own modules."""

from __future__ import annotations

import os.path
import types

import gymnasium
import pytest

import own_compiled
import own_probes
from arlbench.core.environments import Environment
from arlbench.core.environments.adapters import modules
from arlbench.errors import UnknownEnvironmentError


def test_the_module_of_a_name_is_imported() -> None:
    assert modules.module_of("os.path:join") is os.path
    assert modules.module_of("CartPole-v1") is None


def test_a_module_that_is_not_there_names_the_cure() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"no_module:X .*run this in the folder that"):
        modules.module_of("no_module:X")


def test_attributes_are_found_by_dotted_names() -> None:
    outer = types.ModuleType("outer")
    outer.inner = types.SimpleNamespace(leaf=3)  # type: ignore[attr-defined]
    assert modules.attribute(outer, "inner.leaf") == 3
    assert modules.attribute(outer, "inner.root") is None


def test_a_class_is_named_by_its_module() -> None:
    assert modules.name_of(own_probes.Counting) == "own_probes:Counting"
    assert modules.name_of(3) == ":"


def test_the_classes_of_a_module_are_its_own() -> None:
    """Those of this package that it imports are not."""
    assert modules.classes_in(own_probes, gymnasium.Env) == ["Counting"]
    known = ["Tube", "Inherited", "PassesOn", "TakesMore", "NamesItself", "AllAtOnce"]
    assert modules.classes_in(own_compiled, gymnasium.Env, Environment) == known
    error = modules.unknown_in(own_compiled, "own_compiled:AllAtonce", known)
    assert str(error).endswith("'own_compiled:AllAtonce'. Did you mean 'own_compiled:AllAtOnce'?")
