"""Classes, functions and environments instead of names."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench import EnvSpec, make_env
from arlbench.core.environments import make_env_from_spec
from arlbench.core.environments.wrappers import FrameStack
from arlbench.errors import ConfigurationError, EnvironmentFaultError, UnknownEnvironmentError
from own_probes import Counting, giving, made_by_a_function
from probes import small_dqn, small_state

KEY = jax.random.key(3)


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "made", 0)
    monkeypatch.setattr(Counting, "ports", [])


def first_reward(env: Any) -> float:
    env_state, _ = env.reset(KEY)
    return float(env.step(env_state, jnp.zeros(env.n_envs, jnp.int32), KEY)[1][1][0])


def test_a_class_that_can_be_imported_is_named_by_its_place() -> None:
    env = make_env("gymnasium", Counting, 2, {"amount": 3.0})
    assert env.spec == EnvSpec("gymnasium", "own_probes:Counting", 2, {"amount": 3.0})
    assert env == make_env_from_spec(EnvSpec.from_json(env.spec.to_json()))
    assert first_reward(env) == 3.0


def test_a_function_is_too_and_its_time_limit_is_found() -> None:
    env = make_env("gymnasium", made_by_a_function, env_kwargs={"amount": 2.0})
    assert env.spec is not None
    assert env.spec.name == "own_probes:made_by_a_function"
    assert (first_reward(env), env.max_episode_steps) == (2.0, 3)


def test_what_a_constructor_says_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "offscreen")
    drivers = []

    class Talking(giving()):
        def __init__(self) -> None:
            super().__init__()
            drivers.append(os.environ["SDL_VIDEODRIVER"])
            warnings.warn("the licence expires tomorrow", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="the licence expires tomorrow"):
        make_env("gymnasium", Talking)
    assert drivers == ["offscreen"]


def test_a_class_within_another_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"__module__": "own_probes", "__qualname__": "Counting.Inner"}
    inner = type("Inner", (Counting,), names)
    monkeypatch.setattr(Counting, "Inner", inner, raising=False)
    env = make_env("gymnasium", inner)
    assert env.spec is not None
    assert env.spec.name == "own_probes:Counting.Inner"


@pytest.mark.parametrize(
    "own", [giving(), lambda: Counting(2.0)], ids=["local class", "nameless function"]
)
def test_what_cannot_be_imported_has_no_spec(own: Any) -> None:
    env = make_env("gymnasium", own, n_envs=2)
    assert env.spec is None
    assert FrameStack(env, 2).spec is None
    assert first_reward(env) in {1.0, 2.0}
    assert env == make_env("gymnasium", own, n_envs=2)
    assert env != make_env("gymnasium", own, n_envs=3)


def test_settings_and_a_time_limit_are_those_of_gymnasium() -> None:
    env = make_env("gymnasium", Counting, env_kwargs={"max_episode_steps": 2})
    assert env.max_episode_steps == 2
    with pytest.raises(ConfigurationError, match=r"refused the settings .*'amont'"):
        make_env("gymnasium", Counting, env_kwargs={"amont": 2})


def test_one_that_was_made_already_is_the_only_copy() -> None:
    one = gymnasium.make("CartPole-v1", max_episode_steps=7)
    env = make_env("gymnasium", one)
    assert (env.spec, env.n_envs, env.max_episode_steps) == (None, 1, 7)
    assert env.env_name == "CartPole-v1"
    assert first_reward(env) == 1.0
    assert env == make_env("gymnasium", one)
    assert env != make_env("gymnasium", gymnasium.make("CartPole-v1", max_episode_steps=7))
    with pytest.raises(ConfigurationError, match="so n_envs must be 1 and env_kwargs empty"):
        make_env("gymnasium", one, n_envs=2)


@pytest.mark.thorough
def test_one_that_was_made_already_trains_and_is_evaluated() -> None:
    Counting.made = 0
    dqn = small_dqn(make_env("gymnasium", Counting()))
    state, result = dqn.train(*small_state(dqn), 64, 2, 3)
    assert Counting.made == 1
    np.testing.assert_array_equal(result.eval_rewards, np.full((2, 3), 4.0))
    # Every evaluation starts new episodes in it, which never appear in what is stored.
    stored = state.buffer_state.experience.transition
    before = np.asarray(stored.obs)[0, :64, 0]
    after = np.asarray(stored.next_obs)[0, :64, 0]
    np.testing.assert_allclose(after - before, 0.25)


@pytest.mark.parametrize("own", [3, None, object(), ["CartPole-v1"]])
def test_anything_else_is_refused(own: Any) -> None:
    with pytest.raises(ConfigurationError, match="make_env takes the name of an environment, its"):
        make_env("gymnasium", own)


def test_other_frameworks_know_names_only() -> None:
    with pytest.raises(ConfigurationError, match="'gymnax' needs the name of an environment"):
        make_env("gymnax", Counting)


def test_what_is_not_an_environment_is_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match=r"must inherit from the gymnasium\.Env class"):
        make_env("gymnasium", "own_probes:with_reward", env_kwargs={"reward": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = x +\n", r"SyntaxError: invalid syntax \(.*broken_module\.py, line 2\)"),
        ("\n\nz = undefined\n", r"NameError: .*'undefined'.* \(.*broken_module\.py, line 3\)"),
        ("import not_there\n", r"ModuleNotFoundError: .*'not_there' \(.*broken_module\.py, line 1"),
        (
            "MyEnw = int\n",
            r"broken_module\.py does not define .* 'broken_module:MyEnv'",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_file_and_line(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_module", raising=False)
    with pytest.raises(UnknownEnvironmentError, match=message) as raised:
        make_env("gymnasium", "broken_module:MyEnv")
    assert len(str(raised.value).splitlines()) == 1
    sys.modules.pop("broken_module", None)


def test_the_nearest_class_of_a_module_is_proposed() -> None:
    with pytest.raises(UnknownEnvironmentError, match="Did you mean 'own_probes:Counting'"):
        make_env("gymnasium", "own_probes:Countin")


def test_no_environment_of_another_module_is_proposed() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"Known: .*own_probes:Counting") as raised:
        make_env("gymnasium", "own_probes:AntMaze-v5")
    assert "Ant-v5" not in str(raised.value)


def test_a_registered_environment_of_the_module_is_proposed() -> None:
    gymnasium.register("OwnProbe-v3", "own_probes:Counting")
    try:
        with pytest.raises(UnknownEnvironmentError, match="Did you mean 'own_probes:OwnProbe-v3'"):
            make_env("gymnasium", "own_probes:OwnProb-v3")
    finally:
        del gymnasium.registry["OwnProbe-v3"]


def test_a_compiled_environment_is_not_one_of_gymnasium() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"compiled environment.*the framework .jax."):
        make_env("gymnasium", "probes:Walk")


def test_without_settings_none_are_blamed() -> None:
    with pytest.raises(ConfigurationError, match=r"^builtins:dict cannot be made: The environment"):
        make_env("gymnasium", "builtins:dict")
    with pytest.raises(ConfigurationError, match=r"'amont'$"):
        make_env("gymnasium", Counting, env_kwargs={"amont": 2})


def test_an_error_of_a_later_copy_names_it() -> None:
    class Two(Counting):
        """An environment of which at most two instances may exist."""

        made = 0

        def __init__(self) -> None:
            super().__init__()
            if type(self).made > 2:
                raise OSError("both licences are in use")

    env = make_env("gymnasium", Two, n_envs=3)
    with pytest.raises(
        EnvironmentFaultError, match=r"raised OSError at a reset \(copy 2\): both licences are in"
    ):
        env.reset(KEY)


PORTS = {"per_copy": {"port": [5, 6]}}


def trained(n_envs: int, env_kwargs: Any, wrapped: bool = False, n_eval_steps: int = 2) -> Any:
    env = make_env("gymnasium", Counting, n_envs, env_kwargs)
    dqn = small_dqn(FrameStack(env, 2) if wrapped else env)
    return dqn.train(*small_state(dqn), 64, n_eval_steps, 3)


@pytest.mark.thorough
@pytest.mark.parametrize("wrapped", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_exactly_one_instance_may_be_made(wrapped: bool) -> None:
    """An environment with a port or a licence: evaluations use the same instance."""
    amount = 30.0 + wrapped
    _, result = trained(1, {"evaluate_in_place": True, "amount": amount}, wrapped)
    assert Counting.made == 1
    np.testing.assert_array_equal(result.eval_rewards, np.full((2, 3), 4 * amount))


def test_in_place_results_do_not_depend_on_instances_left_by_others() -> None:
    """An evaluation interrupts the training episodes, whatever else is free in the process."""

    def trained_in_place() -> tuple[int, Any]:
        given = {"evaluate_in_place": True, "amount": 13.0}
        dqn = small_dqn(make_env("gymnasium", Counting, 2, given))
        (runner, _), _ = dqn.train(*small_state(dqn), 66, 3, 3)
        return Counting.made, jax.tree.map(np.asarray, (runner.obs, runner.normalizer_state))

    made, alone = trained_in_place()
    assert made == 2
    other = make_env("gymnasium", Counting, 5, {"amount": 13.0})
    other.release(other.reset(KEY)[0])
    made, after = trained_in_place()
    assert made == 2 + 5
    jax.tree.map(np.testing.assert_array_equal, after, alone)


def test_without_that_evaluations_have_instances_of_their_own() -> None:
    dqn = small_dqn(make_env("gymnasium", Counting, 1, {"amount": 7.0}))
    runner_state, _ = small_state(dqn)
    assert Counting.made == 1
    dqn.evaluate(runner_state, 3)
    assert Counting.made == 2


def test_copies_have_settings_of_their_own() -> None:
    env = make_env("gymnasium", Counting, 2, {**PORTS, "evaluate_in_place": True})
    env_state, obs = env.reset(KEY)
    assert Counting.ports == [5, 6]
    for _ in range(6):  # an episode has four steps
        np.testing.assert_allclose(obs[:, 2], [0.5, 0.6], rtol=1e-6)
        env_state, (obs, *_) = env.step(env_state, jnp.zeros(2, jnp.int32), KEY)
    assert Counting.ports == [5, 6]


def test_copies_with_settings_of_their_own_are_a_spec() -> None:
    env = make_env("gymnasium", Counting, 2, PORTS)
    assert env.spec is not None
    assert EnvSpec.from_json(env.spec.to_json()) == env.spec
    assert env != make_env("gymnasium", Counting, 2, {"per_copy": {"port": [6, 5]}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"per_copy": {"port": [5]}}, "has 1 values of 'port' for 2 copies; give one for each"),
        (
            {"per_copy": {"port": 5}},
            r'must map settings to lists with one value for each copy, such as {"p',
        ),
        ({"per_copy": [5, 6]}, "must map settings to lists"),
        ({**PORTS, "port": 4}, "'port' .* is given both for all copies and in per_copy"),
        ({"evaluate_in_place": 1}, "evaluate_in_place of own_probes:Counting must be true or f"),
    ],
)
def test_impossible_settings_of_copies_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_env("gymnasium", Counting, 2, settings)


def test_a_traced_training_cannot_be_evaluated_in_place() -> None:
    dqn = small_dqn(make_env("gymnasium", Counting, env_kwargs={"evaluate_in_place": True}))
    state = small_state(dqn)
    with pytest.raises(ConfigurationError, match=r"train outside of jax\.jit"):
        jax.jit(lambda state: dqn.train(*state, 64, 2, 3))(state)


def test_an_instance_that_is_taken_away_is_told() -> None:
    env = make_env("gymnasium", Counting, env_kwargs={"evaluate_in_place": True})
    first, _ = env.reset(KEY)
    second, _ = env.reset(KEY)
    assert (env.is_present(first), env.is_present(second)) == (False, True)
