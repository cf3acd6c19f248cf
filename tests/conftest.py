"""Strict settings for all tests: warnings are errors, implicit rank promotion is forbidden."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# One folder for all test processes, so that programs with equal structure compile once.
os.environ.setdefault(
    "ARLBENCH_COMPILATION_CACHE", os.path.join(tempfile.gettempdir(), "arlbench-tests-compiled")
)

import jax
import pytest
from hypothesis import settings

import arlbench  # noqa: F401  (before JAX, for its settings)

jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("arlbench", deadline=None, max_examples=15, derandomize=True)
settings.load_profile("arlbench")


#: XLA maps memory for every program that it compiles, and Linux allows a process 65,530
#: maps; with more, the process ends without a message.
MANY_MAPS = 25_000


@pytest.fixture(autouse=True, scope="module")
def room_for_programs() -> Iterator[None]:
    """Clears what earlier modules compiled, before it is too much for one process."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MANY_MAPS:
        jax.clear_caches()


class CompilationCounter:
    """Counts how often JAX had to trace a program, whether it is cached on disk or not."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @property
    def count(self) -> int:
        return len(self.names)


@pytest.fixture
def count_compilations() -> Callable[[], contextlib.AbstractContextManager[CompilationCounter]]:
    """A context manager that yields a counter of the compilations within it."""

    @contextlib.contextmanager
    def counting() -> Iterator[CompilationCounter]:
        counter = CompilationCounter()
        active = True

        def listen(event: str, duration: float, **kwargs: object) -> None:
            if active and event == "/jax/core/compile/jaxpr_to_mlir_module_duration":
                counter.names.append(str(kwargs.get("fun_name", "?")))

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield counter
        finally:
            active = False

    return counting
