"""Many learners as one population: each learns as it would alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import VectorEnv

from arlbench.autorl import AutoRLVectorEnv, autorl_vector_env
from arlbench.errors import ArlbenchError
from probes import SMALL
from schedules import TINY, tiny_env

FEATURES = ["grad_info", "q_value_info", "return_history"]
FIRST = [{**SMALL, "learning_rate": rate} for rate in (1e-2, 1e-3, 1e-4)]
SECOND = [{"gamma": 0.9}, {"buffer_prio_sampling": True}, {"learning_rate": 1e-2}]


def vector_env(num_envs: int = 3, **changes: Any) -> AutoRLVectorEnv:
    return AutoRLVectorEnv(num_envs, {**TINY, "state_features": FEATURES, **changes})


@pytest.fixture(scope="module")
def steps() -> list[Any]:
    """Two steps of three learners."""
    env = vector_env()
    env.reset(seed=[5, 6, 7])
    return [env.step(FIRST), env.step(SECOND)]


@pytest.mark.thorough
@pytest.mark.parametrize("learner", range(3))
def test_a_learner_is_the_one_that_learns_alone(learner: int, steps: list[Any]) -> None:
    alone = tiny_env(state_features=FEATURES)
    alone.reset(seed=5 + learner)
    for action, together in zip((FIRST, SECOND), steps, strict=True):
        obs, objectives, _, _, info = alone.step(action[learner])
        for name, value in obs.items():
            np.testing.assert_array_equal(together[0][name][learner], value)
        assert together[1]["reward_mean"][learner] == objectives["reward_mean"]
        assert together[4]["train_info_df"][learner].equals(info["train_info_df"])


@pytest.mark.thorough
def test_shapes_are_those_of_gymnasium(steps: list[Any]) -> None:
    env = vector_env()
    assert isinstance(env, VectorEnv)
    obs, objectives, terminated, truncated, info = steps[0]
    assert env.observation_space.contains(obs)
    assert obs["grad_info"].shape == (3, 2)
    assert objectives["reward_mean"].shape == terminated.shape == truncated.shape == (3,)
    assert info["wall_seconds"] > 0
    env.action_space.seed(0)
    actions = env.action_space.sample()
    assert env.action_space.contains(actions)
    assert all(map(env.single_action_space.contains, actions))


def test_seeds_are_counted_up_from_one() -> None:
    counted, listed = vector_env(2), vector_env(2)
    counted.reset(seed=8)
    listed.reset(seed=[8, 9])
    one, other = counted.step(FIRST[:2]), listed.step(FIRST[:2])
    np.testing.assert_array_equal(one[0]["grad_info"], other[0]["grad_info"])


@pytest.mark.thorough
def test_the_last_step_truncates_all(steps: list[Any]) -> None:
    env = vector_env(2, n_steps=1)
    env.reset()
    _, _, terminated, truncated, _ = env.step(FIRST[:2])
    assert truncated.tolist() == [True, True]
    assert terminated.tolist() == [False, False]
    with pytest.raises(ArlbenchError, match=r"All 1 steps of this schedule are done"):
        env.step(FIRST[:2])
    env.reset()
    env.step(FIRST[:2])


def test_a_learner_that_diverges_waits_for_the_others() -> None:
    env = vector_env(2)
    env.reset(seed=[5, 6])
    obs, objectives, _, truncated, _ = env.step([{**SMALL, "learning_rate": 1e30}, FIRST[1]])
    assert truncated.tolist() == [True, False]
    assert np.isnan(objectives["reward_mean"]).tolist() == [True, False]
    later, objectives, _, truncated, info = env.step([{}, {}])
    assert truncated.tolist() == [True, False]
    assert np.isnan(objectives["reward_mean"]).tolist() == [True, False]
    assert later["steps"][0].tolist() == obs["steps"][0].tolist()
    assert later["steps"][1].tolist() == [2, 320]
    assert info["train_info_df"][0] is None


@pytest.mark.parametrize("change", [{"buffer_size": 5000}, {"train_freq": 40}, {"gamma": 0.5}])
def test_a_traced_change_compiles_nothing(
    change: dict[str, Any], steps: list[Any], count_compilations: Any
) -> None:
    env = vector_env(2)
    env.reset()
    env.step(FIRST[:2])
    env.step([{}, {}])
    with count_compilations() as counter:
        *_, info = env.step([change, {}])
    assert counter.names == []
    assert info["compile_seconds"] == 0


@pytest.mark.thorough
def test_a_batch_size_that_another_learner_had_compiles_nothing(count_compilations: Any) -> None:
    env = vector_env(2)
    env.reset()
    pairs = zip(FIRST[:2], (5, 6), strict=True)
    env.step([{**action, "buffer_batch_size": size} for action, size in pairs])
    with count_compilations() as counter:
        env.step([{"buffer_batch_size": 6}, {}])
    assert "jit(run_segment)" not in counter.names


WRONG_SETTINGS = {
    "checkpoint": ({"checkpoint": ["all"]}, "cannot write checkpoints"),
    "unknown": ({"objectives": ["no"]}, "Unknown objective"),
}


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_wrong_settings_are_refused(case: str) -> None:
    settings, message = WRONG_SETTINGS[case]
    with pytest.raises(ArlbenchError, match=message):
        vector_env(**settings)


WRONG_ACTIONS = {
    "too few": ([{}], "a list of 3 actions"),
    "one for all": ({"gamma": 0.9}, "a list of 3 actions"),
    "unknown": ([{}, {"gama": 1.0}, {}], "'gama'.*'gamma'"),
    "extended": ([{}, {"double_q": True}, {}], "Learner 1: double_q belongs .*extended=True"),
    "no list": (3, "a list of 3 actions"),
    "impossible": ([{}, {}, {"gamma": 3.0}], "Learner 2: gamma must be"),
}


@pytest.mark.parametrize("case", WRONG_ACTIONS)
def test_wrong_actions_are_refused(case: str) -> None:
    actions, message = WRONG_ACTIONS[case]
    env = vector_env()
    env.reset()
    with pytest.raises(ArlbenchError, match=message):
        env.step(actions)
    assert env.hpo_configs == vector_env_defaults()
    env.step(FIRST)


def vector_env_defaults() -> list[dict[str, Any]]:
    env = vector_env()
    env.reset()
    return env.hpo_configs


def test_a_step_before_reset_is_refused() -> None:
    with pytest.raises(ArlbenchError, match=r"call reset\(\)"):
        vector_env().step(FIRST)


def test_seeds_must_be_as_many_as_learners() -> None:
    with pytest.raises(ArlbenchError, match="2 seeds were given for 3 learners"):
        vector_env().reset(seed=[1, 2])


def test_a_schedule_may_be_longer_than_any_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autorl_vector_env, "start_workers_for", lambda *_: None)
    # 400 million rows would exceed any limit; the default buffer has a million.
    assert vector_env(2, n_total_timesteps=1e8)._init_options == {"capacity": 2**20}


def test_each_learner_has_less_by_what_it_has_overshot() -> None:
    env = vector_env(2)
    env.reset()
    done = []
    # With a budget of 160 for each step: iterations of 120 and 400, then of 40.
    for frequencies in ((30, 100), (10, 10), (10, 10)):
        actions = [{**SMALL, "train_freq": train_freq} for train_freq in frequencies]
        obs, *_, info = env.step(actions)
        done.append([frame["steps"].tolist() for frame in info["train_info_df"]])
    assert done == [[[120, 240], [400, 400]], [[40, 80], [0, 0]], [[80, 160], [40, 80]]]
    assert obs["steps"].tolist() == [[3, 480], [3, 480]]
