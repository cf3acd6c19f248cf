"""Tables for people, JSON for programs, and a description of the machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arlbench.report.statistics import MeanInterval

RESULTS = Path(__file__).parent / "results"

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "gymnax", "numpy")


def machine() -> dict[str, Any]:
    """The facts that speed depends on, without anything that identifies the machine or its user."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
        "load_average": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def interval(found: MeanInterval | None, decimals: int) -> str:
    """A mean and its interval as a cell of a table; empty if there is none."""
    if found is None:
        return ""
    mean, low, high = (f"{float(value):.{decimals}f}" for value in found)
    return f"{mean} ({low} to {high})"


def show_machine(described: dict[str, Any]) -> None:
    """One line about the machine, above the tables."""
    print(", ".join(f"{name} {value}" for name, value in described.items()), flush=True)


def write_json(name: str, results: dict[str, Any]) -> Path:
    """Writes ``results/<name>.json`` and returns its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    return path


def read_json(name: str) -> dict[str, Any]:
    """The content of ``results/<name>.json``; empty if nothing has been written yet."""
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}
