"""Shared by all runners: a job on standard input, one line of JSON as the answer.

It runs in the environment of each peer, so it imports only the standard library.
"""

from __future__ import annotations

import itertools
import json
import math
import resource
import sys
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

#: Compilations that take more seconds than this count as programs; all others are negligible.
LONG_COMPILATION = 0.2

#: After this many seconds of trainings in a process, no further one is timed.
_ENOUGH_SECONDS = 10.0


def read_job() -> dict[str, Any]:
    """Reads the job that the driver has written to standard input."""
    return json.load(sys.stdin)


def answer(packages: Iterable[str], **result: Any) -> None:
    """Prints the result, with versions and the peak memory."""
    result["versions"] = {name: metadata.version(name) for name in packages}
    print("\n" + json.dumps({**result, "peak_memory_mib": _peak_memory()}), flush=True)


def _peak_memory() -> int:
    """Peak memory in MiB of this process plus that of the processes it has started."""
    # Linux counts in KiB.
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            status = Path(f"/proc/{child}/status").read_text()
            kib += sum(int(s.split()[1]) for s in status.splitlines() if s.startswith("VmHWM"))
    return round(kib / 1024)


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock seconds of a call, which must wait for its own results."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def several(call: Callable[[], float], n: int) -> list[float]:
    """The measurements of ``n`` calls, or of fewer if they are long."""
    values: list[float] = []
    while len(values) < n and sum(values) < _ENOUGH_SECONDS:
        values.append(call())
    return values


def answer_single(
    packages: Iterable[str],
    job: dict[str, Any],
    compilations: Compilations,
    training: Callable[[], float],
    outcome: Callable[[], tuple[Any, float]],
) -> None:
    """Times one training after another in a process, and prints the results.

    Args:
        packages: The packages whose versions are printed.
        job: The job.
        compilations: A counter that was started before anything was compiled.
        training: Trains with the next seed, and returns the seconds.
        outcome: Returns the work of the last training, and its mean return.
    """
    first = training()
    compiled = len(compilations)
    trainings = several(training, job["trainings"])
    work, mean_return = outcome()
    answer(
        packages,
        first_call_seconds=first,
        train_seconds=trainings,
        compilations_while_timed=len(compilations) - compiled,
        compilations=compilations.summary(),
        work=[work],
        returns=[mean_return],
    )


def answer_sweep(
    packages: Iterable[str],
    job: dict[str, Any],
    train: Callable[[dict[str, Any], int], tuple[Any, float]],
) -> None:
    """Trains the configurations with each seed in turn, and prints the results.

    Args:
        packages: The packages whose versions are printed.
        job: The job.
        train: Trains a configuration with a seed, and returns its work and its mean return.
    """
    compilations = Compilations()
    each: list[float] = []
    outcomes: list[tuple[Any, float]] = []
    for config, seed in itertools.product(job["configs"], seeds_of(job)):
        each.append(seconds(lambda c=config, s=seed: outcomes.append(train(c, s))))
    answer(
        packages,
        config_seconds=each,
        compilations=compilations.summary(),
        work=[work for work, _ in outcomes],
        returns=[mean_return for _, mean_return in outcomes],
    )


def seeds_of(job: dict[str, Any]) -> list[int]:
    """The seeds of each configuration."""
    return list(job.get("seeds", [job.get("seed")]))


def warm_up_steps(job: dict[str, Any]) -> int:
    """Environment steps of a training that only warms a process up, enough for some learning."""
    learning_starts = job["configs"][0].get("learning_starts", 0)
    return min(job["timesteps"], learning_starts + 1_000)


def idle_iterations(job: dict[str, Any], config: dict[str, Any]) -> int:
    """Iterations before the first gradient step; each collects, then learns."""
    return int(config["learning_starts"]) // (job["n_envs"] * int(config["train_freq"]))


def iterations(job: dict[str, Any], config: dict[str, Any]) -> int:
    """Whole iterations of a training, with the same number before every evaluation."""
    width = job["n_envs"] * int(config["train_freq"])
    return job["evaluations"] * math.ceil(job["timesteps"] / (width * job["evaluations"]))


class Compilations:
    """Counts what JAX compiles from now on, and what it finds in its persistent cache."""

    def __init__(self) -> None:
        import jax

        self._seconds: list[float] = []
        self._hits = 0
        jax.monitoring.register_event_duration_secs_listener(self._compiled)
        jax.monitoring.register_event_listener(self._event)

    def _compiled(self, event: str, duration: float, **_: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            self._seconds.append(duration)

    def _event(self, event: str, **_: Any) -> None:
        self._hits += event == "/jax/compilation_cache/cache_hits"

    def __len__(self) -> int:
        return len(self._seconds)

    def summary(self) -> dict[str, Any]:
        return {
            "all": len(self._seconds),
            "long": sum(s > LONG_COMPILATION for s in self._seconds),
            "seconds": sum(self._seconds),
            "cache_hits": self._hits,
        }
