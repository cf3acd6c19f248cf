"""Getting a training's programs compiled before they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.algorithms.dqn import beginning, programs, recording
from arlbench.core.algorithms.dqn.hyperparameters import Structure, TracedHyperparameters
from arlbench.core.algorithms.dqn.state import DQNState


def rehearsals(
    structure: Structure,
    hp: TracedHyperparameters,
    track_statistics: bool,
    capacity: int,
    n_eval_episodes: int,
) -> dict[str, Callable[[], Any]]:
    """See :meth:`Forecast.rehearsals`."""
    agent = structure.agent
    recorder = recording.shapes_without_records(track_statistics)
    runner = beginning.fresh_runner(agent)
    buffer = jax.eval_shape(lambda: beginning.init_buffer(agent, capacity))
    shared = f"{agent.network} {agent.env.env_name} {agent.env.n_envs}"
    kind = f"{shared} {structure.prioritised} {capacity}"
    normalize, schedule = hp.normalize_observations, np.float32(1)

    def blank() -> DQNState:
        return jax.tree.map(_blank, DQNState(runner, buffer))

    return {
        f"init {shared}": lambda: programs.init_runner(
            agent, jax.random.key(0), None, None, None, hp
        ),
        # Not called: an agent that has learnt nothing may play for long.
        f"evaluate {shared} {n_eval_episodes}": lambda: programs.evaluate.lower(
            agent, n_eval_episodes, runner, normalize
        ).compile(),
        f"prepare {kind}": lambda: programs.prepare(structure.prioritised, hp, blank()),
        f"segment {kind} {structure.batch_sizes} {track_statistics}": lambda: programs.segment(
            structure, hp, schedule, blank(), programs.room(recorder), np.int32(0)
        ),
    }


def _blank(shape: Any) -> jax.Array:
    """Zeros, made on the host so that nothing is compiled for them."""
    if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        words = jax.eval_shape(jax.random.key_data, shape)
        return jax.random.wrap_key_data(_blank(words))
    return jax.device_put(np.zeros(shape.shape, shape.dtype), may_alias=False)
