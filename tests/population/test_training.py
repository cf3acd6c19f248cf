"""A population is its single runs, in whatever processes they ran."""

from __future__ import annotations

import itertools
import os
import signal
from typing import Any

import jax
import numpy as np
import pytest

from arlbench import DQN
from arlbench.core.algorithms import registry
from arlbench.core.algorithms.registry import register_algorithm
from arlbench.core.environments import make_env_from_spec
from arlbench.core.problem import Problem
from arlbench.errors import ArlbenchError
from arlbench.population import PopulationState, cores, train_population, use_cores, workers
from probe_framework import walk
from probes import CAPACITY, SMALL, as_numpy, same_bits

TIMESTEPS = 800
LENGTH = {"n_total_timesteps": TIMESTEPS, "n_eval_steps": 2, "n_eval_episodes": 3}

UNIFORM = {**SMALL, "learning_rate": 1e-2}
SLOW = {**SMALL, "learning_rate": 1e-3, "gamma": 0.9}
PRIORITISED = {**SMALL, "buffer_prio_sampling": True, "normalize_observations": True}
CONFIGS = [UNIFORM, PRIORITISED, SLOW]
SEEDS = [3, 5]
NETWORK = {"hidden_size": 8}


OF_THE_PROBLEM = {"n_eval_steps", "n_eval_episodes", "nas_config", "options", "schedule_timesteps"}


def train(configs: Any = CONFIGS, seeds: Any = SEEDS, **changed: Any) -> Any:
    own = {name: changed.pop(name) for name in OF_THE_PROBLEM & changed.keys()}
    problem = Problem(walk(), **{**LENGTH, "nas_config": NETWORK, **own})
    return train_population(
        problem, configs, seeds, **{"init_options": {"capacity": CAPACITY}, **changed}
    )


def single(config: dict[str, Any], seed: int, init_options: Any, **changed: Any) -> Any:
    dqn = DQN(config, make_env_from_spec(walk()), nas_config=NETWORK)
    state = dqn.init(jax.random.key(seed), **init_options)
    return dqn.train(*state, **{**LENGTH, **changed})


@pytest.fixture
def two_processes(monkeypatch):
    """Trains in a worker too, however little there is to do."""
    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1.0)
    use_cores(2)
    (worker,) = workers.start_workers(1)
    assert worker.wait_until_ready()
    yield
    use_cores(1)


@pytest.fixture(scope="module")
def population():
    return train(keep_params=True, keep_state=True)


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


def test_other_processes_give_the_same_bits(population, two_processes):
    again = train()
    assert again.n_processes == 2
    np.testing.assert_array_equal(again.returns, population.returns)


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
        # A network that no other test has.
        settings = {"nas_config": {"hidden_size": 7}, "n_eval_steps": 1}
        result = train(configs, [0, 1], n_total_timesteps=64, **settings)
    # One for each kind of replay, whatever the batch size.
    assert result.n_groups == 2
    assert compilations.names.count("jit(run)") == 2
    with count_compilations() as compilations:
        train(configs[::-1], [7], n_total_timesteps=128, **settings)
    assert compilations.names == []


def test_the_default_space_has_two_programs():
    space = DQN.get_hpo_config_space(seed=0)
    configs = [dict(config) for config in space.sample_configuration(200)]
    called = []
    result = train(
        configs, [0], n_total_timesteps=64, on_progress=lambda p: called.append(p) or True
    )
    assert result.n_groups == 2
    assert result.interrupted


def test_members_with_other_batch_sizes_are_single_runs_too():
    configs = [{**config, "buffer_batch_size": size} for config in CONFIGS[:2] for size in (5, 7)]
    result = train(configs, [3], keep_params=True)
    assert result.n_groups == 2
    for config, member in zip(configs, result.members, strict=True):
        state, _ = single(config, 3, result.init_options)
        assert same_bits(member.params, state.runner_state.train_state.params)


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


def test_a_population_continues_from_its_state(population):
    halves = train(
        n_total_timesteps=TIMESTEPS // 2, n_eval_steps=1, schedule_timesteps=TIMESTEPS,
        keep_state=True,
    )  # fmt: skip
    rest = train(
        n_total_timesteps=TIMESTEPS // 2, n_eval_steps=1, schedule_timesteps=TIMESTEPS,
        keep_params=True, state=PopulationState.of(halves),
    )  # fmt: skip
    np.testing.assert_array_equal(rest.returns[:, :, 0], population.returns[:, :, 1])
    for whole, half in zip(population.members, rest.members, strict=True):
        assert same_bits(half.params, whole.params)


def test_members_become_copies_of_others(population):
    state = PopulationState.of(population).copy_members({(0, 0): (2, 1)})
    result = train(
        [SLOW, PRIORITISED, SLOW], state=state, keep_params=True, members=[(0, 0), (2, 1)]
    )
    copy, original = result.members
    assert same_bits(copy.params, original.params)
    # Copying took nothing from the source: without it there is the same result.
    alone = train([SLOW, PRIORITISED, SLOW], state=PopulationState.of(population),
                  keep_params=True, members=[(2, 1)])  # fmt: skip
    assert same_bits(alone.members[0].params, original.params)


def test_a_state_can_be_saved_and_loaded(population, tmp_path):
    PopulationState.of(population).save(tmp_path / "state")
    dqn = DQN(SLOW, make_env_from_spec(walk()), nas_config=NETWORK)
    loaded = PopulationState.load(tmp_path / "state", dqn)
    further = {"n_eval_steps": 1, "keep_params": True}
    first = train(state=PopulationState.of(population), **further)
    second = train(state=loaded, **further)
    assert same_bits([m.params for m in first.members], [m.params for m in second.members])
    other = DQN(SLOW, make_env_from_spec(walk()), nas_config={"hidden_size": 9})
    with pytest.raises(ArlbenchError, match="shape"):
        PopulationState.load(tmp_path / "state", other)


def test_each_configuration_may_train_for_its_own_time():
    result = train(n_total_timesteps=[400, 800, 1200])
    assert [m.timesteps[-1] for m in result.members[::2]] == [400, 800, 1200]
    with pytest.raises(ArlbenchError, match="3 configurations"):
        train(n_total_timesteps=[400, 800])


def test_progress_is_told_and_can_stop_it(two_processes):
    seen, ended = [], []

    def on_progress(progress: Any) -> bool:
        seen.append(progress)
        return progress.members_done >= 2

    result = train(
        CONFIGS * 3, on_progress=on_progress, on_member=lambda member: ended.append(member.id)
    )
    assert result.interrupted
    assert 2 <= len(result.members) < 18
    assert [m.id for m in result.members] == sorted(ended)
    assert all(a.timesteps <= b.timesteps for a, b in itertools.pairwise(seen))
    assert seen[-1].members_total == 18
    # The workers are free again.
    assert not train(CONFIGS).interrupted


def test_a_members_process_may_die(population, two_processes):
    killed = []

    def kill_the_worker(progress: Any) -> None:
        if not killed and progress.timesteps:
            killed.append(workers.start_workers(1)[0]._process.pid)
            os.kill(killed[0], signal.SIGKILL)

    result = train(on_progress=kill_the_worker)
    assert killed
    np.testing.assert_array_equal(result.returns, population.returns)


def test_a_member_whose_process_dies_last_is_not_lost(population, two_processes, monkeypatch):
    """The other process has nothing left to do when it happens."""
    handed_out = cores.TaskQueue.take

    def only_to_workers(self: Any, who: Any) -> Any:
        others_done = not any(self._waiting.values())
        return handed_out(self, who) if who != "here" or others_done else None

    served = []

    def kill_once(worker: Any, task: Any, tracker: Any) -> Any:
        served.append(task.id)
        if len(served) == 6:
            worker._process.kill()
        return trained_by(worker, task, tracker)

    trained_by = cores._trained_by
    monkeypatch.setattr(cores, "_trained_by", kill_once)
    monkeypatch.setattr(cores.TaskQueue, "take", only_to_workers)
    result = train()
    assert len(served) >= 6
    np.testing.assert_array_equal(result.returns, population.returns)


def test_a_member_that_kills_two_processes_is_an_error(two_processes, monkeypatch):
    def killed(worker: Any, task: Any, tracker: Any) -> Any:
        worker._process.kill()
        return trained_by(worker, task, tracker)

    trained_by = cores._trained_by
    monkeypatch.setattr(cores, "_trained_by", killed)
    monkeypatch.setattr(cores, "_train_here", lambda *_: None)
    with pytest.raises(RuntimeError, match="Two processes died"):
        train()


def test_a_population_within_a_population_trains_by_itself(population, two_processes):
    inner = []

    def on_member(member: Any) -> None:
        if not inner:
            inner.append(train([UNIFORM], [3]))

    outer = train(on_member=on_member)
    assert inner[0].n_processes == 1
    np.testing.assert_array_equal(inner[0].returns[0, 0], population.returns[0, 0])
    np.testing.assert_array_equal(outer.returns, population.returns)


def test_an_algorithm_that_was_registered_trains_in_workers(two_processes, monkeypatch):
    monkeypatch.setattr(registry, "_ALGORITHMS", dict(registry._ALGORITHMS))
    register_algorithm("renamed", "renamed_algorithm", "Renamed")
    monkeypatch.setattr(cores, "_train_here", lambda *_: None)
    problem = Problem(walk(), algorithm="renamed", nas_config=NETWORK, **LENGTH)
    settings = {"init_options": {"capacity": CAPACITY}}
    result = train_population(problem, [UNIFORM], SEEDS, **settings)
    assert result.n_processes == 2
    for member, seed in zip(result.members, SEEDS, strict=True):
        _, expected = single(UNIFORM, seed, result.init_options)
        assert same_bits(member.returns, np.asarray(expected.eval_rewards))


def test_members_tell_where_each_of_them_is(two_processes):
    seen = []
    result = train(on_progress=seen.append)
    last = seen[-1]
    assert last.timesteps == last.total_timesteps == 6 * TIMESTEPS
    assert sorted(last.members) == [member.id for member in result.members]
    for progress in seen:
        assert progress.timesteps == sum(m.timesteps for m in progress.members.values())
        for member, (timesteps, total, eval_rewards) in progress.members.items():
            assert total == TIMESTEPS
            n_done = len(eval_rewards)
            # An evaluation follows every 400 steps; it is told of at once or with the next.
            assert 0 <= timesteps // 400 - n_done <= 1
            np.testing.assert_array_equal(eval_rewards, result.returns[member][:n_done])


def test_a_diverged_member_tells_only_of_finite_evaluations():
    seen = []
    (member,) = train(
        [{**UNIFORM, "learning_rate": 1e38}], [3], n_eval_steps=4, on_progress=seen.append
    ).members
    final = seen[-1].members[member.id]
    assert final.timesteps == member.diverged_at < final.total_timesteps == TIMESTEPS
    assert len(final.eval_rewards) == member.diverged_at // 200 - 1
    assert np.isfinite(final.eval_rewards).all()
    assert f"within the first {member.diverged_at} of 800 steps" in member.divergence


@pytest.mark.parametrize("placement", ["sequential", "batched"])
def test_parts_of_one_schedule_meet_the_sum_of_their_budgets(placement):
    """100 steps are 13 iterations of 8; 200 are 25, of which 12 are left."""
    one_evaluation = {"n_eval_steps": 1, "schedule_timesteps": 200, "placement": placement}
    whole = train([UNIFORM], n_total_timesteps=200, keep_params=True, **one_evaluation)
    first = train([UNIFORM], n_total_timesteps=100, keep_state=True, **one_evaluation)
    assert [member.timesteps.tolist() for member in first.members] == [[104], [104]]
    seen = []
    second = train(
        [UNIFORM], n_total_timesteps=100, timesteps_before=100, keep_params=True,
        state=PopulationState.of(first), on_progress=seen.append, **one_evaluation,
    )  # fmt: skip
    assert [member.timesteps.tolist() for member in second.members] == [[96], [96]]
    assert seen[-1].total_timesteps == 2 * 96
    for one, other in zip(whole.members, second.members, strict=True):
        for left, right in zip(as_numpy(one.params), as_numpy(other.params), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)
    if placement == "sequential":
        assert same_bits([m.params for m in whole.members], [m.params for m in second.members])


def test_results_hold_the_parts_that_are_asked_for(population):
    result = train([PRIORITISED], [3], keep_parts=["normalizer_state", "global_step"])
    (member,) = result.members
    assert sorted(member.parts) == ["global_step", "normalizer_state"]
    expected = population.members[2].parts
    assert same_bits(member.parts["normalizer_state"], expected["normalizer_state"])
    with pytest.raises(ArlbenchError, match="keep_state=True"):
        PopulationState.of(result)


def test_small_populations_leave_the_workers_alone(two_processes, monkeypatch):
    train()
    (worker,) = workers.start_workers(1)
    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1e12)
    assert train([UNIFORM], [3]).n_processes == 1
    assert worker.alive


def test_an_error_of_ours_in_a_worker_is_raised_as_itself(two_processes, monkeypatch):
    state = PopulationState.of(
        train([UNIFORM], n_total_timesteps=8, n_eval_steps=1, keep_state=True)
    )
    for parts in state.parts.values():
        parts["params"] = {"another": np.zeros(3)}
    monkeypatch.setattr(cores, "_train_here", lambda *_: None)
    with pytest.raises(ArlbenchError, match="params"):
        train([UNIFORM], state=state)


def test_an_error_in_the_callers_function_is_raised(two_processes):
    with pytest.raises(ZeroDivisionError):
        train(on_member=lambda _: 1 / 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"configs": []}, "configs is empty"),
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": [-1]}, "Seeds must be"),
        ({"seeds": [2**32]}, "Seeds must be"),
        ({"seeds": [True]}, "Seeds must be"),
        ({"configs": [{"learning_rat": 1}]}, "learning_rate"),
        ({"configs": [UNIFORM, {"gamma": 2}]}, "Configuration 1"),
        ({"configs": ["uniform"]}, "mappings"),
        ({"n_total_timesteps": 0}, "n_total_timesteps"),
        ({"members": [(3, 0)]}, "no member"),
        ({"options": {"deterministc_eval": False}}, "deterministic_eval"),
        ({"keep_parts": ["normalizer"]}, "normalizer_state"),
        ({"timesteps_before": [0, 1]}, "3 configurations"),
        ({"timesteps_before": -1}, "timesteps_before"),
        ({"init_options": {"capacit": 8}}, "capacity"),
        ({"placement": "scattered"}, "placement"),
        ({"memory_limit_gib": 1e-6}, "GiB"),
    ],
    ids=str,
)
def test_what_is_impossible_is_refused(change, message):
    with pytest.raises(ArlbenchError, match=message):
        train(**change)


def test_use_cores_refuses_none():
    with pytest.raises(ArlbenchError, match="at least 1"):
        use_cores(0)
