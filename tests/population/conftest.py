"""Populations in two processes, and one for comparison in many tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from arlbench.population import PopulationResult, cores, use_cores, workers
from small_populations import train


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Also trains in a worker, even if the work is small."""
    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1.0)
    use_cores(2)
    (worker,) = workers.start_workers(1)
    assert worker.wait_until_ready()
    yield
    use_cores(1)


@pytest.fixture
def only_in_the_worker(two_processes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets this process only listen until the worker has finished."""
    train_here = cores._train_here

    def listen(queue: Any, tracker: Any, ahead: Any) -> None:
        if ahead is None:
            train_here(queue, tracker, ahead)

    monkeypatch.setattr(cores, "_train_here", listen)


@pytest.fixture(scope="session")
def population() -> PopulationResult:
    """Three configurations with two seeds."""
    return train(keep_params=True, keep_state=True)
