"""Keeps the measured speeds of each machine in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import platform
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
import jax
import platformdirs

from arlbench.core import files
from arlbench.core.algorithms.harness.backend import recorded
from arlbench.population.speeds import Speeds

_log = logging.getLogger(__name__)

# How long to wait for another process that measures.
_PATIENCE_SECONDS = 120.0

_CPU_INFO = Path("/proc/cpuinfo")

#: Speeds that this process knows, by their file; None if they could not be measured.
_known: dict[Path, Speeds | None] = {}
_asking = threading.Lock()


def speeds_of(machine: Mapping[str, str], measure: Callable[[], Speeds | None]) -> Speeds | None:
    """The speeds of a machine, which are measured unless they are known or kept.

    Args:
        machine: What they depend on, by :func:`this_machine`.
        measure: Measures them; None if that fails, which holds until this process ends.
    """
    path = file_of(machine)
    with _asking:
        if path not in _known:
            with _alone(path):
                _known[path] = _kept(path, machine) or _measured(path, machine, measure)
        return _known[path]


def this_machine() -> dict[str, str]:
    """What speeds depend on, besides the numbers of cores and accelerators."""
    return {
        **recorded(jax.local_devices()[0]),
        "cpu": _cpu_model(),
        **{name: metadata.version(name) for name in ("jax", "arlbench")},
    }


def file_of(machine: Mapping[str, str]) -> Path:
    """The file for the speeds of a machine; several machines may share the folder."""
    name = hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:16]
    return platformdirs.user_cache_path("arlbench") / "speeds" / f"{name}.json"


def _measured(
    path: Path, machine: Mapping[str, str], measure: Callable[[], Speeds | None]
) -> Speeds | None:
    speeds = measure()
    if speeds is not None:
        content = {"machine": dict(machine), "speeds": speeds._asdict()}
        try:
            files.write(path, json.dumps(content, indent=1) + "\n")
        except OSError as error:
            _log.warning("The speeds of this machine are not kept: %s", error)
    return speeds


def _kept(path: Path, machine: Mapping[str, str]) -> Speeds | None:
    """The speeds in a file; None if it is absent, damaged or of another machine."""
    try:
        content: Any = json.loads(path.read_text())
        speeds = Speeds(**{name: float(x) for name, x in content["speeds"].items()})
        is_usable = speeds.plausible and content["machine"] == dict(machine)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return speeds if is_usable else None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Within this context, other processes wait before they measure, if files can be written."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(path.with_suffix(".lock"), timeout=_PATIENCE_SECONDS)
            stack.enter_context(lock)
        yield


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
