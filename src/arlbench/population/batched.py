"""Trains members in batches, each batch with one program, on accelerators."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax

from arlbench.core import memory
from arlbench.population.members import MemberTask
from arlbench.population.rounds import Rounds
from arlbench.population.tracking import Tracker

# The share of a device's memory for states; the rest is for the program.
_MEMORY_SHARE = 0.6

# Bytes of memory to assume for a device, such as a CPU, that does not say how much it has.
_MEMORY_IF_UNKNOWN = 2**32


def train_batched(tasks: Sequence[MemberTask], tracker: Tracker, devices: Sequence[Any]) -> None:
    """Trains members in one batch after another, until all are done."""
    # Members of one batch should run for about the same number of loop iterations.
    by_group = sorted(
        tasks, key=lambda task: (task.group, task.lengths.n_total_timesteps, task.cost, task.id)
    )
    chunks = [
        chunk
        for _, group in itertools.groupby(by_group, key=lambda task: task.group)
        for chunk in _chunks(list(group), devices)
    ]
    # Loaded states take memory, so these batches are not made before they are needed.
    if any(_may_continue(task) for task in tasks):
        for chunk in chunks:
            if not tracker.stopped.is_set():
                Rounds(chunk, tracker, devices).train()
        return
    rounds = [Rounds(chunk, tracker, devices) for chunk in chunks]
    with _compiling(rounds):
        for of_chunk in rounds:
            if not tracker.stopped.is_set():
                of_chunk.train()


def _may_continue(task: MemberTask) -> bool:
    """Whether there may be a state from which a member continues."""
    given = (task.parts, task.saving, task.handover.begin)
    return any(one is not None for one in given)


@contextlib.contextmanager
def _compiling(rounds: Sequence[Rounds]) -> Iterator[None]:
    """Within this context, programs of all rounds are compiled in parallel, in their order."""
    compilations = [compile_one for of_chunk in rounds for compile_one in of_chunk.compilations()]
    pool = ThreadPoolExecutor(os.cpu_count())
    for compile_one in compilations:
        pool.submit(compile_one)
    try:
        yield
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _chunks(tasks: list[MemberTask], devices: Sequence[Any]) -> Iterator[list[MemberTask]]:
    """Divides members into batches that fit into the devices' memory, of about equal size."""
    fitting = max(1, int(_memory_of(devices[0]) // _member_bytes(tasks[0]))) * len(devices)
    n_chunks = -(-len(tasks) // fitting)
    size = -(-len(tasks) // n_chunks)
    for begin in range(0, len(tasks), size):
        yield tasks[begin : begin + size]


def _member_bytes(task: MemberTask) -> int:
    begin = functools.partial(task.make_algorithm().init, **task.init_options)
    return memory.tree_bytes(jax.eval_shape(begin, jax.random.key(0)))


def _memory_of(device: Any) -> float:
    statistics = device.memory_stats() or {}
    return _MEMORY_SHARE * statistics.get("bytes_limit", _MEMORY_IF_UNKNOWN)
