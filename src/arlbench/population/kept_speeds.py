"""Keeps the measured speeds of each machine in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import platform
import threading
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from arlbench import runtime
from arlbench.core import files
from arlbench.core.algorithms.harness.backend import recorded
from arlbench.population.speeds import Speeds

_log = logging.getLogger(__name__)

# How long to wait for another process that is measuring.
_PATIENCE_SECONDS = 120.0

_CPU_INFO = Path("/proc/cpuinfo")

#: Speeds that this process knows, by their machine; None if they could not be measured.
_known: dict[str, Speeds | None] = {}
_asking = threading.Lock()


def speeds_of(machine: Mapping[str, str], measure: Callable[[], Speeds | None]) -> Speeds | None:
    """The speeds of a machine, which are measured unless they are known or kept.

    Args:
        machine: What they depend on, as :func:`this_machine` returns it.
        measure: Measures them; returns None if that fails, and is then not called again in this
            process.
    """
    name = _name_of(machine)
    with _asking:
        if name not in _known:
            _known[name] = _kept_or_measured(file_of(machine), machine, measure)
        return _known[name]


def this_machine() -> dict[str, str]:
    """The properties on which speeds depend, besides the numbers of cores and accelerators."""
    return {
        **recorded(jax.local_devices()[0]),
        "cpu": _cpu_model(),
        **{name: metadata.version(name) for name in ("jax", "arlbench")},
    }


def file_of(machine: Mapping[str, str]) -> Path | None:
    """The file for the speeds of a machine; None without a folder for caches."""
    folder = runtime.cache_folder()
    # Several machines may share the folder.
    return None if folder is None else folder / "speeds" / f"{_name_of(machine)}.json"


def _name_of(machine: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:16]


def _kept_or_measured(
    path: Path | None, machine: Mapping[str, str], measure: Callable[[], Speeds | None]
) -> Speeds | None:
    if path is None:
        return measure()
    with files.alone(path.with_suffix(".lock"), _PATIENCE_SECONDS):
        kept = _kept(path, machine)
        speeds = kept or measure()
        if kept is None and speeds is not None:
            _keep(path, machine, speeds)
        return speeds


def _keep(path: Path, machine: Mapping[str, str], speeds: Speeds) -> None:
    content = {"machine": dict(machine), "speeds": speeds._asdict()}
    try:
        files.write(path, json.dumps(content, indent=1) + "\n")
    except OSError as error:
        _log.warning("The speeds of this machine are not kept: %s", error)


def _kept(path: Path, machine: Mapping[str, str]) -> Speeds | None:
    """The speeds in a file; None if it is absent, damaged or of another machine."""
    try:
        content: Any = json.loads(path.read_text())
        speeds = Speeds(**{name: float(x) for name, x in content["speeds"].items()})
        is_usable = speeds.plausible and content["machine"] == dict(machine)
    except Exception:  # whatever is in the file
        return None
    return speeds if is_usable else None


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
