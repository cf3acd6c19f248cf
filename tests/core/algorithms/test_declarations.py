"""Everything that is made from the single declaration of a hyperparameter."""

from __future__ import annotations

import json
import pickle
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.declarations import (
    COUNT,
    PROBABILITY,
    Condition,
    ReadOnlyConfig,
    choice,
    config_space,
    declared,
    differing_from_defaults,
    flag,
    real,
    resolve,
    whole,
)
from arlbench.errors import ConfigurationError

_SMOOTH = Condition("smooth", True)


class Example(NamedTuple):
    """One hyperparameter of every kind."""

    rate: Annotated[Any, real(0.1, 0.9, 0.5, PROBABILITY, log=True)]
    rounds: Annotated[Any, whole(1, 10, 3)]
    smooth: Annotated[Any, flag(False)]
    width: Annotated[Any, real(0.2, 0.8, 0.4, PROBABILITY, active_if=_SMOOTH)]
    size: Annotated[Any, choice((2, 4), 2, possible=COUNT, structural=True)]
    shape: Annotated[Any, choice(("round", "square"), "round", counts_if=_SMOOTH)]


EXAMPLE = declared(Example)


def test_declarations_are_named_by_their_fields_in_order() -> None:
    assert list(EXAMPLE) == list(Example._fields)
    assert [declaration.name for declaration in EXAMPLE.values()] == list(Example._fields)
    scales = [declaration.scale for declaration in EXAMPLE.values()]
    assert scales == ["log", "linear", "choice", "linear", "choice", "choice"]


def test_a_space_follows() -> None:
    space = config_space("Example", EXAMPLE, seed=1)
    assert set(space) == set(Example._fields)
    assert space.name == "Example"
    assert (space["rate"].lower, space["rate"].upper, space["rate"].log) == (0.1, 0.9, True)
    assert space["size"].choices == (2, 4)
    assert dict(space.get_default_configuration()) == {
        "rate": 0.5, "rounds": 3, "smooth": False, "size": 2, "shape": "round",
    }  # fmt: skip
    [condition] = space.conditions
    assert (condition.child.name, condition.parent.name, condition.value) == (
        "width", "smooth", True,
    )  # fmt: skip


def test_what_is_possible_may_be_wider_than_the_search() -> None:
    assert resolve({"rate": 1, "size": 64}, EXAMPLE, "h")["rate"] == 1.0
    for name, value in {"rate": 1.5, "size": 0, "shape": "oval", "smooth": 1}.items():
        with pytest.raises(ConfigurationError, match=f"{name} must be"):
            resolve({name: value}, EXAMPLE, "h")


def test_what_is_inactive_has_its_default_whatever_was_given() -> None:
    config = resolve({"width": 0.7, "shape": "square"}, EXAMPLE, "h")
    assert config["width"] == 0.4
    # Without a condition in the space it is active, although it has no effect.
    assert config["shape"] == "square"
    smooth = resolve({"width": 0.7, "smooth": True}, EXAMPLE, "h")
    assert smooth["width"] == 0.7
    # An ignored value stays ignored; a value that counts does so until it is inactive.
    assert resolve({"smooth": True}, EXAMPLE, "h", config)["width"] == 0.4
    off = resolve({"smooth": False}, EXAMPLE, "h", smooth)
    assert off["width"] == 0.4
    assert resolve({"smooth": True}, EXAMPLE, "h", off)["width"] == 0.4


def test_an_inactive_value_must_still_be_possible() -> None:
    with pytest.raises(ConfigurationError, match="width must be"):
        resolve({"width": "wide"}, EXAMPLE, "h")


def test_under_a_traced_condition_a_value_counts() -> None:
    def width(smooth: Any) -> Any:
        return resolve({"smooth": smooth, "width": 0.7}, EXAMPLE, "h")["width"]

    assert jax.jit(width)(False) == pytest.approx(0.7)


def test_a_configuration_is_identified_by_what_differs_from_the_defaults() -> None:
    config = resolve({"rounds": 7, "width": 0.7, "rate": 0.5}, EXAMPLE, "h")
    assert differing_from_defaults(config, EXAMPLE) == {"rounds": 7}
    # Therefore, a hyperparameter that is added later changes nothing.
    before = {name: declaration for name, declaration in EXAMPLE.items() if name != "shape"}
    older = resolve({"rounds": 7}, before, "h")
    assert differing_from_defaults(older, before) == differing_from_defaults(config, EXAMPLE)


@pytest.mark.parametrize(
    ("value", "dtype"), [(0.3, np.float32), (4, np.int32), (True, np.bool_)], ids=str
)
def test_inputs_of_programs_have_fixed_types(value: Any, dtype: Any) -> None:
    names = {float: "rate", int: "rounds", bool: "smooth"}
    declaration = EXAMPLE[names[type(value)]]
    assert type(declaration.as_input(declaration.check(value))) is dtype
    assert type(declaration.as_input(declaration.check(jnp.asarray(value)))) is dtype
    traced = jax.jit(lambda x: declaration.as_input(declaration.check(x)))(value)
    assert (traced.dtype, traced.shape) == (dtype, ())


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("size", jnp.int32(4), "size shapes the compiled program"),
        ("rounds", jnp.float32(4), "rounds must be a scalar of type int.*float32"),
        ("rate", jnp.ones(3), r"rate must be a scalar of type float.*float32\[3\]"),
        ("smooth", jnp.int32(1), "smooth must be a scalar of type bool"),
    ],
)
def test_tracers_that_do_not_fit_are_refused(name: str, value: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        jax.jit(lambda x: jnp.asarray(EXAMPLE[name].check(x)))(value)


def test_a_configuration_of_an_algorithm_is_read_only() -> None:
    config = ReadOnlyConfig(resolve(None, EXAMPLE, "h"))
    changes = [
        lambda: config.__setitem__("rate", 0.2),
        lambda: config.__delitem__("rate"),
        lambda: config.update(rate=0.2),
        lambda: config.pop("rate"),
        lambda: config.setdefault("other", 1),
        config.clear,
        lambda: config.__ior__({"rate": 0.2}),
    ]
    for change in changes:
        with pytest.raises(ConfigurationError, match=r"read-only.*update_hpo_config"):
            change()
    assert config["rate"] == 0.5


def test_a_read_only_configuration_can_be_copied_sent_and_written() -> None:
    config = ReadOnlyConfig(resolve(None, EXAMPLE, "h"))
    copied = config.copy()
    copied["rate"] = 0.2
    assert config["rate"] == 0.5
    assert pickle.loads(pickle.dumps(config)) == config
    assert json.loads(json.dumps(config)) == config
