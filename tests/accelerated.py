"""Batches with the programs for accelerators, on any machine."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn
from jax.stages import Traced

from arlbench.core.algorithms.harness import batching
from arlbench.core.algorithms.harness.backend import Backend
from arlbench.core.algorithms.harness.batching import Batch, Batchable
from arlbench.core.tracing import WAITING, equations, subjaxprs
from probes import CAPACITY

ACCELERATOR = Backend(waits=False, precision=None)
WITH_KERNELS = Backend(waits=False, precision="tensorfloat32", kernels=True)
CPU = Backend(waits=True, precision=None)


@contextlib.contextmanager
def programs_for(backend: Backend) -> Iterator[None]:
    """Within this context, batches get the programs of this backend, whatever the device is."""
    with mock.patch.object(batching, "backend_of", return_value=backend):
        yield


def batch_of(algorithms: Sequence[Batchable], backend: Backend = ACCELERATOR) -> Batch:
    """A batch on one device whose exploration schedules have 1,000 steps."""
    with programs_for(backend):
        return Batch(algorithms, [1_000] * len(algorithms), jax.local_devices()[:1])


def training_program(batch: Batch) -> Traced:
    """The program that trains the batch."""
    n = jax.ShapeDtypeStruct(batch.steps_per_iteration.shape, jnp.int32)
    own = (batch._structure, batch._mesh, batch._backend, batch._hp, batch._schedule)
    return batch._segment.trace(*own, first_states(batch), batch._recorder, n)


def evaluation_program(batch: Batch, n_episodes: int = 5) -> Traced:
    """The program that evaluates it."""
    own = (batch._structure.agent, n_episodes, batch._mesh, batch._backend, batch._hp)
    return batch._evaluation.trace(*own, first_states(batch))


def first_states(batch: Batch) -> Any:
    """The shapes of its states."""
    seeds = np.arange(len(batch.steps_per_iteration))
    return jax.eval_shape(lambda: batch.init(seeds, {"capacity": CAPACITY}))


def waiting(jaxpr: Jaxpr) -> collections.Counter[str]:
    """The numbers of loops of unknown length and of branches, by name, on all levels.

    Branches between platforms do not count: the compiler knows which one it takes.
    """
    return collections.Counter(
        equation.primitive.name
        for equation in equations(jaxpr)
        if equation.primitive.name in WAITING and equation.params.get("branches_platforms") is None
    )


def within_a_span(program: Traced) -> collections.Counter[str]:
    """The same numbers within the loop over spans, which is the last one on the highest level."""
    *_, loop = _outermost_loops(program.jaxpr.jaxpr)
    return waiting(loop.params["body_jaxpr"].jaxpr)


def _outermost_loops(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """The loops of unknown length that are not within another one."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "while":
            yield equation
        else:
            for inner in subjaxprs(equation):
                yield from _outermost_loops(inner)
