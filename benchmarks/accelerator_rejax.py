"""rejax on the task of ``accelerator_parts.py``: seeds under ``vmap``; prints rows as JSON.

It is written for rejax 0.1.3, which needs gymnax before 1.0 and therefore an environment of its own
(``peers/requirements/rejax.txt``). Its DQN always has two layers of 64 units.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

N_ENVS, N_EVALUATIONS, N_EPISODES = 8, 10, 10

#: The settings of ``accelerator_parts.CONFIG``, under rejax's names.
SETTINGS = {
    "num_envs": N_ENVS,
    "fill_buffer": 1_000,
    "buffer_size": 10_000,
    "batch_size": 64,
    "num_epochs": 1,
    "ddqn": False,
}

#: Members of each measurement, and the environment steps of a member.
SIZES, TIMESTEPS = (1_024, 64), 200_000

#: The same, to see that it works.
QUICK_SIZES, QUICK_TIMESTEPS = (3,), 4_096


def measure(n_members: int, timesteps: int) -> dict[str, float]:
    """Measures compilation separately from a training run with evaluations, its whole program."""
    import jax
    from rejax import DQN
    from rejax.evaluate import evaluate

    algorithm = DQN.create(
        env="CartPole-v1",
        total_timesteps=timesteps,
        eval_freq=-(-timesteps // N_EVALUATIONS),
        skip_initial_evaluation=True,
        **SETTINGS,
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


def rows(quick: bool) -> Iterator[dict[str, Any]]:
    """The device, then one row for each number of members."""
    import jax

    yield {"device": jax.local_devices()[0].device_kind}
    sizes, timesteps = (QUICK_SIZES, QUICK_TIMESTEPS) if quick else (SIZES, TIMESTEPS)
    for n_members in sizes:
        yield {"members": n_members, **measure(n_members, timesteps)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    # The other options are those of arlbench's own parts.
    for row in rows(parser.parse_known_args()[0].quick):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
