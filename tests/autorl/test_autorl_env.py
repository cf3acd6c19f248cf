"""A schedule: one learner with one configuration after another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils import env_checker

import arlbench
from arlbench.autorl import AutoRLEnv
from arlbench.core.algorithms.declarations import without_extended
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.harness import training
from arlbench.core.environments.adapters.instances import INSTANCES
from arlbench.errors import ArlbenchError, BufferOverflowError, ConfigurationError
from changed_hyperparameters import ANOTHER_VALUE, BASE
from host_probes import NAME
from probes import SMALL, Walk, same_bits
from schedules import TINY, begun_env, learnt, tiny_env

# Every hyperparameter matters in the second step too.
SCHEDULED = {**SMALL, **BASE, "exploration_fraction": 0.9}
CHANGES = {**ANOTHER_VALUE, "learning_starts": 240}


def second_step(change: Mapping[str, Any]) -> tuple[AutoRLEnv, dict[str, Any]]:
    """An environment after a second step with another configuration."""
    env = tiny_env()
    env.reset()
    env.step(SCHEDULED)
    *_, info = env.step(change)
    return env, info


@pytest.fixture(scope="module")
def unchanged() -> AutoRLEnv:
    return second_step({})[0]


def test_every_traced_hyperparameter_is_changed_in_turn() -> None:
    published = without_extended(DQN.hyperparameters())
    traced = {name for name, one in published.items() if not one.structural}
    assert CHANGES.keys() == traced - {"buffer_batch_size"}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_between_steps_compiles_nothing_and_takes_effect(
    name: str, unchanged: AutoRLEnv, count_compilations: Any
) -> None:
    with count_compilations() as counter:
        env, info = second_step({name: CHANGES[name]})
    assert counter.names == []
    assert info["compile_seconds"] == 0
    assert env.hpo_config[name] == CHANGES[name]
    assert not same_bits(learnt(env), learnt(unchanged))


def test_a_schedule_is_the_training_in_one_go() -> None:
    env = begun_env()
    for _ in range(3):
        env.step({})
    dqn = DQN(SMALL, Walk(), nas_config={"hidden_size": 8})
    state, _ = dqn.train(*dqn.init(jax.random.key(42)), 640, 8, 3)
    assert same_bits(learnt(env), state.runner_state.train_state.params)


def test_switching_prioritised_sampling_on_and_off_is_what_train_does_too() -> None:
    env = begun_env()
    for prioritised in (True, False, True):
        env.step({"buffer_prio_sampling": prioritised, "buffer_alpha": 0.7})
    dqn = DQN(SMALL, Walk(), nas_config={"hidden_size": 8})
    state = dqn.init(jax.random.key(42))
    for change in ({}, True, False, True):
        if change != {}:
            dqn.update_hpo_config({"buffer_prio_sampling": change, "buffer_alpha": 0.7})
        state, _ = dqn.train(*state, 160, 2, 3, schedule_timesteps=640)
    assert same_bits(learnt(env), state.runner_state.train_state.params)


def test_a_step_returns_what_gymnasium_expects() -> None:
    env = tiny_env()
    assert env.reset() == ({}, {})
    obs, objectives, terminated, truncated, info = env.step(SMALL)
    assert obs["steps"].tolist() == [1, 160]
    assert env.observation_space.contains(obs)
    assert (terminated, truncated) == (False, False)
    frame = info["train_info_df"]
    assert frame["steps"].tolist() == [80, 160]
    assert objectives == {"reward_mean": pytest.approx(frame["returns"].iloc[-1])}
    assert info["train_seconds"] > 0
    assert "checkpoint" not in info


def test_a_step_may_have_a_length_of_its_own() -> None:
    env = begun_env()
    obs, *_, info = env.step({}, n_total_timesteps=80, n_eval_steps=1, n_eval_episodes=5)
    assert info["train_info_df"]["steps"].tolist() == [80]
    assert obs["steps"].tolist() == [2, 240]


def test_the_last_step_truncates_and_reset_begins_again() -> None:
    env = begun_env(n_steps=2)
    first = learnt(env)
    *_, truncated, _ = env.step({"learning_rate": 0.5})
    assert truncated
    with pytest.raises(ValueError, match=r"All 2 steps of this schedule are done; call reset\(\)"):
        env.step({})
    env.reset()
    assert env.hpo_config["learning_rate"] == pytest.approx(3e-4)
    env.step(SMALL)
    assert same_bits(learnt(env), first)


@pytest.mark.parametrize("seed", [0, 7])
def test_a_seed_is_taken_at_its_word(seed: int) -> None:
    by_setting, by_reset, by_step = tiny_env(seed=seed), tiny_env(), tiny_env()
    by_setting.reset()
    by_reset.reset(seed=seed)
    by_step.reset()
    by_setting.step(SMALL)
    by_reset.step(SMALL)
    by_step.step(SMALL, seed=seed)
    assert same_bits(learnt(by_setting), learnt(by_reset))
    assert same_bits(learnt(by_setting), learnt(by_step))
    assert not same_bits(learnt(by_setting), learnt(begun_env()))


def test_exploration_falls_within_a_step_unless_a_horizon_is_given() -> None:
    # Without a horizon, the whole second step explores with a target_epsilon of 0, so it does
    # not depend on initial_epsilon; with a horizon it does.
    def after(initial_epsilon: float, horizon: int | None) -> Any:
        env = tiny_env(schedule_timesteps=horizon)
        env.reset()
        env.step({**SMALL, "target_epsilon": 0.0, "exploration_fraction": 1.0})
        env.step({"initial_epsilon": initial_epsilon})
        return learnt(env)

    assert same_bits(after(0.5, None), after(1.0, None))
    assert not same_bits(after(0.5, 640), after(1.0, 640))


def test_eval_plays_whole_episodes_of_the_present_learner() -> None:
    env = begun_env()
    returns = env.eval(7)
    assert returns.shape == (7,)
    assert same_bits(returns, env.eval(7))


def test_a_reset_that_is_refused_changes_nothing() -> None:
    env = begun_env()
    before = env.hpo_config
    with pytest.raises(ConfigurationError, match="Seeds must be"):
        env.reset(seed=2**32)
    with pytest.raises(ConfigurationError, match="option"):
        env.reset(options={"x": 1})
    assert env.hpo_config == before
    env.reset(seed=np.int64(3))  # type: ignore[arg-type]


@pytest.mark.thorough
def test_features_work_in_double_precision_too() -> None:
    code = (
        "import jax; jax.config.update('jax_enable_x64', True); import schedules as s;"
        "print(s.begun_env(state_features=['grad_info']).step({})[0]['grad_info'].shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.strip() == "(2,)"


@pytest.mark.thorough
def test_divergence_ends_the_schedule(tmp_path: Path) -> None:
    env = begun_env(
        checkpoint=["state"],
        checkpoint_dir=str(tmp_path),
        objectives=["reward_mean", "runtime"],
        state_features=["grad_info", "return_history"],
    )
    obs, objectives, terminated, truncated, info = env.step({"learning_rate": 1e30})
    assert (terminated, truncated) == (False, True)
    assert np.isnan(objectives["reward_mean"])
    assert objectives["runtime"] < 0
    assert 160 < info["diverged_at"] <= 320
    assert "checkpoint" not in info
    assert env.observation_space.contains(obs)
    with pytest.raises(ConfigurationError, match="diverged in the last step"):
        env.step({})


def test_it_is_an_environment_of_gymnasium() -> None:
    env = tiny_env(state_features=["grad_info", "return_history"])
    assert isinstance(env, gymnasium.Env)
    assert env.unwrapped is env
    env_checker.check_reset_options(env)
    env_checker.check_reset_return_info_deprecation(env)
    env_checker.check_seed_deprecation(env)
    env_checker.check_action_space(env.action_space)
    env_checker.check_observation_space(env.observation_space)
    env.action_space.seed(3)
    env.reset()
    for _ in range(2):
        # Any values that are inputs of the program of the other tests.
        program = {"buffer_batch_size": 8, "buffer_prio_sampling": False, "buffer_size": 1024}
        action = {**env.action_space.sample(), **program}
        assert env.action_space.contains(action)
        obs, *_ = env.step(action, n_eval_steps=1, n_total_timesteps=320)
        assert env.observation_space.contains(obs)


class Settings(Mapping):
    """A mapping that is not a dict, with lists that are not lists, as in other libraries."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        return Settings(**value) if isinstance(value, dict) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def test_any_mapping_will_do_for_settings_and_actions() -> None:
    env = AutoRLEnv(Settings(**{**TINY, "objectives": ("reward_mean", "reward_auc")}))
    env.reset()
    env.step(Settings(**SMALL))
    assert env.config["nas_config"] == {"hidden_size": 8}
    assert env.objectives == ["reward_mean", "reward_auc"]
    configuration = env.config_space.get_default_configuration()
    configuration["buffer_batch_size"] = SMALL["buffer_batch_size"]
    env.step(configuration)
    assert env.hpo_config.items() >= dict(configuration).items()
    assert env.hpo_config["learning_rate"] != SMALL["learning_rate"]


def test_it_is_one_of_the_public_names() -> None:
    assert arlbench.AutoRLEnv is AutoRLEnv


def test_an_inactive_hyperparameter_is_ignored_for_good() -> None:
    env, plain = tiny_env(), tiny_env()
    for each, tau in ((env, {"tau": 0.5}), (plain, {})):
        each.reset()
        *_, info = each.step({**SMALL, "use_target_network": False, **tau})
        assert info["inactive"] == ["target_update_interval", "tau"]
        assert each.hpo_config["tau"] == 1.0
    *_, info = env.step({"use_target_network": True})
    plain.step({"use_target_network": True})
    assert info["inactive"] == []
    assert env.hpo_config["tau"] == 1.0
    assert same_bits(learnt(env), learnt(plain))


WRONG_STEPS = {
    "unknown": ({"lerning_rate": 1.0}, {}, r"hyperparameter 'lerning_rate'.*'learning_rate'"),
    "impossible": ({"gamma": 1.5}, {}, "gamma must be between 0 and 1"),
    "extended": ({"n_step": 3}, {}, "n_step belongs to the extended space.*extended=True"),
    "architecture": ({"hidden_size": 32}, {}, "hidden_size is an architecture choice.*nas_config"),
    "no mapping": (3.0, {}, "An action must be a Configuration or a mapping, not a float"),
    "seed": ({}, {"seed": -1}, "Seeds must be whole numbers from 0"),
    "mistaken": ({}, {"n_total_timesteps": 2**31}, "n_total_timesteps must be"),
    "length": ({}, {"n_total_timesteps": 0.5}, "n_total_timesteps must be a positive whole"),
    "checkpoint": ({}, {"checkpoint_path": "/nowhere"}, "No checkpoint was found in /nowhere"),
}


@pytest.mark.parametrize("case", WRONG_STEPS)
def test_a_wrong_step_is_refused_and_changes_nothing(case: str) -> None:
    action, arguments, message = WRONG_STEPS[case]
    env, untouched = begun_env(), begun_env()
    with pytest.raises(ArlbenchError, match=message):
        env.step(action, **arguments)
    assert env.hpo_config == untouched.hpo_config
    env.step({})
    untouched.step({})
    assert same_bits(learnt(env), learnt(untouched))


def test_a_first_step_that_needs_too_much_memory_may_be_tried_again() -> None:
    env = tiny_env()
    env.reset()
    with pytest.raises(ArlbenchError, match="GiB"):
        env.step({**SMALL, "buffer_size": 2_000_000_000})
    env.step(SMALL)
    assert same_bits(learnt(env), learnt(begun_env()))


def test_a_step_before_reset_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"step\(\) before reset\(\).*call reset\(\)"):
        tiny_env().step({})


def test_eval_before_the_first_step_is_refused() -> None:
    env = tiny_env()
    env.reset()
    with pytest.raises(ConfigurationError, match="no learner before the first step"):
        env.eval(3)


def test_a_step_that_was_interrupted_asks_for_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    env = begun_env()

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DQN, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        env.step({})
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="interrupted"):
        env.step({})


def test_a_buffer_that_overflows_during_a_step_asks_for_a_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = begun_env()

    def overflowed(*_: Any) -> None:
        raise BufferOverflowError("no room")

    monkeypatch.setattr(training, "require_sound", overflowed)
    with pytest.raises(BufferOverflowError, match="no room"):
        env.step({})
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match=r"interrupted; call reset\(\)"):
        env.step({})
    env.reset()
    env.step(SMALL)
    assert same_bits(learnt(env), learnt(begun_env()))


@pytest.mark.thorough
def test_a_new_learner_takes_the_copies_of_the_one_before() -> None:
    """If its environments step in Python, they would otherwise become more with each reset."""
    env = tiny_env(env_framework="gymnasium", env_name=NAME, n_envs=2)
    counts = []
    for _ in range(3):
        env.reset()
        env.step(SMALL)
        counts.append(len(INSTANCES))
    assert counts[0] == counts[1] == counts[2]
