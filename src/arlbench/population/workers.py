"""Worker processes that train members, each on its own core.

They are started as programs and not forked, so a script does not need a ``__main__`` guard,
and JAX may already be in use. They stay for the next population, with their compiled
programs, and end when this process ends, however it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from arlbench.core.checks import positive_whole, whole_from_environment
from arlbench.core.child_process import ChildProcess

#: The environment variable for the number of cores that populations train on.
CORES_VARIABLE = "ARLBENCH_CORES"

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")

# How long to wait for a message before checking whether the wait should stop.
_LISTEN_SECONDS = 0.1


class Worker(ChildProcess):
    """One worker process, and the connection to it."""

    def __init__(self) -> None:
        super().__init__(["-m", "arlbench.population.worker"])
        self._is_ready = False

    def wait_until_ready(self, stop: threading.Event | None = None) -> bool:
        """Waits until the process has started; False if it could not, or if ``stop`` came first."""
        if not self._is_ready and (stop is None or self.wait_for_message(stop)):
            with contextlib.suppress(EOFError):
                self.receive()
                self._is_ready = True
        return self._is_ready

    def wait_for_message(self, stop: threading.Event) -> bool:
        """Waits until it has sent something or ended; False if ``stop`` is set first."""
        while not self.has_message(_LISTEN_SECONDS):
            if stop.is_set():
                return False
        return True


class _Pool:
    """The workers of this process."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.wanted_cores: int | None = None
        # Held by the population that uses the workers.
        self.in_use = threading.Lock()
        # Held while a worker is replaced, because several may die together.
        self.replacing = threading.Lock()


_pool = _Pool()


def available_cores() -> int:
    """Cores that this process may use, from the system's settings and its container's quota.

    Raises:
        ConfigurationError: If the environment variable that overrides it is not a number.
    """
    given = whole_from_environment(CORES_VARIABLE)
    if given is not None:
        return given
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min(cores, _quota(_CPU_QUOTA)))


def _quota(file: Path) -> int:
    """Whole cores that a container may use, from a file of the form ``QUOTA PERIOD``."""
    try:
        quota, period = file.read_text().split()
        return int(quota) // int(period)
    except (OSError, ValueError):  # the file does not exist, or it says "max"
        return sys.maxsize


def use_cores(n: int | None = None) -> int:
    """Sets how many cores populations train on, and starts workers for them immediately.

    It is not needed for using all cores. If it is called before slow imports, the workers
    start during the imports.

    Args:
        n: The number of cores; None takes all that this process may use.

    Returns:
        The number of cores.

    Raises:
        ConfigurationError: If ``n`` is not a positive whole number.
    """
    n = None if n is None else positive_whole("The number of cores", n)
    _pool.wanted_cores = n
    cores = n or available_cores()
    start_workers(cores - 1)
    return cores


def wanted_cores() -> int:
    """The number of cores that populations train on."""
    return _pool.wanted_cores or available_cores()


def n_started() -> int:
    """The number of existing workers."""
    return len(_living())


def are_borrowed() -> bool:
    """Whether a population is using the workers."""
    return _pool.in_use.locked()


def start_workers(n: int) -> list[Worker]:
    """Starts or ends workers so that exactly ``n`` exist."""
    _pool.workers = _living()
    for worker in _pool.workers[n:]:
        worker.close()
    _pool.workers = _pool.workers[:n]
    return _at_least(n)


@contextlib.contextmanager
def borrowed(n: int) -> Iterator[list[Worker]]:
    """Lends ``n`` workers to one population; none if another population has them.

    Workers that are still busy at the end, because waiting for them was interrupted, are
    ended.
    """
    if not _pool.in_use.acquire(blocking=False):
        yield []
        return
    try:
        yield _at_least(n)[:n]
    except BaseException:
        start_workers(0)
        raise
    finally:
        _pool.in_use.release()


def replace(dead: Worker) -> Worker:
    """Replaces a worker that has died by a new one."""
    dead.close()
    new = Worker()
    with _pool.replacing:
        _pool.workers = [new if worker is dead else worker for worker in _pool.workers]
    new.wait_until_ready()
    return new


def _at_least(n: int) -> list[Worker]:
    living = _living()
    _pool.workers = living + [Worker() for _ in range(n - len(living))]
    return list(_pool.workers)


def _living() -> list[Worker]:
    return [worker for worker in _pool.workers if worker.alive]


@atexit.register
def _close_all() -> None:
    for worker in _pool.workers:
        worker.close()
    _pool.workers.clear()
