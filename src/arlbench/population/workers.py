"""Worker processes that train members, each with a core of its own.

They are started as programs, not forked, so a script needs no ``__main__`` guard and a
JAX that is in use already does not matter. They stay for the next population, with what
they have compiled, and end with this process, however it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from arlbench.errors import ConfigurationError

#: How many cores populations train on.
CORES_VARIABLE = "ARLBENCH_CORES"

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")

# How long to wait for a message before looking whether anyone still waits for it.
_LISTEN_SECONDS = 0.1


class Worker:
    """One worker process, and the connection to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                # It imports from the folders from which this process imports, and not from
                # the current one.
                [sys.executable, "-P", "-m", "arlbench.population.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
                    "JAX_PLATFORMS": "cpu",
                },
                stdin=subprocess.DEVNULL,
                # Ctrl-C is for this process, which then tells its workers.
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        self._is_ready = False

    def wait_until_ready(self, stop: threading.Event | None = None) -> bool:
        """Waits until the process has started; False if it could not, or not before ``stop``."""
        if not self._is_ready and (stop is None or self.wait_for_message(stop)):
            with contextlib.suppress(EOFError):
                self.receive()
                self._is_ready = True
        return self._is_ready

    def wait_for_message(self, stop: threading.Event) -> bool:
        """Waits until it has sent something, or ended; False if ``stop`` is set before."""
        while not self._connection.poll(_LISTEN_SECONDS):
            if stop.is_set():
                return False
        return True

    def send(self, message: Any) -> None:
        """Sends a message.

        Raises:
            OSError: If the worker has ended.
        """
        self._connection.send(message)

    def receive(self) -> Any:
        """Waits for a message.

        Raises:
            EOFError: If the worker has ended.
        """
        try:
            return self._connection.recv()
        except ConnectionError as error:
            raise EOFError from error

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the worker."""
        self._connection.close()
        self._process.terminate()
        self._process.wait()


class _Pool:
    """The workers of this process."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.wanted_cores: int | None = None
        # Held by the population that trains in them.
        self.in_use = threading.Lock()


_pool = _Pool()


def available_cores() -> int:
    """Cores that this process may use: what the system says, and its container's quota.

    Raises:
        ConfigurationError: If the environment variable that overrides it is no number.
    """
    if CORES_VARIABLE in os.environ:
        return _cores_from(os.environ[CORES_VARIABLE])
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min(cores, _quota(_CPU_QUOTA)))


def _cores_from(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigurationError(
            f"{CORES_VARIABLE} must be a whole number of at least 1, not {text!r}."
        )
    return int(text)


def _quota(file: Path) -> int:
    """Whole cores that a container may use; a file of the kind ``QUOTA PERIOD``."""
    try:
        quota, period = file.read_text().split()
        return int(quota) // int(period)
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return sys.maxsize


def use_cores(n: int | None = None) -> int:
    """Sets how many cores populations train on, and starts workers for them at once.

    Not needed for using all of them. Called before slow imports, it lets the workers
    start meanwhile.

    Args:
        n: How many; None takes all that this process may use.

    Returns:
        How many.

    Raises:
        ConfigurationError: If it is not positive.
    """
    if n is not None and (not isinstance(n, int) or n < 1):
        raise ConfigurationError(f"use_cores needs a whole number of at least 1 core, not {n}.")
    _pool.wanted_cores = n
    cores = n or available_cores()
    start_workers(cores - 1)
    return cores


def wanted_cores() -> int:
    """Cores that populations train on."""
    return _pool.wanted_cores or available_cores()


def n_started() -> int:
    """Workers that exist."""
    return len(_living())


def start_workers(n: int) -> list[Worker]:
    """Keeps ``n`` workers: those that exist, and new ones; any beyond ``n`` are ended."""
    _pool.workers = _living()
    for worker in _pool.workers[n:]:
        worker.close()
    _pool.workers = _pool.workers[:n]
    return _at_least(n)


@contextlib.contextmanager
def borrowed(n: int) -> Iterator[list[Worker]]:
    """``n`` workers for one population; none if another one has them.

    Workers that are still busy in the end, because waiting for them was
    interrupted, are ended.
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
    """A new worker in place of one that has died."""
    dead.close()
    new = Worker()
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
