"""``arlbench train`` in a process of its own, and its results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from arlbench.core.checkpoints import newest_in, read_checkpoint, read_manifest

SEEDS = (0, 1)

#: A run of some seconds, most of them trained.
WORDS = [
    "CartPole-v1", "--timesteps", "800000", "--seeds", "2", "--evaluations", "10",
    "--eval-episodes", "8", "--defaults", "buffer_size=50000", "hidden_size=32",
]  # fmt: skip

COMMAND = [sys.executable, "-c", "from arlbench.cli.main import run; run()", "train"]


def begin(*words: object) -> subprocess.Popen[str]:
    """Starts the command."""
    command = [*COMMAND, *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)


def finish(*words: object) -> tuple[int, str]:
    """Runs the command to its end; returns its exit status and what it said."""
    process = begin(*words)
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def shared(seconds: float) -> float:
    """The time that this many seconds of an idle machine take on one that others use as well.

    With more processes than cores each of them has to wait for its turn.
    """
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def outcome(folder: Path) -> dict[str, Any]:
    """The results of a run, without how long it took."""
    summary = json.loads((folder / "summary.json").read_text())
    times = {"timesteps_per_second", "compile_seconds", "train_seconds", "seconds_by_seed"}
    params = {}
    for seed in SEEDS:
        with np.load(folder / f"params-seed-{seed}.npz") as file:
            params[seed] = {name: file[name].tobytes() for name in file.files}
    return {
        "summary": {name: value for name, value in summary.items() if name not in times},
        "evaluations": (folder / "evaluations.csv").read_bytes(),
        "params": params,
    }


def read_every_checkpoint(folder: Path) -> int:
    """Reads all checkpoints of a run whole, whatever state it is in; returns their number.

    Raises:
        CheckpointError: If one is damaged.
    """
    folders = [folder / "checkpoints" / f"seed-{seed}" for seed in SEEDS]
    for of_seed in folders:
        found = newest_in(of_seed)
        assert (found is None) == (not list(of_seed.glob("checkpoint-*")))
    checkpoints = sorted((folder / "checkpoints").glob("seed-*/checkpoint-*"))
    for path in checkpoints:
        names = [name.removesuffix(".npz") for name in read_manifest(path).files]
        parts, _ = read_checkpoint(path, dict.fromkeys(names))
        assert {"params", "buffer", "rng"} <= parts.keys()
    return len(checkpoints)


def newest(folder: Path) -> list[str]:
    """What the pointers of all seeds say."""
    pointers = [folder / "checkpoints" / f"seed-{seed}" / "newest" for seed in SEEDS]
    return [pointer.read_text() if pointer.exists() else "" for pointer in pointers]


def leftovers(folder: Path) -> list[str]:
    """What a killed writer left behind."""
    return [p.name for p in folder.rglob("*") if p.name.endswith((".part", ".old"))]
