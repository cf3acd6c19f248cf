"""The accelerator's programs: what they may not contain, and that they compute the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.harness import backend, batching
from arlbench.core.environments import EnvSpec, make_env_from_spec
from arlbench.core.problem import Problem
from arlbench.core.tracing import WAITING, equations, subjaxprs
from arlbench.population import train_population

N_MEMBERS = 3


def batched_programs(name: str, **options: Any) -> tuple[jax.stages.Traced, jax.stages.Traced]:
    """The accelerator's training and evaluation, traced for three members."""
    framework, name = name.split("/")
    env = make_env_from_spec(EnvSpec(framework, name, n_envs=2))
    learner = {"buffer_batch_size": 4, "train_freq": 1, "gradient_steps": 1}
    dqn = DQN(learner, env, **options)
    state = jax.eval_shape(lambda key: dqn.init(key, capacity=64), jax.random.key(0))

    def of_members(tree: Any) -> Any:
        return jax.tree.map(
            lambda x: (
                jax.ShapeDtypeStruct((N_MEMBERS, *jnp.shape(x)), jnp.asarray(x).dtype)
                if not hasattr(x, "aval") and not isinstance(x, jax.ShapeDtypeStruct)
                else jax.ShapeDtypeStruct((N_MEMBERS, *x.shape), x.dtype)
            ),
            tree,
        )

    mesh = Mesh(np.asarray(jax.devices()[:1]), ("devices",))
    structure, hp = dqn.structure.with_known_turns([dqn.hp]), of_members(dqn.hp)
    recorder = batching.recording.shapes()
    schedule = jax.ShapeDtypeStruct((N_MEMBERS,), jnp.float32)
    lengths = jax.ShapeDtypeStruct((N_MEMBERS,), jnp.int32)
    training = batching._segment.trace(
        structure, mesh, False, hp, schedule, of_members(state), of_members(recorder), lengths
    )
    evaluation = batching._evaluate.trace(structure.agent, 5, mesh, False, hp, of_members(state))
    return training, evaluation
