"""What is measured of a machine, with faked times and, on a CPU, with real ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from accelerated import ACCELERATOR, programs_for
from arlbench.core.problem import Problem
from arlbench.population import cores, measured_speeds, train_population, use_cores, workers
from arlbench.population.measured_speeds import Scale, measure
from arlbench.population.speeds import Speeds

#: Two layers of 64 units for 4 observations and 2 actions, in single precision.
NETWORK_BYTES = 4 * (4 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2)


class FakeBatch:
    """An iteration takes 100 microseconds, and 0.5 more for each member."""

    def __init__(self, problem: Problem, n_members: int) -> None:
        self.algorithm = problem.make_algorithm(problem.algorithm_class.typical_config())
        self._n = n_members

    def seconds(self, n_iterations: int) -> float:
        assert n_iterations == 1_024
        return 1e-4 + 5e-7 * self._n


@pytest.fixture
def fake_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_speeds, "_Running", FakeBatch)
    monkeypatch.setattr(workers, "wanted_cores", lambda: 3)


def taking(*seconds: float) -> Any:
    """A function in the place of ``train_population``, with the time of each call's members."""
    left = list(seconds)

    def train(problem: Problem, configs: Any, seeds: Any, placement: str, on_notice: Any) -> Any:
        # Every core is busy.
        assert (len(configs), len(seeds), placement) == (1, 3, "cores")
        timesteps = np.array([problem.n_total_timesteps])
        members = (SimpleNamespace(timesteps=timesteps),) * 3
        return SimpleNamespace(members=members, train_seconds=3 * left.pop(0))

    return train


def test_the_speeds_follow_from_the_shortest_timings(fake_batches: None) -> None:
    # 100,000 steps in 8 environments are 12,500 iterations of 80 microseconds.
    expected = Speeds(1e-4, 5e-7, 8e-5, NETWORK_BYTES)
    np.testing.assert_allclose(measure(taking(3.0, 1.0, 1.5)), expected)


def test_impossible_speeds_are_an_error(fake_batches: None) -> None:
    with pytest.raises(ValueError, match="cannot be durations"):
        measure(taking(0.0, 0.0, 0.0))


def test_members_that_train_on_the_accelerator_do_not_measure_a_core(
    fake_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another population may have the workers, or none could start."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(cores, "train_member", lambda *_: None)
    with workers.borrowed(0), pytest.raises(RuntimeError, match="no worker process could"):
        measure(train_population)


@pytest.mark.thorough
def test_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with programs_for(ACCELERATOR):
        speeds = measure(train_population, Scale(2, 4, 64, 4_000))
    use_cores(1)
    assert speeds.plausible
    # Far from exact, but neither seconds nor nanoseconds.
    assert 1e-6 < speeds.core < 1e-2
    assert speeds.network_bytes == NETWORK_BYTES
