"""The time a user waits before anything is learnt: whole processes, from start to exit."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import measuring
import reporting

EMPTY = "pass"
BARE = "import arlbench"
JAX_FLAX = "import jax, flax"
EVERYTHING = f"{JAX_FLAX}; from arlbench import DQN, make_env"

COLD, WARM = "arlbench train, cold cache", "arlbench train, warm cache"
TRAINING = ["CartPole-v1", "--timesteps", "100000", "--seeds", "1", "--quiet"]


def process_seconds(command: list[str], variables: Mapping[str, str] | None = None) -> float:
    """Seconds of one process; raises an error if it fails."""
    environment = {**os.environ, **(variables or {})}
    return measuring.seconds(
        lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    )


def measure_imports(n_repeats: int) -> dict[str, Any]:
    """Each import in its own process."""
    variants = {
        code: partial(process_seconds, [sys.executable, "-c", code])
        for code in (EMPTY, BARE, JAX_FLAX, EVERYTHING)
    }
    for warm_up in variants.values():
        warm_up()  # reads the files from disk, writes byte code
    samples = measuring.interleaved(variants, n_repeats)
    both = zip(samples[EVERYTHING], samples[JAX_FLAX], strict=True)
    return {
        "seconds": {name: measuring.summary(values) for name, values in samples.items()},
        "added_to_jax_and_flax": statistics.median(a - b for a, b in both),
    }


def train_seconds(cache: Path) -> float:
    """Seconds of one ``arlbench train``, with its compiled programs in this folder."""
    executable = Path(sys.executable).with_name("arlbench")
    with tempfile.TemporaryDirectory() as folder:
        return process_seconds(
            [str(executable), "train", *TRAINING, "--out", str(Path(folder) / "run")],
            {"ARLBENCH_COMPILATION_CACHE": str(cache)},
        )


def measure_command(n_repeats: int) -> dict[str, Any]:
    """Measures the command with an empty folder of compiled programs, then with the filled one."""
    samples: measuring.Samples = {COLD: [], WARM: []}
    for _ in range(n_repeats):
        with tempfile.TemporaryDirectory() as cache:
            for values in samples.values():  # the cold one first, which fills the cache
                values.append(train_seconds(Path(cache)))
    return {"seconds": {name: measuring.summary(values) for name, values in samples.items()}}


def show(imports: dict[str, Any], command: dict[str, Any]) -> None:
    rows = [
        [name, *(f"{times[key]:.2f}" for key in ("median", "smallest", "largest"))]
        for name, times in {**imports["seconds"], **command["seconds"]}.items()
    ]
    print("\n" + reporting.markdown_table(["seconds", "median", "smallest", "largest"], rows))
    print(f"\narlbench adds {imports['added_to_jax_and_flax']:.2f} s to jax and flax.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    n_repeats = parser.parse_args().repeats
    # A cache that is set for JAX itself would replace the one under test.
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
    machine = reporting.machine()
    reporting.show_machine(machine)
    imports, command = measure_imports(n_repeats), measure_command(n_repeats)
    show(imports, command)
    results = {"machine": machine, "imports": imports, "command": command}
    print(f"\nWritten to results/{reporting.write_json('start_up', results).name}")


if __name__ == "__main__":
    main()
