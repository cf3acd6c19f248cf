"""Environments are found by framework and name; otherwise the error explains why not."""

from __future__ import annotations

import importlib.util
import sys
import types
from importlib import metadata

import pytest

from arlbench.core.environments import (
    Environment,
    EnvListing,
    EnvSpec,
    evaluation_spec,
    find_framework,
    library_version,
    list_environments,
    make_env,
    make_env_from_spec,
    missing_extra,
    register_framework,
    registry,
)
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError, MissingExtraError, UnknownEnvironmentError
from probes import OneStep


@pytest.fixture(autouse=True)
def restored_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes what a test registers."""
    monkeypatch.setattr(registry, "_frameworks", dict(registry._frameworks))


def provide_adapter(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A module with an adapter's two functions."""
    adapter = types.ModuleType(name)
    adapter.make = lambda spec: OneStep(spec.n_envs)  # type: ignore[attr-defined]
    adapter.list_environments = lambda: [EnvListing("probes", "one")]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, adapter)


def test_an_unknown_framework_is_answered_with_the_nearest_known() -> None:
    with pytest.raises(
        ConfigurationError, match=r"'gymnaks'.*Did you mean 'gymnax'.*Known: gymnax"
    ):
        make_env("gymnaks", "CartPole-v1")


def test_a_registered_framework_makes_and_lists_its_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provide_adapter(monkeypatch, "an_adapter_of_probes")
    register_framework("probes", "an_adapter_of_probes")
    assert make_env("probes", "one", n_envs=3) == OneStep(3)
    assert EnvListing("probes", "one") in list_environments()


def test_a_framework_is_registered_once() -> None:
    with pytest.raises(ConfigurationError, match="'gymnax' is already registered"):
        register_framework("gymnax", "anything")


@pytest.mark.parametrize(
    ("extra", "cure"), [("fast", r"arlbench\[fast\]"), (None, "the-distribution")]
)
def test_a_framework_that_is_not_installed_names_what_to_install(
    extra: str | None, cure: str
) -> None:
    register_framework("absent", "no_such_module_at_all", "the-distribution", extra)
    with pytest.raises(MissingExtraError, match=f"no_such_module_at_all.*pip install '{cure}'"):
        make_env("absent", "anything")


def test_a_module_with_a_fault_of_its_own_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    register_framework("faulty", "a_faulty_adapter")
    (tmp_path / "a_faulty_adapter.py").write_text("raise ValueError('a fault')")  # type: ignore[operator]
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="a fault"):
        make_env("faulty", "anything")


def test_an_environment_can_be_made_from_its_own_spec() -> None:
    env = make_env("gymnax", "CartPole-v1", 2, {"max_steps_in_episode": 9})
    assert isinstance(env, Environment)
    assert env.spec is not None
    again = make_env_from_spec(EnvSpec.from_json(env.spec.to_json()))
    assert again == env
    assert hash(again) == hash(env)
    assert again is not env


def test_environments_of_different_specs_differ() -> None:
    env = make_env("gymnax", "CartPole-v1", 2)
    assert env != make_env("gymnax", "CartPole-v1", 3)
    assert env != make_env("gymnax", "CartPole-v1", 2, {"max_steps_in_episode": 9})
    assert env != make_env("gymnax", "Acrobot-v1", 2)


def test_a_seed_does_not_set_environments_apart_that_take_keys() -> None:
    assert make_env("gymnax", "CartPole-v1", seed=1) == make_env("gymnax", "CartPole-v1", seed=2)


def test_every_listed_environment_can_be_made_or_says_why_not() -> None:
    listings = [listing for listing in list_environments() if listing.framework == "gymnax"]
    assert {"CartPole-v1", "Breakout-MinAtar", "FrozenLake-misc"} <= {x.name for x in listings}
    for listing in listings:
        if listing.unusable is None:
            env = make_env(listing.framework, listing.name)
            assert getattr(env.action_space, "n", None) == listing.n_actions
            kinds = {cls.__name__ for cls in type(env.action_space).__mro__}
            assert listing.action_kind in kinds
            assert env.max_episode_steps == listing.time_limit
        else:
            with pytest.raises(ValueError, match=listing.name):
                make_env(listing.framework, listing.name)


@pytest.mark.parametrize(
    ("name", "framework"),
    [
        ("CartPole-v1", "gymnax"),
        ("MiniGrid-DoorKey-5x5", "xland"),
        ("Navix-Empty-5x5-v0", "navix"),
        ("Snake-v1", "jumanji"),
        ("Craftax-Classic-Symbolic-v1", "craftax"),
    ],
)
def test_a_name_tells_the_framework(name: str, framework: str) -> None:
    assert find_framework(name) == framework


def test_a_class_of_a_module_tells_the_framework() -> None:
    assert find_framework("own_compiled:Tube") == "jax"
    assert find_framework("own_probes:Counting") == "gymnasium"
    assert find_framework("own_probes:giving") == "gymnasium"
    assert find_framework("own_compiled:Tub") == "gymnasium"
    with pytest.raises(UnknownEnvironmentError, match="Did you mean 'own_compiled:Tube'"):
        make_env("gymnasium", "own_compiled:Tub")
    with pytest.raises(UnknownEnvironmentError, match="module that cannot be imported"):
        find_framework("no_such_module:Tube")


def test_an_unknown_name_is_answered_with_the_nearest_of_all_frameworks() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"'snake-v1'.* Did you mean 'Snake-v1'"):
        find_framework("snake-v1")
    with pytest.raises(UnknownEnvironmentError, match="'arlbench envs' lists them"):
        find_framework("")


def test_a_name_of_two_frameworks_has_to_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    provide_adapter(monkeypatch, "an_adapter_of_probes")
    for framework in ("probes", "more_probes"):
        register_framework(framework, "an_adapter_of_probes")
    monkeypatch.setattr(
        sys.modules["an_adapter_of_probes"],
        "list_environments",
        lambda: [EnvListing("probes", "one"), EnvListing("more_probes", "one")],
    )
    with pytest.raises(ConfigurationError, match="--framework more_probes or --framework probes"):
        find_framework("one")


def test_what_is_installed_is_known_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    snake, pole = EnvListing("jumanji", "Snake-v1"), EnvListing("gymnax", "CartPole-v1")
    assert missing_extra(snake) is missing_extra(pole) is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert missing_extra(snake) == "jumanji"
    # The list is complete nevertheless.
    assert "Snake-v1" in {listing.name for listing in list_environments()}


def test_the_version_of_a_library_is_that_of_its_distribution() -> None:
    register_framework("absent", "no_such_module_at_all", "the-distribution")
    assert library_version("xland") == {"xminigrid": metadata.version("xminigrid")}
    assert library_version("absent") == library_version("unheard_of") == {}


def test_an_evaluation_leaves_out_what_is_for_training_only() -> None:
    plain = EnvSpec("gymnax", "CartPole-v1", 2, {"max_steps_in_episode": 50})
    stack = ("frame_stack", {"n_frames": 4})
    spec = plain.wrapped("clip_reward", {}).wrapped(*stack).wrapped("scale_reward", {"scale": 2})
    assert evaluation_spec(spec) == plain.wrapped(*stack)
    assert evaluation_spec(plain) == plain


def test_an_evaluation_without_a_wrapper_that_is_unknown_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'clip_rewards'.*Did you mean 'clip_reward'"):
        evaluation_spec(EnvSpec("gymnax", "CartPole-v1").wrapped("clip_rewards", {}))


def test_the_framework_and_the_name_the_other_way_round_are_put_right() -> None:
    cure = r"make_env\('gymnax', 'CartPole-v1'\)"
    for call in (
        lambda: make_env("CartPole-v1", "gymnax"),
        lambda: make_env(framework="CartPole-v1", name="gymnax"),
        lambda: Problem(EnvSpec("CartPole-v1", "gymnax")).make_algorithm(),
        lambda: make_env("CartPole-v1"),
        lambda: make_env(name="CartPole-v1", n_envs=8),
        make_env,
    ):
        with pytest.raises(ConfigurationError, match=cure):
            call()


def test_an_environment_says_what_it_is() -> None:
    env = make_env("gymnax", "CartPole-v1", 8, {"max_steps_in_episode": 100})
    assert repr(env) == (
        "GymnaxEnvironment('gymnax', 'CartPole-v1', n_envs=8, "
        "env_kwargs={'max_steps_in_episode': 100})"
    )
    wrapped = make_env_from_spec(
        EnvSpec("gymnax", "CartPole-v1", 2, wrappers=[("frame_stack", {"n_frames": 4})])
    )
    assert repr(wrapped) == (
        "FrameStack('gymnax', 'CartPole-v1', n_envs=2, wrappers=['frame_stack'])"
    )
