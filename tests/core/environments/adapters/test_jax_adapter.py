"""Compiled environments of the user's own, made from classes."""

from __future__ import annotations

import sys
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import own_compiled
from arlbench import EnvSpec, make_env
from arlbench.core.environments import make_env_from_spec
from arlbench.core.environments.adapters import jax_adapter
from arlbench.core.environments.registry import (
    adopt_environment,
    meaning_of,
    packed_environment,
)
from arlbench.core.environments.wrappers import FrameStack
from arlbench.core.problem import Problem
from arlbench.errors import (
    ConfigurationError,
    EnvironmentFaultError,
    RenderingError,
    UnknownEnvironmentError,
)
from own_compiled import AllAtOnce, Inherited, NamesItself, PassesOn, TakesMore, Tube
from own_probes import Counting

KEY = jax.random.key(3)


def typed_in(code: str, module: str = "typed_in_by_hand") -> types.ModuleType:
    """A module that no other process can import."""
    made = types.ModuleType(module)
    exec(f"from own_compiled import Tube\n{code}", made.__dict__)
    return made


def test_a_class_is_named_by_its_place_and_made_again_from_its_spec() -> None:
    env = make_env("jax", Tube, 2, {"wind": 0.5}, seed=4)
    assert env.spec == EnvSpec("jax", "own_compiled:Tube", 2, {"wind": 0.5})
    assert (type(env), env.env_name, env.max_episode_steps) == (Tube, "Tube", 5)
    assert env == make_env_from_spec(EnvSpec.from_json(env.spec.to_json()))
    assert env != make_env("jax", Tube, 2, {"wind": 0.4})
    assert env != make_env("jax", Tube, 3, {"wind": 0.5})


def test_it_steps_with_its_settings() -> None:
    env = make_env("jax", "own_compiled:Tube", 2, {"wind": 0.5, "reward": 3.0})
    state, before = env.reset(KEY)
    _, (after, reward, _, _) = env.step(state, jnp.int32([0, 1]), KEY)
    np.testing.assert_allclose(after - before, [[-0.5, 1.0], [0.5, 1.0]], rtol=1e-6)
    np.testing.assert_array_equal(reward, [3.0, 3.0])


def test_it_is_drawn_by_its_own_method() -> None:
    env = make_env("jax", Tube, 2)
    state, _ = env.reset(KEY)
    state, _ = env.step(state, jnp.zeros(2, jnp.int32), KEY)
    np.testing.assert_array_equal(env.render(state), np.full((16, 16, 3), 10))
    without = make_env("jax", Inherited, 2)
    with pytest.raises(RenderingError, match="of your own needs the method render_one"):
        without.render(without.reset(KEY)[0])


def test_wrappers_of_the_spec_are_applied() -> None:
    spec = EnvSpec("jax", "own_compiled:Tube", 2).wrapped("frame_stack", {"n_frames": 3})
    env = make_env_from_spec(spec)
    assert (type(env), env.observation_space.shape) == (FrameStack, (6,))
    assert env.spec is not None
    assert env == make_env_from_spec(env.spec)


@pytest.mark.parametrize(
    ("own", "env_name", "settings"),
    [
        (Inherited, "own_compiled:Inherited", {}),
        (PassesOn, "own_compiled:PassesOn", {"size": 4}),
        (NamesItself, "my name", {"size": 4}),
        (TakesMore, "more", {}),
        (AllAtOnce, "own_compiled:AllAtOnce", {}),
    ],
)
def test_constructors_get_the_copies_and_a_name_if_they_ask_for_one(
    own: Any, env_name: str, settings: dict[str, int]
) -> None:
    env = make_env("jax", own, 3, settings)
    assert (env.n_envs, env.env_name) == (3, env_name)
    assert getattr(env, "size", 4) == 4


def test_a_class_within_a_function_has_no_spec() -> None:
    class Local(Tube):
        pass

    env = make_env("jax", Local, 2)
    assert (type(env), env.spec, env.n_envs) == (Local, None, 2)


@pytest.mark.parametrize(
    ("own", "settings", "message"),
    [
        (Tube, {"wnd": 1}, r"has no setting 'wnd'\. Did you mean 'wind'\? It has: reward, wind\.$"),
        (Tube, {"n_envs": 1}, "has no setting 'n_envs'"),
        (PassesOn, {"env_name": "x"}, "has no setting 'env_name'"),
        (Tube, {"reward": "many"}, "raised ValueError when it was made: could not convert string"),
        (NamesItself, {"sise": 1}, "raised TypeError when it was made: .*argument 'sise'"),
    ],
)
def test_settings_that_do_not_exist_or_are_refused(
    own: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises((ConfigurationError, EnvironmentFaultError), match=message):
        make_env("jax", own, 1, settings)


class WithoutCopies(Inherited):
    def __init__(self) -> None:
        super().__init__("x", 1)


class WithOneCopy(Inherited):
    def __init__(self, n_envs: int) -> None:
        super().__init__("x", 1)


class WithoutName(Inherited):
    def __init__(self, n_envs: int) -> None:
        self.n_envs = n_envs


class Needs(Inherited):
    def __init__(self, size: int, n_envs: int) -> None:
        super().__init__("x", n_envs)


class SpacesOfAnInstance(own_compiled.VectorisedEnvironment):
    reset_one = Inherited.reset_one
    step_one = Inherited.step_one

    def __init__(self, n_envs: int) -> None:
        self.action_space = Tube.action_space  # type: ignore[misc]


class EndsInThePast(Inherited):
    def __init__(self, n_envs: int) -> None:
        super().__init__("x", n_envs, max_episode_steps=-3)


class InPython(Inherited):
    kind = "host"


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (WithoutCopies, "cannot be told how many copies .*give its constructor a parameter n_envs"),
        (WithOneCopy, r"does not have the number of copies .*super\(\)\.__init__"),
        (
            WithoutName,
            r"has no name; let its constructor call super\(\)\.__init__\(env_name, n_env",
        ),
        (Needs, r"cannot be made: .*missing 1 required positional argument: 'size'"),
        (SpacesOfAnInstance, "does not define action_space, observation_space; define them in"),
        (EndsInThePast, "max_episode_steps of x must be a positive whole number .*, not -3"),
        (InPython, "steps in Python; make it a gymnasium.Env"),
    ],
)
def test_a_constructor_that_does_not_fit_is_told(own: Any, message: str) -> None:
    with pytest.raises((ConfigurationError, EnvironmentFaultError), match=message) as raised:
        make_env("jax", own, 2)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (Counting, r"not the class Counting; use the framework 'gymnasium'\.$"),
        (Inherited("x", 1), "not an existing environment; give that to the algorithm itself"),
        (giving := (lambda: Tube(1)), "not a function"),
        (3, "not a int"),
    ],
)
def test_only_classes_of_compiled_environments_are_taken(own: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_env("jax", own)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Tube", "'Tube' is not the name of a class; .* such as 'my_module:MyEnv'"),
        ("own_compiled:Tub", r".*own_compiled\.py.* Did you mean 'own_compiled:Tube'"),
        ("own_compiled:XYZ", "Known: own_compiled:Tube, .*own_compiled:AllAtOnce"),
        ("own_compiled:np", "own_compiled:np is not a compiled environment, but a module"),
        ("own_probes:Counting", "but the class Counting; use the framework 'gymnasium'"),
        ("no_such_module:Tube", "is in a module that cannot be imported"),
    ],
)
def test_a_name_without_a_class_is_told(name: str, message: str) -> None:
    with pytest.raises(UnknownEnvironmentError, match=message) as raised:
        make_env("jax", name)
    assert "VectorisedEnvironment" not in str(raised.value)


def test_other_frameworks_name_this_one() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"compiled environment.*framework 'jax'"):
        make_env("gymnasium", Tube)
    with pytest.raises(ConfigurationError, match=r"not a class; .* 'jax' if it can be compiled"):
        make_env("gymnax", Tube)


def test_a_class_that_others_can_import_is_not_sent() -> None:
    assert packed_environment(EnvSpec("jax", "own_compiled:Tube")) is None


def test_a_class_of_the_program_is_sent_and_adopted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax_adapter, "_sent", {})
    module = typed_in("class Typed(Tube):\n    answer = 42\n")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    spec = EnvSpec("jax", "typed_in_by_hand:Typed", 2)
    content = packed_environment(spec)
    assert content is not None
    monkeypatch.delitem(sys.modules, module.__name__)
    with pytest.raises(UnknownEnvironmentError, match="cannot be imported"):
        make_env_from_spec(spec)
    envs: list[Any] = []
    for _ in range(2):
        adopt_environment(spec.framework, spec.name, content)
        envs.append(make_env_from_spec(spec))
    assert envs[0] == envs[1]
    assert envs[0].answer == 42


def test_a_class_that_is_defined_again_is_another_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the same name and settings, but with programs of its own."""
    code = "class Typed(Tube):\n    pass\n"
    spec = EnvSpec("jax", "typed_in_by_hand:Typed", 2)
    problem = Problem(spec)
    made = []
    for _ in range(2):
        monkeypatch.setitem(sys.modules, "typed_in_by_hand", typed_in(code))
        made.append((make_env_from_spec(spec), meaning_of(spec), problem.make_algorithm().env))
    (first, meant, learnt), (second, now, relearnt) = made
    assert first != second
    assert meant != now
    assert (learnt, relearnt) == (first, second)
