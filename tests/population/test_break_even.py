"""On a machine with an accelerator, few members train on the cores; on a CPU nothing is asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import platformdirs
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population import (
    MemberId,
    break_even,
    kept_speeds,
    sending,
    train_population,
    training,
    use_cores,
    workers,
)
from arlbench.population import tasks as planning
from arlbench.population.break_even import BREAK_EVEN_VARIABLE, workload_of
from arlbench.population.feeding import Addition
from arlbench.population.speeds import Speeds

PROBLEM = Problem(EnvSpec("gymnax", "CartPole-v1", n_envs=8), n_total_timesteps=2_000)

#: Of a network with two layers of 64 units.
NETWORK_BYTES = 4 * 4_610

#: With 4 cores: 20 + n against 10 for every 4 members, so 12 take 30 instead of 32, and 13 take
#: 40 instead of 33.
SPEEDS = Speeds(20.0, 1.0, 10.0, NETWORK_BYTES)


class BeginsError(Exception):
    """Raised in place of training."""


class Machine:
    """A machine that has an accelerator.

    Attributes:
        measured: How often its speeds were measured.
        failure: An error of the measurement.
    """

    def __init__(self) -> None:
        self.measured = 0
        self.failure: Exception | None = None

    def measure(self, train: Any) -> Speeds:
        assert train is train_population
        self.measured += 1
        if self.failure is not None:
            raise self.failure
        return SPEEDS


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The placements with which populations would have begun."""
    placements: list[str] = []

    def batched(*_: Any) -> None:
        placements.append("batched")
        raise BeginsError

    def on_cores(tasks: Any, tracker: Any, only_workers: bool = False) -> int:
        placements.append("only workers" if only_workers else "sequential")
        raise BeginsError

    monkeypatch.setattr(training, "train_batched", batched)
    monkeypatch.setattr(training, "train_on_cores", on_cores)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    return placements


@pytest.fixture
def machine(begun: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    fake = Machine()
    monkeypatch.delenv(BREAK_EVEN_VARIABLE, raising=False)
    monkeypatch.setenv(workers.CORES_VARIABLE, "4")
    monkeypatch.setattr(workers._pool, "wanted_cores", None)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(kept_speeds, "_known", {})
    monkeypatch.setattr(break_even, "_said", set())
    monkeypatch.setattr(break_even, "measure", fake.measure)
    # The populations of these tests are short.
    monkeypatch.setattr(break_even, "_SHORT_SECONDS", 0.0)
    return fake


def train(n_members: int, problem: Problem = PROBLEM, **changed: Any) -> None:
    """Begins to train members."""
    arguments = {"configs": [{}], "seeds": range(n_members), **changed}
    with pytest.raises(BeginsError):
        train_population(problem, **arguments)


def test_few_members_train_on_the_cores_and_many_in_batches(machine: Machine, begun: Any) -> None:
    for n in (1, 12, 13, 100):
        train(n)
    assert begun == ["only workers", "only workers", "batched", "batched"]
    assert machine.measured == 1


def test_short_work_needs_no_measurement(
    machine: Machine, begun: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(break_even, "_SHORT_SECONDS", 10.0)
    notices: list[str] = []
    train(100, on_notice=notices.append)
    assert begun == ["only workers"]
    assert machine.measured == 0
    assert len(notices) == 1
    assert "finish before programs could be compiled" in notices[0]
    train(100, n_total_timesteps=2_000_000)
    assert begun == ["only workers", "batched"]
    assert machine.measured == 1


def test_members_that_are_not_trained_do_not_count(machine: Machine, begun: Any) -> None:
    train(100, members=[MemberId(0, j) for j in range(12)])
    assert begun == ["only workers"]


def test_members_of_several_programs_train_one_after_the_other(machine: Machine, begun: Any):
    # Two programs: 40 + 24 against 10 * 24 / 4, and 40 + 26 against 10 * 28 / 4.
    configs = [{"activation": "tanh"}, {"activation": "relu"}]
    train(12, configs=configs)
    train(13, configs=configs)
    assert begun == ["only workers", "batched"]


def test_many_members_of_which_one_is_much_longer_train_on_the_cores(
    machine: Machine, begun: Any
) -> None:
    # In a batch, all would take part until the longest has ended.
    lengths = [200_000] + [2_000] * 99
    train(1, configs=[{}] * 100, n_total_timesteps=lengths)
    assert begun == ["only workers"]


def test_large_networks_do_not_train_on_the_cores(machine: Machine, begun: Any) -> None:
    train(1, PROBLEM.replace(nas_config={"hidden_size": 256}))
    assert begun == ["batched"]


@pytest.mark.parametrize(
    ("placement", "begins"),
    [("sequential", "sequential"), ("cores", "only workers"), ("batched", "batched")],
)
def test_a_placement_that_is_asked_for_needs_no_measurement(
    machine: Machine, begun: Any, placement: str, begins: str
) -> None:
    train(1, placement=placement)
    assert begun == [begins]
    assert machine.measured == 0


def test_on_a_cpu_nothing_is_asked(
    machine: Machine, begun: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setattr(planning, "workload_of", None)
    monkeypatch.setenv(BREAK_EVEN_VARIABLE, "1")
    for placement in ("auto", "sequential", "cores"):
        train(1, placement=placement)
    assert begun == ["sequential"] * 3
    assert machine.measured == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "begins"), [("3", "only workers"), ("2", "batched")])
def test_a_number_that_is_given_needs_no_measurement(
    machine: Machine, begun: Any, monkeypatch: Any, tmp_path: Path, number: str, begins: str
) -> None:
    monkeypatch.setenv(BREAK_EVEN_VARIABLE, number)
    notices: list[str] = []
    train(2, on_notice=notices.append)
    assert begun == [begins]
    assert machine.measured == 0
    assert notices == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many"])
def test_a_wrong_number_is_refused(machine: Machine, monkeypatch: Any, text: str) -> None:
    monkeypatch.setenv(BREAK_EVEN_VARIABLE, text)
    with pytest.raises(ConfigurationError, match=r"ARLBENCH_BREAK_EVEN must be .* at least 1, not"):
        train_population(PROBLEM, [{}], [0])


def test_the_user_is_told_once(machine: Machine, caplog: Any, begun: Any) -> None:
    notices: list[str] = []
    with caplog.at_level(logging.INFO, logger="arlbench"):
        train(2, on_notice=notices.append)
        train(3, on_notice=notices.append)
    begins, measured, reason = notices
    assert "once on this machine" in begins
    assert "20000000.0 µs" in measured
    assert "(break-even: about 14 small members of equal length that share a program)" in reason
    assert "ARLBENCH_BREAK_EVEN=1" in reason
    assert [record.message for record in caplog.records if record.name.endswith("break_even")] == (
        notices
    )


def test_many_members_are_told_of_the_measurement_only(machine: Machine, begun: Any) -> None:
    notices: list[str] = []
    train(14, on_notice=notices.append)
    assert len(notices) == 2


def test_after_a_measurement_that_fails_members_are_batched(machine: Machine, begun: Any) -> None:
    machine.failure = MemoryError("the card is full")
    notices: list[str] = []
    for _ in range(2):
        train(1, on_notice=notices.append)
    assert begun == ["batched"] * 2
    assert machine.measured == 1
    assert len(notices) == 2
    assert "MemoryError: the card is full" in notices[1]


def test_an_interruption_of_the_measurement_is_not_a_failure(machine: Machine) -> None:
    machine.failure = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        train_population(PROBLEM, [{}], [0])
    machine.failure = None
    train(1)
    assert machine.measured == 2


def test_members_that_cannot_leave_this_process_are_batched(
    machine: Machine, begun: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "obstacle", lambda _: "they are bound to it")
    train(1)
    assert begun == ["batched"]
    assert machine.measured == 0


def test_members_are_batched_while_another_population_has_the_workers(
    machine: Machine, begun: Any
) -> None:
    with workers.borrowed(0):
        train(1)
    train(1)
    assert begun == ["batched", "only workers"]


def test_what_joins_is_placed_like_the_others(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration that joins alone would otherwise be for the cores."""
    joined = []

    def batched(tasks: Any, tracker: Any, devices: Any) -> None:
        monkeypatch.setattr(break_even, "prefers_cores", None)
        monkeypatch.setattr(planning, "workload_of", None)
        joined.extend(tracker._feed())
        raise BeginsError

    monkeypatch.setattr(training, "train_batched", batched)
    train(14, feed=lambda: [Addition({"gamma": 0.9}, 2_000, 1)])
    assert len(joined) == 14


def test_cards_of_one_machine_share_the_members(machine: Machine, begun: Any, monkeypatch: Any):
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices() * 2)
    # 20 + 8 / 2 against 20, and 20 + 9 / 2 against 30.
    train(8)
    train(9)
    assert begun == ["only workers", "batched"]


def test_fewer_cores_are_worth_less(machine: Machine, begun: Any) -> None:
    use_cores(1)
    # 20 + n against 10 * n, which are equal for 2.2 members.
    train(2)
    train(3)
    assert begun == ["only workers", "batched"]


def test_the_size_of_networks_is_a_mean_over_members() -> None:
    small, large = (PROBLEM.make_algorithm({"hidden_size": size}) for size in (64, 128))
    of_large = 4 * (5 * 128 + 129 * 128 + 129 * 2)
    workload = workload_of([(small, 1.0), (small, 2.0), (small, 3.0), (large, 4.0)])
    assert workload.n_members == 4
    assert workload.costs == ((1.0, 2.0, 3.0), (4.0,))
    np.testing.assert_allclose(workload.network_bytes, (3 * NETWORK_BYTES + of_large) / 4)
    assert workload_of([]) == ((), 0.0)
