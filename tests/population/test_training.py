"""A population equals its single runs."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench import DQN
from arlbench.errors import ArlbenchError
from arlbench.population import PopulationState
from probes import SMALL, same_bits
from small_populations import CONFIGS, PRIORITISED, SEEDS, SLOW, TIMESTEPS, UNIFORM, single, train


def test_results_are_in_the_order_asked_for(population):
    assert population.returns.shape == (3, 2, 2, 3)
    assert population.returns.dtype == np.float32
    assert population.status.tolist() == [["finished"] * 2] * 3
    assert [tuple(m.id) for m in population.members] == [(i, j) for i in range(3) for j in range(2)]
    for member in population.members:
        np.testing.assert_array_equal(
            population.returns[member.config_index, member.seed_index], member.returns
        )
        assert member.timesteps.tolist() == [400, 800]


@pytest.mark.parametrize(("i", "j"), [(0, 0), (1, 1), (2, 0)])
def test_a_member_is_the_single_run_bit_by_bit(population, i, j):
    state, result = single(CONFIGS[i], SEEDS[j], population.init_options)
    member = next(m for m in population.members if m.id == (i, j))
    assert same_bits(member.returns, np.asarray(result.eval_rewards))
    assert same_bits(member.params, state.runner_state.train_state.params)
    assert same_bits(member.parts["opt_state"], state.runner_state.train_state.opt_state)


@pytest.mark.thorough
def test_only_structure_is_compiled(count_compilations):
    rng = np.random.default_rng(0)
    configs = [
        {**SMALL, "buffer_batch_size": batch_size, "buffer_prio_sampling": prioritised,
         "learning_rate": float(10 ** rng.uniform(-4, -2)), "gamma": float(rng.uniform(0.8, 1))}
        for batch_size in (4, 5)
        for prioritised in (False, True)
        for _ in range(3)
    ]  # fmt: skip
    with count_compilations() as compilations:
        # A network that no other test uses.
        settings = {"nas_config": {"hidden_size": 7}, "n_eval_steps": 1}
        result = train(configs, [0, 1], n_total_timesteps=64, **settings)
    # One program for each kind of replay, whatever the batch size.
    assert result.n_groups == 2
    assert compilations.names.count("jit(run_segment)") == 2
    with count_compilations() as compilations:
        train(configs[::-1], [7], n_total_timesteps=128, **settings)
    assert compilations.names == []


@pytest.mark.thorough
def test_the_default_space_has_two_programs():
    space = DQN.get_hpo_config_space(seed=0)
    configs = [dict(config) for config in space.sample_configuration(200)]
    called = []
    result = train(
        configs, [0], n_total_timesteps=64, on_progress=lambda p: called.append(p) or True
    )
    assert result.n_groups == 2
    assert result.interrupted


@pytest.mark.thorough
def test_members_with_other_batch_sizes_are_single_runs_too():
    configs = [{**config, "buffer_batch_size": size} for config in CONFIGS[:2] for size in (5, 7)]
    result = train(configs, [3], keep_params=True)
    assert result.n_groups == 2
    for config, member in zip(configs, result.members, strict=True):
        state, _ = single(config, 3, result.init_options)
        assert same_bits(member.params, state.runner_state.train_state.params)


@pytest.mark.thorough
def test_programs_are_made_for_the_batch_sizes_that_are_asked_for(count_compilations):
    settings = {"nas_config": {"hidden_size": 9}, "options": {"batch_sizes": (5, 7)}}
    small, large = ({**SMALL, "buffer_batch_size": size} for size in (5, 7))
    train([small], [0], n_total_timesteps=64, **settings)
    with count_compilations() as compilations:
        train([large], [0], n_total_timesteps=64, **settings)
    assert compilations.names == []


def test_some_members_only(population):
    result = train(members=[(2, 1), (0, 0)])
    assert result.status.tolist() == [
        ["finished", "missing"],
        ["missing", "missing"],
        ["missing", "finished"],
    ]
    assert not result.interrupted
    np.testing.assert_array_equal(result.returns[2, 1], population.returns[2, 1])
    assert np.isnan(result.returns[1]).all()


def test_a_member_that_diverges_harms_no_other(population):
    result = train([UNIFORM, {**UNIFORM, "learning_rate": 1e38}, SLOW], n_eval_steps=4)
    assert result.status.tolist() == [["finished"] * 2, ["diverged"] * 2, ["finished"] * 2]
    assert np.isnan(result.returns[1, :, -1]).all()
    assert np.isfinite(result.returns[[0, 2]]).all()
    for member in result.members:
        if member.config_index == 1:
            assert member.diverged_at in {200, 400}
            n_finite = member.diverged_at // 200 - 1
            assert np.isfinite(member.returns[:n_finite]).all()
            assert np.isnan(member.returns[n_finite:]).all()
        else:
            assert member.diverged_at is None


def test_each_configuration_may_train_for_its_own_time():
    result = train(n_total_timesteps=[400, 800, 1200])
    assert [m.timesteps[-1] for m in result.members[::2]] == [400, 800, 1200]
    with pytest.raises(ArlbenchError, match="3 configurations"):
        train(n_total_timesteps=[400, 800])


def test_results_hold_the_parts_that_are_asked_for(population):
    result = train([PRIORITISED], [3], keep_parts=["normalizer_state", "global_step"])
    (member,) = result.members
    assert sorted(member.parts) == ["global_step", "normalizer_state"]
    expected = population.members[2].parts
    assert same_bits(member.parts["normalizer_state"], expected["normalizer_state"])
    with pytest.raises(ArlbenchError, match="keep_state=True"):
        PopulationState.of(result)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"configs": []}, "configs is empty"),
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": 3}, "seeds must be a list, not 3"),
        ({"state": UNIFORM}, r"PopulationState.of\(result\) returns, not a dict"),
        ({"seeds": [-1]}, "Seeds must be"),
        ({"seeds": [2**32]}, "Seeds must be"),
        ({"seeds": [True]}, "Seeds must be"),
        ({"configs": [{"learning_rat": 1}]}, "learning_rate"),
        ({"configs": [UNIFORM, {"gamma": 2}]}, "Configuration 1"),
        ({"configs": ["uniform"]}, "mappings"),
        ({"n_total_timesteps": 0}, "n_total_timesteps"),
        ({"members": [(3, 0)]}, "does not exist"),
        ({"members": [(0.5, 0)]}, r"named by the indices .*, not by \(0.5, 0\)"),
        ({"members": [0]}, "named by the indices .*, not by 0"),
        ({"saving": {(0, 0): "folder"}}, "saving must have a MemberSaving .*, not 'folder'"),
        ({"handovers": {(0, 0): "folder"}}, "handovers must have a Handover .*, not 'folder'"),
        ({"options": {"deterministc_eval": False}}, "deterministic_eval"),
        ({"keep_parts": ["normalizer"]}, "normalizer_state"),
        ({"timesteps_before": [0, 1]}, "3 configurations"),
        ({"timesteps_before": -1}, "timesteps_before"),
        (
            {"timesteps_before": [0, 2**31 - 2 * TIMESTEPS, 2**31 - TIMESTEPS]},
            "Configuration 2: After this training, the agent would have done 2147483648 ",
        ),
        (
            {"configs": [UNIFORM, {**UNIFORM, "train_freq": 2**31 - 1}]},
            "Configuration 1: After this training, the agent would have done 8589934588 ",
        ),
        ({"init_options": {"capacit": 8}}, "capacity"),
        ({"placement": "scattered"}, "placement"),
        ({"memory_limit_gib": 1e-6}, "GiB"),
    ],
    ids=str,
)
def test_what_is_impossible_is_refused(change, message):
    with pytest.raises(ArlbenchError, match=message):
        train(**change)
