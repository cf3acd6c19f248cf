"""Decides whether few members train on the cores of a machine that has an accelerator.

The size from which a population is faster on the accelerator is set by an environment variable, or
follows from speeds that are measured once on each machine
(:mod:`arlbench.population.measured_speeds`) and kept (:mod:`arlbench.population.kept_speeds`). It
is asked for only if the placement depends on it, so nothing is measured or read on a CPU.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from arlbench.core import memory
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population import sending, workers
from arlbench.population.kept_speeds import file_of, speeds_of, this_machine
from arlbench.population.measured_speeds import Train, measure
from arlbench.population.speeds import Amounts, Speeds, break_even

_log = logging.getLogger(__name__)

#: The environment variable for the smallest population that "auto" trains on an accelerator.
BREAK_EVEN_VARIABLE = "ARLBENCH_BREAK_EVEN"

# Programs whose networks are looked at; each takes a fraction of a second.
_MOST_NETWORKS = 8

# Sentences that a user has read, of which each is said once.
_said: set[str] = set()

#: Receives a sentence for the user.
Say = Callable[[str], None]


class Crowd(NamedTuple):
    """The members of a population, as far as the decision depends on them.

    Attributes:
        problem: The problem that they train on.
        n_members: How many there are.
        n_programs: How many programs train them in batches.
        network_bytes: The mean size of their networks.
    """

    problem: Problem
    n_members: int
    n_programs: int
    network_bytes: float

    @classmethod
    def of(cls, problem: Problem, algorithms: Sequence[Algorithm]) -> Crowd:
        """The crowd of members with these algorithms, ``[n_members]``."""
        one_of = {algorithm.structure: algorithm for algorithm in algorithms}
        members_of = Counter(algorithm.structure for algorithm in algorithms)
        looked_at = members_of.most_common(_MOST_NETWORKS)
        each = [_network_bytes(one_of[structure]) * n for structure, n in looked_at]
        mean = sum(each) / max(sum(n for _, n in looked_at), 1)
        return cls(problem, len(algorithms), len(one_of), mean)


def _network_bytes(algorithm: Algorithm) -> int:
    return memory.tree_bytes(algorithm.checkpoint_template().get("params", ()))


def prefers_cores(train: Train, say: Say | None, crowd: Crowd) -> bool:
    """Whether members train faster on the cores of this machine than on its accelerator.

    Args:
        train: ``train_population``, with which speeds are measured.
        say: Receives sentences for the user.
        crowd: The members.

    Raises:
        ConfigurationError: If the environment variable is not a number.
    """
    given = _given()
    # Other processes are needed, because the default device of this one is the accelerator.
    if workers.are_borrowed() or sending.obstacle(crowd.problem) is not None:
        return False
    tell = functools.partial(_tell, say)
    number = _on_this_machine(train, tell, crowd) if given is None else given
    if crowd.n_members >= number:
        return False
    if given is None:
        tell(_reason(number))
    return True


def _given() -> int | None:
    text = os.environ.get(BREAK_EVEN_VARIABLE)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ConfigurationError(
            f"{BREAK_EVEN_VARIABLE} must be a whole number of at least 1, not {text!r}."
        )
    return int(text)


def _on_this_machine(train: Train, tell: Say, crowd: Crowd) -> float:
    """The smallest population of members like these that is faster on its accelerators."""
    machine = this_machine()
    speeds = speeds_of(machine, lambda: _measured(train, tell, file_of(machine)))
    # Batching is right more often.
    return 1 if speeds is None else _number(speeds, crowd.n_programs, crowd.network_bytes)


def _number(speeds: Speeds, n_programs: int, network_bytes: float) -> float:
    devices = len(jax.local_devices())
    amounts = Amounts(workers.wanted_cores(), devices, n_programs, network_bytes)
    return break_even(speeds, amounts)


def _measured(train: Train, tell: Say, file: Path | None) -> Speeds | None:
    """Measures the speeds of this machine; None if this fails, in whatever way."""
    begin, device = time.perf_counter(), _device()
    tell(f"Measuring, once on this machine, how fast {device} and the CPU's cores train.")
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
        f"An iteration of small members takes {micro[0]} µs on {device} and {micro[1]} more for "
        f"each member, and {micro[2]} for one member on a core (measured in "
        f"{time.perf_counter() - begin:.0f} s, to be kept {where})."
    )
    return speeds


def _reason(number: float) -> str:
    how_many = "any number of" if math.isinf(number) else f"fewer than {number}"
    return (
        f"Members train on the CPU's cores, which for {how_many} members like these are faster "
        f"than {_device()}; set {BREAK_EVEN_VARIABLE}=1 to train on it anyway."
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
