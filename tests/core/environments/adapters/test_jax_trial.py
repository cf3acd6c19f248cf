"""What a reset and a step of a compiled environment must return is checked before compiling."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench import make_env
from arlbench.core.environments import SingleStep
from arlbench.errors import EnvironmentFaultError
from own_compiled import AllAtOnce, Tube


def after(make: Callable[[Any, Any], Any]) -> type[Tube]:
    """A class whose steps return what a function makes of the place and the number of steps."""
    return type("After", (Tube,), {"after": lambda self, place, n_steps: make(place, n_steps)})


def beginning(make: Callable[[], Any]) -> type[Tube]:
    return type("Beginning", (Tube,), {"reset_one": lambda self, rng: make()})


def a_step(place: Any, n_steps: Any, **changes: Any) -> SingleStep:
    obs = jnp.stack([place, jnp.float32(n_steps)])
    return SingleStep((place, n_steps), obs, 1.0, False, False)._replace(**changes)


def decides(place: Any, n_steps: Any) -> SingleStep:
    reward = 1.0
    if place > 1:
        reward = 2.0
    return a_step(place, n_steps, reward=reward)


@pytest.mark.parametrize(
    ("make", "said", "cure"),
    [
        (decides, "decides with a Python 'if'", "use jnp.where, jax.lax.cond or"),
        (
            lambda p, n: a_step(p, n, obs=jnp.zeros(2)[jnp.zeros(2) < p]),
            "selects rows with a mask",
            "use jnp.where",
        ),
        (
            lambda p, n: a_step(p, n, reward=[1.0, 2.0][n]),
            "uses a value as a Python number",
            "make the list an array of jax.numpy",
        ),
        (
            lambda p, n: a_step(p, n, reward=np.sin(p)),
            "passes numpy or Python a value",
            "use jax.numpy instead of numpy",
        ),
        (
            lambda p, n: a_step(p, n, reward=float(p)),
            "needs the number in a value",
            "use .astype instead of int and float",
        ),
    ],
)
def test_code_that_cannot_be_compiled_names_the_environment_the_cure_and_the_lines(
    make: Any, said: str, cure: str
) -> None:
    with pytest.raises(EnvironmentFaultError) as raised:
        make_env("jax", after(make))
    sentence, *frames = str(raised.value).splitlines()
    known_later = r",? that is known only when the compiled program runs \(in step_one\); "
    assert re.fullmatch(f"After {said}.*{known_later}{re.escape(cure)}.*\\.", sentence)
    files = [frame for frame in frames if frame.startswith("  File")]
    assert "test_jax_trial.py" in files[-1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda p, n: (p, p, 1.0, False, False, {}),
            r"returned a tuple of 6 values from step_one, not a SingleStep; return SingleStep\(env",
        ),
        (lambda p, n: None, "returned nothing from step_one"),
        (
            lambda p, n: a_step(p, n, reward=jnp.ones(1)),
            r"gave a reward of the shape \(1,\), not a scalar; use reward\[0\]",
        ),
        (lambda p, n: a_step(p, n, truncated=jnp.ones(2, bool)), "gave a truncated of the shape"),
        (
            lambda p, n: a_step(p, n, obs=jnp.zeros(3)),
            r"returns observations of float32\[3\] after a step, but float32\[2\] after a reset",
        ),
        (
            lambda p, n: a_step(p, n, obs=jnp.zeros(2, jnp.int32)),
            r"observations of int32\[2\] after",
        ),
        (lambda p, n: a_step(p, n, env_state=(p,)), "returns states of another structure"),
        (
            lambda p, n: a_step(p, n, env_state=(p, jnp.zeros(3))),
            r"states with \[1\] of float32\[3\] after a step, but int32\[\] after a reset",
        ),
        (lambda p, n: a_step(p, n, obs="high"), "has a str in its observation"),
        (lambda p, n: p.nothing, "raised AttributeError in step_one: "),
    ],
)
def test_a_step_of_the_wrong_kind_is_told(make: Any, message: str) -> None:
    with pytest.raises(EnvironmentFaultError, match=message):
        make_env("jax", after(make))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: None, "returned nothing from reset_one, not a state and an observation; end it"),
        (lambda: jnp.zeros(2), "from reset_one, not a state and an observation"),
        (lambda: (jnp.zeros(2), jnp.zeros(2), {}), "returned a tuple of 3 values from reset_one"),
        (lambda: ("low", jnp.zeros(2)), "has a str in its state"),
    ],
)
def test_a_reset_of_the_wrong_kind_is_told(make: Any, message: str) -> None:
    with pytest.raises(EnvironmentFaultError, match=message):
        make_env("jax", beginning(make))


def test_another_precision_of_a_state_is_accepted() -> None:
    """It is converted to that of the state at the beginning."""
    make_env("jax", after(lambda p, n: a_step(p, n, env_state=(p.astype(jnp.float16), n))))
    make_env("jax", after(lambda p, n: a_step(p, n, env_state=(p, n.astype(jnp.uint8)))))
    # A flag can be kept in a number.
    make_env("jax", after(lambda p, n: a_step(p, n, env_state=(p > 0, n))))


def test_fractions_are_not_lost_in_a_state_that_began_as_a_whole_number() -> None:
    """A speed that begins as 0 would stay a whole number, and nothing else would tell."""

    class Speeding(Tube):
        def reset_one(self, rng: Any) -> Any:
            return (0.5, 0), self.observe(0.5, 0)

        def after(self, place: Any, n_steps: Any) -> Any:
            return a_step(place, 0.9 * n_steps)

    message = (
        r"states with \[1\] of float32\[\] after a step, but int32\[\] after a reset; begin with "
        "the kind of number that a step returns, such as 0.0 instead of 0"
    )
    with pytest.raises(EnvironmentFaultError, match=message):
        make_env("jax", Speeding)
    begun = type("Flag", (Speeding,), {"reset_one": lambda self, rng: ((0.5, True), jnp.zeros(2))})
    counting = {"after": lambda self, place, n: a_step(place, jnp.int32(n) + 1)}
    with pytest.raises(EnvironmentFaultError, match=r"int32\[\] after a step, but bool\[\] after"):
        make_env("jax", type("Counting", (begun,), counting))


def with_key(self: Any, rng: Any) -> Any:
    return (jnp.float32(0), rng), jnp.zeros(2)


def test_a_state_may_hold_a_key_of_random_numbers() -> None:
    class Keyed(Tube):
        reset_one = with_key

        def step_one(self, env_state: Any, action: Any, rng: Any) -> SingleStep:
            place, key = env_state
            return a_step(place, 0, env_state=(place, jax.random.split(key)[0]))

    make_env("jax", Keyed)

    class Raw(Keyed):
        def step_one(self, env_state: Any, action: Any, rng: Any) -> SingleStep:
            step = super().step_one(env_state, action, rng)
            place, key = step.env_state
            return step._replace(env_state=(place, jax.random.key_data(key)))

    with pytest.raises(EnvironmentFaultError, match=r"uint32\[2\] after a step, but key<fry>"):
        make_env("jax", Raw)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": None}, "gave a NoneType as its reward; use arrays of jax.numpy and numbers"),
        ({"reward": "1"}, "gave a str as its reward"),
        ({"reward": jnp.complex64(1j)}, "gave a complex number as its reward"),
        ({"truncated": None}, "gave a NoneType as its truncated"),
    ],
)
def test_rewards_and_flags_are_numbers(changes: Any, message: str) -> None:
    with pytest.raises(EnvironmentFaultError, match=message):
        make_env("jax", after(lambda p, n: a_step(p, n, **changes)))


TWO = spaces.Box(-9, 9, (2,), np.float32)
PARTS = spaces.Dict({"a": spaces.Discrete(2), "b": TWO})
PAIR = spaces.Tuple([spaces.Discrete(2), PARTS])
CELLS = spaces.MultiDiscrete([3, 3, 3])


@pytest.mark.parametrize(
    ("space", "obs", "message"),
    [
        (TWO, [0.0, 0.0], "observations in a list, but its observation_space is a Box; return one"),
        (TWO, None, "observations in a NoneType, but"),
        (TWO, jnp.zeros(3), r"observations of the shape \(3,\), but its .* has \(2,\); make them"),
        (spaces.Discrete(2), jnp.zeros(1, jnp.int32), r"shape \(1,\), but its .* has \(\); make"),
        (CELLS, jnp.zeros(2, jnp.int32), r"shape \(2,\), but its .* has \(3,\)"),
        (PARTS, jnp.zeros(2), "that are not a dict with 'a', 'b', as its observation_space says"),
        (PARTS, {"a": jnp.int32(0)}, "that are not a dict with 'a', 'b'"),
        (PARTS, {"a": jnp.int32(0), "b": jnp.zeros(1)}, r"with \['b'\] of the shape \(1,\)"),
        (PAIR, (jnp.int32(0),), "that are not a tuple of 2"),
        (PAIR, (jnp.int32(0), {}), r"observations with \[1\] that are not a dict with 'a', 'b'"),
    ],
)
def test_observations_have_the_structure_and_shapes_of_their_space(
    space: spaces.Space, obs: Any, message: str
) -> None:
    changes = {"observation_space": space, "reset_one": lambda self, rng: (0.0, obs)}
    with pytest.raises(EnvironmentFaultError, match=message):
        make_env("jax", type("Misfit", (Tube,), changes))


def test_observations_of_all_copies_are_compared_with_their_space_too() -> None:
    with pytest.raises(EnvironmentFaultError, match=r"shape \(1,\), but its .* has \(2,\)"):
        make_env("jax", type("Changed", (AllAtOnce,), {"observation_space": TWO}), 3)


def test_a_space_that_raises_an_error_is_told_with_its_lines() -> None:
    class Broken(Tube):
        @property
        def action_space(self) -> Any:
            return spaces.Discrete(self.nothing)

    with pytest.raises(EnvironmentFaultError, match="raised AttributeError in action_space") as it:
        make_env("jax", Broken)
    assert "test_jax_trial.py" in str(it.value)


@pytest.mark.parametrize("which", ["action_space", "observation_space"])
def test_spaces_must_be_spaces(which: str) -> None:
    with pytest.raises(EnvironmentFaultError, match=f"has a list as its {which}; make it a space"):
        make_env("jax", type("Spaces", (Tube,), {which: [2]}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flags": ("terminated",)}, "returned an info without 'truncated' from step"),
        ({"kind_of_flags": jnp.float32}, "gave a done of float32, not of bool; use done.astype"),
        ({"shape": (3, 1)}, r"gave a reward of the shape \(3, 1\), not an array of the shape \(3,"),
        (
            {"final": np.zeros((3, 2), np.float32)},
            r"in info\['final_observation'\] of float32\[3, 2\] after a step, but float32\[3, 1\]",
        ),
        (
            {"final": {"a": np.zeros((3, 1), np.float32)}},
            r"in info\['final_observation'\] of another structure from a step than a reset",
        ),
        ({"final": "end"}, "has a str in its observation"),
        ({"step": lambda *given: given}, "from step, not a state and a timestep; return env_sta"),
        ({"reset": lambda *given: 0}, "returned a int from reset, not a state and an observation"),
    ],
)
def test_environments_that_step_all_copies_are_checked_too(changes: Any, message: str) -> None:
    make_env("jax", AllAtOnce, 3)
    with pytest.raises(EnvironmentFaultError, match=message):
        make_env("jax", type("Changed", (AllAtOnce,), changes), 3)


def test_a_composed_observation_is_compared_part_by_part() -> None:
    parts = spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Discrete(2)})

    class Composed(Tube):
        observation_space = parts

        def observe(self, place: Any, n_steps: Any) -> Any:
            begun = isinstance(n_steps, int)
            return {"a": jnp.int32(0), "b": jnp.int32(0) if begun else jnp.float32(0)}

    with pytest.raises(EnvironmentFaultError, match=r"observations with \['b'\] of float32\[\]"):
        make_env("jax", Composed)
