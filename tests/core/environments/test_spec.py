"""A spec is a value: it can be stored and compared, and an environment can be made from it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.environments import EnvSpec
from arlbench.errors import ConfigurationError

JSON_VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)

SETTINGS = st.dictionaries(st.text(max_size=3), JSON_VALUES | st.lists(JSON_VALUES, max_size=2))

SPECS = st.builds(
    EnvSpec,
    st.sampled_from(["gymnax", "other"]),
    st.text(max_size=5),
    st.integers(1, 64),
    SETTINGS,
    st.booleans(),
    st.none() | st.integers(0, 9),
    st.lists(st.tuples(st.text(max_size=3), SETTINGS), max_size=2),
)


@given(SPECS)
def test_a_spec_survives_being_written_and_read(spec: EnvSpec) -> None:
    again = EnvSpec.from_json(spec.to_json())
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.to_json() == spec.to_json()
    assert EnvSpec(**spec.to_mapping()) == spec
    assert json.loads(json.dumps(spec.to_mapping())) == spec.to_mapping()


def test_the_text_of_a_spec_is_plain_json() -> None:
    spec = EnvSpec("gymnax", "CartPole-v1", 8, {"max_steps_in_episode": 50})
    assert json.loads(spec.to_json()) == {
        "framework": "gymnax",
        "name": "CartPole-v1",
        "n_envs": 8,
        "env_kwargs": {"max_steps_in_episode": 50},
        "cnn_policy": False,
        "seed": None,
    }


def test_the_order_of_settings_does_not_matter() -> None:
    left = EnvSpec("gymnax", "X", 1, {"a": 1, "b": 2})
    right = EnvSpec("gymnax", "X", 1, {"b": 2, "a": 1})
    assert left == right
    assert hash(left) == hash(right)


@pytest.mark.parametrize(
    "change",
    [
        {"framework": "other"},
        {"name": "Acrobot-v1"},
        {"n_envs": 2},
        {"env_kwargs": {"gravity": 1.0}},
        {"cnn_policy": True},
        {"seed": 0},
        {"wrappers": [("flatten", {})]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_sets_a_spec_apart(change: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"framework": "gymnax", "name": "CartPole-v1"}
    assert EnvSpec(**{**fields, **change}) != EnvSpec(**fields)


def test_a_spec_is_not_equal_to_its_text() -> None:
    spec = EnvSpec("gymnax", "CartPole-v1")
    assert spec != spec.to_json()


@pytest.mark.parametrize("n_envs", [0, -1, 1.0, True, "4", None])
def test_a_number_of_environments_is_a_positive_whole_number(n_envs: Any) -> None:
    with pytest.raises(ConfigurationError, match="n_envs must be a whole number of at least 1"):
        EnvSpec("gymnax", "CartPole-v1", n_envs)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"name": EnvSpec}, r"The name of an environment must be a string.*make_env takes classes"),
        ({"framework": 3}, r"The framework of an environment must be a string .*'gymnax', not 3\."),
        ({"cnn_policy": "no"}, "cnn_policy must be True or False, not 'no'"),
        ({"seed": -1}, "The seed of an environment must be a whole number from 0"),
        ({"seed": "3"}, "The seed of an environment must be a whole number from 0"),
    ],
)
def test_fields_of_another_type_are_refused(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        EnvSpec(**{"framework": "gymnax", "name": "CartPole-v1", **fields})


def test_values_of_numpy_are_those_of_python() -> None:
    spec = EnvSpec("gymnax", "X", np.int64(2), cnn_policy=np.bool_(True), seed=np.uint8(3))
    assert spec == EnvSpec("gymnax", "X", 2, cnn_policy=True, seed=3)


def test_a_setting_that_cannot_be_written_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"'reward_fn' is a function.*written to a file"):
        EnvSpec("gymnax", "CartPole-v1", 1, {"reward_fn": test_a_spec_is_not_equal_to_its_text})


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({1: 2}, "1"),
        ({1: 2, "a": 3}, "1"),
        ({(1, 2): 3}, r"\(1, 2\)"),
        ({"a": {"b": 0, None: 2}}, "None"),
        ({"a": [{"b": ({3: 1},)}]}, "3"),
    ],
)
def test_the_keys_of_settings_are_strings(settings: Any, key: str) -> None:
    """JSON would make the string "1" of 1, so the spec would differ after it is read again."""
    with pytest.raises(ConfigurationError, match=f"The key {key} in the environment set"):
        EnvSpec("gymnax", "CartPole-v1", env_kwargs=settings)
    with pytest.raises(ConfigurationError, match="in the 'flatten' settings is not a string"):
        EnvSpec("gymnax", "CartPole-v1", wrappers=[("flatten", settings)])


def test_the_text_without_wrappers_is_that_of_the_times_before_them() -> None:
    before = (
        '{"cnn_policy": false, "env_kwargs": {}, "framework": "gymnax", "n_envs": 1, '
        '"name": "CartPole-v1", "seed": null}'
    )
    spec = EnvSpec("gymnax", "CartPole-v1")
    assert spec.to_json() == before
    assert EnvSpec.from_json(before) == spec
    assert EnvSpec("gymnax", "CartPole-v1", wrappers=[]).to_json() == before


STACK = ("frame_stack", {"n_frames": 4})


def test_the_text_names_the_wrappers_in_their_order() -> None:
    spec = EnvSpec("gymnax", "CartPole-v1", wrappers=[STACK, ("clip_reward", {})])
    assert spec.to_mapping()["wrappers"] == [["frame_stack", {"n_frames": 4}], ["clip_reward", {}]]
    assert spec == EnvSpec("gymnax", "CartPole-v1").wrapped(*STACK).wrapped("clip_reward", {})
    assert spec != EnvSpec("gymnax", "CartPole-v1", wrappers=[("clip_reward", {}), STACK])


def test_a_later_change_of_settings_changes_nothing() -> None:
    settings = {"n_frames": 4}
    spec = EnvSpec("gymnax", "CartPole-v1", wrappers=[("frame_stack", settings)])
    settings["n_frames"] = 5
    assert spec == EnvSpec("gymnax", "CartPole-v1", wrappers=[STACK])
    assert dict(spec.wrappers[0][1]) == {"n_frames": 4}


@pytest.mark.parametrize(
    "wrappers",
    ["flatten", ["flatten"], [("flatten",)], [("flatten", None)], [(1, {})], {"flatten": {}}, 3],
)
def test_wrappers_are_pairs_of_a_name_and_settings(wrappers: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"list of pairs.*\('frame_stack'.*, not "):
        EnvSpec("gymnax", "CartPole-v1", wrappers=wrappers)


def test_a_wrapper_setting_that_cannot_be_written_is_refused_by_name() -> None:
    with pytest.raises(
        ConfigurationError, match=r"'clip_reward' setting 'high' is a float \(inf\)"
    ):
        EnvSpec("gymnax", "CartPole-v1", wrappers=[("clip_reward", {"high": float("inf")})])
