"""Recipes that other processes cannot find by their names."""

from __future__ import annotations

import sys
import threading
import types
import warnings
from typing import Any

import cloudpickle
import gymnasium
import pytest

from arlbench import EnvSpec, make_env
from arlbench.core.environments.adapters import recipes, sending
from arlbench.core.environments.registry import adopt_environment, packed_environment
from arlbench.errors import UnknownEnvironmentError
from own_probes import Counting, giving


def register(name: str, cls: Any, **settings: Any) -> EnvSpec:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is registered again
        gymnasium.register(name, cls, **settings)
    return EnvSpec("gymnasium", name)


@pytest.mark.parametrize(
    "spec",
    [
        EnvSpec("gymnasium", "CartPole-v1"),
        EnvSpec("gymnasium", "own_probes:Counting"),
        EnvSpec("gymnasium", "host_probes:Stairs-v0"),
        EnvSpec("gymnax", "CartPole-v1"),
    ],
    ids=lambda spec: spec.name,
)
def test_what_others_can_import_is_not_sent(spec: EnvSpec) -> None:
    assert packed_environment(spec) is None


def test_what_is_registered_is_sent_with_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = register("Sent-v0", Counting, kwargs={"amount": 5.0}, max_episode_steps=9)
    content = packed_environment(spec)
    assert content is not None
    assert packed_environment(register("Sent-v0", Counting, kwargs={"amount": 6.0})) != content
    gymnasium.registry.pop("Sent-v0")
    monkeypatch.setattr(recipes, "_sent", {})
    adopt_environment("gymnasium", "Sent-v0", content)
    env: Any = make_env("gymnasium", "Sent-v0")
    assert env.max_episode_steps == 9
    assert env.make_instance(0).unwrapped.amount == 5.0


def test_a_class_of_a_module_that_none_can_import_is_sent_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("typed_in_by_hand")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(
        "from own_probes import Counting\nclass Typed(Counting):\n    answer = 42\n",
        module.__dict__,
    )
    content = packed_environment(register("Typed-v0", module.__dict__["Typed"]))
    assert content is not None
    monkeypatch.delitem(sys.modules, module.__name__)
    assert cloudpickle.loads(content).creator.answer == 42


def test_the_same_is_adopted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "_sent", {})
    monkeypatch.setattr(sending, "_adopted", {})
    content = packed_environment(register("Once-v0", giving()))
    for _ in range(2):
        adopt_environment("gymnasium", "Once-v0", content or b"")
        first = recipes.find("Once-v0")
    adopt_environment("gymnasium", "Once-v0", content or b"")
    assert recipes.find("Once-v0") is first


def test_what_cannot_be_sent_says_so_with_the_cure() -> None:
    lock = threading.Lock()
    spec = register("Locked-v0", giving(step=lambda n: lock.locked() and n))
    with pytest.raises(UnknownEnvironmentError, match=r"cannot be sent.*lock.*'my_module:MyClass'"):
        packed_environment(spec)
