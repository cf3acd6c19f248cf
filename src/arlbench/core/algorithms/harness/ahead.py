"""Compiles a training run's programs before they are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.algorithms.harness import programs, recording
from arlbench.core.algorithms.harness.backend import precise
from arlbench.core.algorithms.harness.recording import Tracking
from arlbench.core.algorithms.harness.structure import Learning, State


def rehearsals(
    structure: Learning,
    hp: Any,
    tracking: Tracking,
    init_options: Mapping[str, Any],
    n_eval_episodes: int,
) -> dict[str, Callable[[], Any]]:
    """See :meth:`Algorithm.rehearsals`."""
    agent = structure.agent
    n_statistics = len(structure.statistics) if tracking.statistics else 0
    recorder = recording.shapes(n_statistics=n_statistics)
    runner = jax.eval_shape(lambda: agent.init_runner(hp, jax.random.key(0), None))
    buffer = jax.eval_shape(lambda: agent.init_buffer(**init_options))
    shared = f"{agent.label} {agent.env.env_name} {agent.env.n_envs}"
    kind = f"{shared} {structure.preparation} {dict(init_options)}"
    schedule = np.float32(1)

    def blank() -> State:
        return jax.tree.map(_blank, agent.state(runner, buffer))

    # The precision of products is part of a compiled program, so it is that of the methods which
    # run these programs.
    return {
        f"init {shared}": lambda: programs.init_runner(agent, jax.random.key(0), None, hp),
        # Compiled but not called, because an agent that has learnt nothing may play for long.
        f"evaluate {shared} {n_eval_episodes}": precise()(
            lambda: programs.evaluate.lower(agent, n_eval_episodes, runner, hp).compile()
        ),
        f"prepare {kind}": precise()(lambda: programs.prepare(structure.preparation, hp, blank())),
        f"segment {kind} {structure.label} {n_statistics}": precise()(
            lambda: programs.segment(
                structure, hp, schedule, blank(), programs.room(recorder), np.int32(0)
            )
        ),
    }


def _blank(shape: Any) -> jax.Array:
    """Zeros of this shape, made on the host so that nothing is compiled for them."""
    if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        words = jax.eval_shape(jax.random.key_data, shape)
        return jax.random.wrap_key_data(_blank(words))
    return jax.device_put(np.zeros(shape.shape, shape.dtype), may_alias=False)
