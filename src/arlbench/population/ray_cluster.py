"""Ray: the cluster on whose cores populations train, if the user has chosen one."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import socket
import sys
import threading
import urllib.parse
import warnings
from collections.abc import Iterator
from typing import Any

from arlbench import runtime
from arlbench.errors import ConfigurationError, MissingExtraError
from arlbench.population import workers
from arlbench.population.ray_actor import Trainer
from arlbench.population.ray_versions import how_to_find_versions, require_equal
from arlbench.population.ray_worker import RayWorker

#: Starts Ray on this machine.
LOCAL = "local"

# Variables on which results or the speed of training depend.
_VARIABLES = ("XLA_FLAGS", "ARLBENCH_CPU_THREADS", "NPROC", "JAX_ENABLE_X64")

# Settings of Ray if it is started here. The first prevents usage statistics from being sent; the
# second chooses now what later versions of Ray will do anyway.
_SETTINGS_OF_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

# Bytes of memory for objects, if Ray is started here. Objects beyond that are written to disk.
_OBJECT_STORE = 256 * 2**20

_REACH_SECONDS = 5.0
_CHECK_SECONDS = 120.0


class Cluster:
    """Workers on a Ray cluster; they stay for the next population.

    Args:
        ray: The module, connected to a cluster.
        is_ours: Whether :func:`use_ray` made the connection, so that it must also end it.
    """

    def __init__(self, ray: Any, is_ours: bool) -> None:
        self.ray = ray
        self.is_ours = is_ours
        self._here = how_to_find_versions()()
        self._workers: list[RayWorker] = []
        # Held by the population that uses the workers.
        self._in_use = threading.Lock()
        # Held while a worker is replaced, because all workers of a lost node die together.
        self._replacing = threading.Lock()

    def n_cores(self) -> int:
        """The cores of the whole cluster, or the number in the environment variable."""
        if workers.CORES_VARIABLE in os.environ:
            return workers.available_cores()
        return max(1, int(self.ray.cluster_resources().get("CPU", 0)))

    @contextlib.contextmanager
    def borrowed(self, n: int) -> Iterator[list[RayWorker]]:
        """Lends ``n`` workers to one population; none if another population has them."""
        if not self._in_use.acquire(blocking=False):
            yield []
            return
        try:
            self._workers = [worker for worker in self._workers if worker.alive]
            # If there are too many, workers that still wait for a core are closed first.
            self._workers.sort(key=lambda worker: not worker.is_ready)
            self.close_workers(keep=n)
            self._workers += [self._started() for _ in range(n - len(self._workers))]
            yield list(self._workers)
        except BaseException:
            self.close_workers()
            raise
        finally:
            self._in_use.release()

    def replace(self, dead: RayWorker) -> RayWorker:
        """Replaces a worker that has died; the new one waits until there is a core for it."""
        dead.close()
        new = self._started()
        with self._replacing:
            self._workers = [new if worker is dead else worker for worker in self._workers]
        return new

    def close_workers(self, keep: int = 0) -> None:
        """Ends all workers but the first ``keep``."""
        for worker in self._workers[keep:]:
            worker.close()
        self._workers = self._workers[:keep]

    def check_versions(self) -> None:
        """Compares the versions of packages on all nodes with those of this process.

        Raises:
            ConfigurationError: If they differ, or if a node does not answer.
        """
        find = self.ray.remote(num_cpus=0, max_retries=0)(how_to_find_versions())
        pinned = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        nodes = [node for node in self.ray.nodes() if node["Alive"]]
        asked = [
            find.options(scheduling_strategy=pinned(node["NodeID"], soft=False)).remote()
            for node in nodes
        ]
        for node, answer in zip(nodes, asked, strict=True):
            name = node["NodeManagerAddress"]
            try:
                there = self.ray.get(answer, timeout=_CHECK_SECONDS)
            except self.ray.exceptions.RayError as error:
                raise ConfigurationError(
                    f"The Ray node {name} does not answer ({_first_line(error)}); repair or "
                    "remove it."
                ) from error
            require_equal(self._here, there, name)

    def _started(self) -> RayWorker:
        variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        environ = {**variables, **runtime.variables_of_children(), "JAX_PLATFORMS": "cpu"}
        search_path = [path or os.getcwd() for path in sys.path]
        options = {"num_cpus": 1, "max_restarts": 0, "max_task_retries": 0}
        actor = self.ray.remote(Trainer).options(**options)
        return RayWorker(
            self.ray,
            lambda: actor.remote(environ, search_path),
            lambda there: require_equal(self._here, there, "of a worker"),
        )


# Holds the cluster that populations train on, if there is one.
_joined: list[Cluster] = []


def cluster() -> Cluster | None:
    """The cluster that populations train on; None if they train on this machine."""
    return _joined[0] if _joined else None


def use_ray(address: str | None = None) -> int:
    """Lets populations train on the cores of a Ray cluster, from now on.

    Results are the same as without Ray, bit for bit if the machines are equal. Every node needs
    the same versions of this package and of JAX. Only this process writes folders of results.

    Args:
        address: ``"auto"`` for the cluster that this machine belongs to, ``"HOST:PORT"`` or
            ``"ray://HOST:PORT"``; ``"local"`` starts Ray on this machine. None takes the
            environment's ``RAY_ADDRESS``, or else ``"local"``. If the program has called
            ``ray.init`` already, that cluster is used.

    Returns:
        The number of cores of the cluster.

    Raises:
        MissingExtraError: If Ray is not installed.
        ConfigurationError: If the cluster cannot be reached, or has other versions.
    """
    leave_ray()
    ray = _import_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(ray, address or os.environ.get("RAY_ADDRESS") or LOCAL)
    joined = Cluster(ray, is_ours)
    try:
        joined.check_versions()
    except BaseException:
        if is_ours:
            ray.shutdown()
        raise
    workers.start_workers(0)
    _joined.append(joined)
    return joined.n_cores()


def leave_ray() -> None:
    """Lets populations train on this machine again; ends what :func:`use_ray` has started."""
    while _joined:
        left = _joined.pop()
        left.close_workers()
        if left.is_ours:
            left.ray.shutdown()


def _import_ray() -> Any:
    for name, value in _SETTINGS_OF_RAY.items():
        os.environ.setdefault(name, value)
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.util.scheduling_strategies")
    except ImportError as error:
        raise MissingExtraError(
            "Ray is missing; install it with: pip install 'arlbench[ray]'."
        ) from error
    return ray


def _connect(ray: Any, address: str) -> None:
    """Connects this process to a cluster, or starts one.

    Raises:
        ConfigurationError: If it cannot be reached.
    """
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    ours = {
        "num_cpus": workers.available_cores(),
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE,
    }
    _require_listener(address)
    try:
        with warnings.catch_warnings():
            # JAX may have been used; the programs that Ray starts do not use its threads.
            warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called")
            ray.init(address, **quiet, **(ours if address == LOCAL else {}))
    except Exception as error:  # Ray raises many types, and a plain Exception after a time-out
        ray.shutdown()
        raise _unreachable(address, _first_line(error)) from error


def _require_listener(address: str) -> None:
    """Raises immediately if nothing listens at the address, because Ray would try for minutes."""
    if address in {LOCAL, "auto"}:
        return
    parsed = urllib.parse.urlsplit(address if "//" in address else f"//{address}")
    try:
        host, port = parsed.hostname, parsed.port
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        raise ConfigurationError(
            f"The address of a Ray cluster is 'auto', 'local', HOST:PORT or ray://HOST:PORT, not "
            f"{address!r}."
        )
    try:
        socket.create_connection((host, port), timeout=_REACH_SECONDS).close()
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from error


def _unreachable(address: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The Ray cluster {address!r} cannot be used ({reason.rstrip('.')}); start one with "
        "'ray start --head', or leave the address out to use this machine."
    )


def _first_line(error: BaseException) -> str:
    """The first line of an error from Ray, whose messages are long."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
