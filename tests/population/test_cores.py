"""Members in several processes have the same bits, whatever happens to a process."""

from __future__ import annotations

import os
import signal
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.algorithms import registry
from arlbench.core.algorithms.registry import register_algorithm
from arlbench.errors import ArlbenchError
from arlbench.population import PopulationState, cores, use_cores, workers
from probes import same_bits
from small_populations import SEEDS, UNIFORM, single, train


def test_other_processes_give_the_same_bits(population, two_processes):
    again = train()
    assert again.n_processes == 2
    np.testing.assert_array_equal(again.returns, population.returns)


def test_other_processes_make_the_same_keys_from_seeds(population, only_in_the_worker):
    offset = jax.config.jax_random_seed_offset
    jax.config.update("jax_random_seed_offset", offset + 2)
    try:
        result = train([UNIFORM], [1, 3])
    finally:
        jax.config.update("jax_random_seed_offset", offset)
    # With an offset of 2, they are the keys of the seeds 3 and 5.
    np.testing.assert_array_equal(result.returns[0], population.returns[0])


def test_a_members_process_may_die(population, two_processes):
    killed = []

    def kill_the_worker(progress: Any) -> None:
        if not killed and progress.timesteps:
            killed.append(workers.start_workers(1)[0]._process.pid)
            os.kill(killed[0], signal.SIGKILL)

    result = train(on_progress=kill_the_worker)
    assert killed
    np.testing.assert_array_equal(result.returns, population.returns)


@pytest.mark.thorough
def test_a_member_whose_process_dies_last_is_not_lost(population, two_processes, monkeypatch):
    """By then, the other process has finished."""
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


@pytest.mark.thorough
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
    result = train([UNIFORM], algorithm="renamed")
    assert result.n_processes == 2
    for member, seed in zip(result.members, SEEDS, strict=True):
        _, expected = single(UNIFORM, seed, result.init_options)
        assert same_bits(member.returns, np.asarray(expected.eval_rewards))


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


@pytest.mark.parametrize("changed", [{}, {"feed": lambda: ()}, {"placement": "batched"}])
def test_a_population_without_members_has_no_results(changed):
    result = train([UNIFORM], members=[], **changed)
    assert result.members == ()
    assert (result.status == "missing").all()
    assert not result.interrupted


def test_use_cores_refuses_none():
    with pytest.raises(ArlbenchError, match="cores must be a positive whole number"):
        use_cores(0)


def test_with_an_accelerator_only_workers_train_few_members(population, two_processes, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setenv("ARLBENCH_BREAK_EVEN", "100")
    trained_here = []
    train_member = cores.train_member
    monkeypatch.setattr(
        cores,
        "train_member",
        lambda task, *rest: trained_here.append(task.id) or train_member(task, *rest),
    )
    result = train([UNIFORM])
    assert trained_here == []
    assert result.n_processes == 2
    np.testing.assert_array_equal(result.returns[0], population.returns[0])


@pytest.mark.thorough
def test_members_that_cannot_leave_train_here_even_then(population, two_processes, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(cores.sending, "obstacle", lambda _: "of a test.")
    notices = []
    result = train([UNIFORM], [3], placement="cores", on_notice=notices.append)
    assert result.n_processes == 1
    assert notices == ["The population trains in this process, because of a test."]
    np.testing.assert_array_equal(result.returns[0, 0], population.returns[0, 0])


def test_what_no_worker_trains_is_trained_here_even_then(population, two_processes, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(cores, "_serve", lambda *_: None)
    notices = []
    result = train([UNIFORM], [3], placement="cores", on_notice=notices.append)
    np.testing.assert_array_equal(result.returns[0, 0], population.returns[0, 0])
    assert len(notices) == 1
    assert "in this process, one after another" in notices[0]


def test_nothing_is_said_if_workers_are_stopped(two_processes, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    notices = []
    stopping = {"on_progress": lambda _: True, "on_notice": notices.append}
    assert train([UNIFORM], placement="cores", **stopping).interrupted
    assert notices == []
