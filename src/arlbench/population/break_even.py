"""Decides whether a small population trains on the cores of a machine that has an accelerator.

An environment variable sets the size of the smallest population that uses the accelerator. Without
it, durations are estimated (:mod:`arlbench.population.speeds`) from speeds that are measured once
on each machine (:mod:`arlbench.population.measured_speeds`) and kept
(:mod:`arlbench.population.kept_speeds`). This happens only if the placement depends on it, so
nothing is measured or read on a machine without an accelerator.
"""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from arlbench.core import memory
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.harness.structure import Learning
from arlbench.core.checks import whole_from_environment
from arlbench.core.problem import Problem
from arlbench.population import sending, workers
from arlbench.population.kept_speeds import file_of, speeds_of, this_machine
from arlbench.population.measured_speeds import Train, measure
from arlbench.population.speeds import (
    Resources,
    Speeds,
    Workload,
    break_even,
    cores_are_faster,
    rough_seconds_on_cores,
)

_log = logging.getLogger(__name__)

#: The environment variable for the smallest population that "auto" trains on an accelerator.
BREAK_EVEN_VARIABLE = "ARLBENCH_BREAK_EVEN"

# The largest number of programs whose networks are measured; each takes a fraction of a second.
_MOST_NETWORKS = 8

# Compiling a population's programs for an accelerator takes about as long (7 to 11 seconds on an
# H100), and measuring speeds takes longer.
_SHORT_SECONDS = 10.0

# Sentences that the user has been told; none is repeated.
_said: set[str] = set()

#: Receives a sentence for the user.
Say = Callable[[str], None]


def workload_of(members: Sequence[tuple[Algorithm, float]]) -> Workload:
    """The workload of members with these algorithms and this work, ``[n_members]``."""
    one_of = {algorithm.structure: algorithm for algorithm, _ in members}
    costs: dict[Learning, list[float]] = {structure: [] for structure in one_of}
    for algorithm, cost in members:
        costs[algorithm.structure].append(cost)
    looked_at = sorted(costs, key=lambda structure: -len(costs[structure]))[:_MOST_NETWORKS]
    each = [_network_bytes(one_of[structure]) * len(costs[structure]) for structure in looked_at]
    n_looked_at = sum(len(costs[structure]) for structure in looked_at)
    return Workload(tuple(map(tuple, costs.values())), sum(each) / max(n_looked_at, 1))


def _network_bytes(algorithm: Algorithm) -> int:
    return memory.tree_bytes(algorithm.checkpoint_template().get("params", ()))


def prefers_cores(train: Train, say: Say | None, problem: Problem, workload: Workload) -> bool:
    """Whether members train faster on the cores of this machine than on its accelerator.

    Args:
        train: ``train_population``, with which speeds are measured.
        say: Receives sentences for the user.
        problem: The problem that they train on.
        workload: What they have to do.

    Raises:
        ConfigurationError: If the environment variable is not a number.
    """
    given = whole_from_environment(BREAK_EVEN_VARIABLE)
    # Cores need other processes, because the default device of this one is the accelerator.
    if workers.are_borrowed() or sending.obstacle(problem) is not None:
        return False
    tell = functools.partial(_tell, say)
    if given is not None:
        return workload.n_members < given
    resources = _resources()
    if rough_seconds_on_cores(workload, resources) < _SHORT_SECONDS:
        tell(_why_short())
        return True
    speeds = _speeds(train, tell)
    # If the speeds are unknown, members are batched, which is right more often.
    if speeds is None or not cores_are_faster(speeds, workload, resources):
        return False
    tell(_reason(break_even(speeds, resources)))
    return True


def _speeds(train: Train, tell: Say) -> Speeds | None:
    machine = this_machine()
    return speeds_of(machine, lambda: _measured(train, tell, file_of(machine)))


def _resources() -> Resources:
    return Resources(workers.wanted_cores(), len(jax.local_devices()))


def _measured(train: Train, tell: Say, file: Path | None) -> Speeds | None:
    """Measures the speeds of this machine; None if this fails for any reason."""
    begin, device = time.perf_counter(), _device()
    tell(f"Measuring, once on this machine, how fast {device} and the CPU cores train.")
    try:
        speeds = measure(train)
    except Exception as error:
        tell(
            f"The measurement failed ({type(error).__name__}: {error}), so members train on "
            f"{device}; set {BREAK_EVEN_VARIABLE} to the size of the smallest population that "
            "should use it."
        )
        return None
    where = "until this process ends" if file is None else f"in {file}"
    micro = [f"{1e6 * seconds:.1f}" for seconds in speeds[:3]]
    tell(
        f"An iteration of small members takes {micro[0]} µs on {device}, plus {micro[1]} µs for "
        f"each member; an iteration of one member on a core takes {micro[2]} µs (measured in "
        f"{time.perf_counter() - begin:.0f} s, and kept {where})."
    )
    return speeds


def _why_short() -> str:
    return (
        "Members train on the CPU cores, which should finish before programs could be compiled for "
        f"{_device()}; set {BREAK_EVEN_VARIABLE}=1 to use it anyway."
    )


def _reason(number: float) -> str:
    small, device = "small members of equal length that share a program", _device()
    detail = (
        f"with {small}, the cores are always faster"
        if math.isinf(number)
        else f"break-even: about {number} {small}"
    )
    return (
        "Members train on the CPU cores, because so few should finish sooner there than on "
        f"{device} ({detail}); set {BREAK_EVEN_VARIABLE}=1 to use {device} anyway."
    )


def _device() -> str:
    return str(jax.local_devices()[0].device_kind)


def _tell(say: Say | None, sentence: str) -> None:
    """Says a sentence to the user and to the log, unless this process has said it."""
    if sentence not in _said:
        _said.add(sentence)
        _log.info("%s", sentence)
        if say is not None:
            say(sentence)
