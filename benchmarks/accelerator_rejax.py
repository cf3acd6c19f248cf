"""rejax on the same task: seeds under ``vmap``; written for rejax 0.1.3."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jax
from rejax import DQN
from rejax.evaluate import evaluate

N_ENVS, N_EVALUATIONS, N_EPISODES = 8, 10, 10


def measure(
    config: Mapping[str, Any], n_members: int, timesteps: int, hidden_size: int
) -> dict[str, float]:
    """Measures compilation separately from a training run with evaluations, its whole program."""
    algorithm = DQN.create(
        env="CartPole-v1",
        agent_kwargs={"hidden_layer_sizes": (hidden_size,) * 2},
        num_envs=N_ENVS,
        fill_buffer=config["learning_starts"],
        buffer_size=config["buffer_size"],
        batch_size=config["buffer_batch_size"],
        num_epochs=config["gradient_steps"],
        ddqn=False,
        total_timesteps=timesteps,
        eval_freq=-(-timesteps // N_EVALUATIONS),
        skip_initial_evaluation=True,
    )

    def evaluation(algo: Any, state: Any, key: jax.Array) -> Any:
        return evaluate(algo.make_act(state), key, algo.env, algo.env_params, N_EPISODES)

    algorithm = algorithm.replace(eval_callback=evaluation)
    keys = jax.random.split(jax.random.key(0), n_members)
    begin = time.perf_counter()
    train = jax.jit(jax.vmap(algorithm.train)).lower(keys).compile()
    compiled = time.perf_counter()
    jax.block_until_ready(train(keys))
    seconds = time.perf_counter() - compiled
    return {
        "compile_seconds": compiled - begin,
        "wall_seconds": seconds,
        "steps_per_second": n_members * timesteps / seconds,
    }
