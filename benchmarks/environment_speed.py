"""Environment steps per second in every kind of environment, with the learner on and off."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import measuring
import reporting
from arlbench import DQN
from arlbench.core.algorithms.harness import programs, recording
from arlbench.core.environments import Environment, make_env_from_spec
from environment_tasks import TIMED, Task

BATCH_SIZE = 32

#: The length of one measurement in seconds.
LENGTH = 1.0

#: Steps over which exploration falls.
SCHEDULE = np.float32(1e6)

#: Longer than any measurement, so that learning never begins.
NEVER = 2**31 - 1

INTRODUCTION = (
    "One process, 8 environments that step together, medians. The learner takes one gradient "
    f"step on a batch of {BATCH_SIZE} for every vector step of 8 environment steps. With the "
    "learner off, the agent acts and fills the buffer. Without compilation and evaluations. "
    "Written by "
    "`benchmarks/environment_speed.py`."
)

ENVIRONMENT, ACTING, LEARNING = "environment alone", "learner off", "learner on"


def measure(task: Task, n_repeats: int) -> dict[str, Any]:
    """Measures environment steps per second in three ways, and the time of compilation."""
    env = make_env_from_spec(task.spec)
    begin = time.perf_counter()
    variants = {
        ENVIRONMENT: steps_alone(env),
        ACTING: steps_of_dqn(env, task, learning_starts=NEVER),
        LEARNING: steps_of_dqn(env, task, learning_starts=0),
    }
    compiling = time.perf_counter() - begin
    samples = measuring.interleaved(variants, n_repeats)
    speeds = {name: measuring.summary(values) for name, values in samples.items()}
    network = DQN(None, env, cnn_policy=task.spec.cnn_policy).structure.agent.network
    return {
        "framework": task.framework,
        "network": type(network).__name__,
        "steps_per_second": speeds,
        "preparation_seconds": compiling,
    }


def steps_alone(env: Environment) -> Callable[[], float]:
    """Measures random actions, without an agent."""
    return _speed(env, random_turns(env))


def random_turns(env: Environment) -> Callable[[int], Any]:
    """A function that takes this many vector steps with random actions."""

    @jax.jit
    def play(env_state: Any, n_steps: jax.Array) -> Any:
        def step(i: jax.Array, env_state: Any) -> Any:
            action_key, step_key = jax.random.split(jax.random.fold_in(jax.random.key(0), i))
            return env.step(env_state, env.sample_actions(action_key), step_key)[0]

        return jax.lax.fori_loop(0, n_steps, step, env_state)

    held = list(jax.jit(env.reset)(jax.random.key(0))[:1])

    def run(n: int) -> Any:
        # A state on the host can be used only once.
        held[:] = [play(*held, jnp.int32(n))]
        return held

    return run


def steps_of_dqn(env: Environment, task: Task, learning_starts: int) -> Callable[[], float]:
    """Measures DQN; the learner takes one gradient step for each vector step."""
    config = {
        "buffer_size": 100_000,
        "buffer_batch_size": BATCH_SIZE,
        "train_freq": 1,
        "gradient_steps": 1,
        "learning_starts": learning_starts,
    }
    return _speed(env, turns(DQN(config, env, cnn_policy=task.spec.cnn_policy)))


def turns(dqn: DQN) -> Callable[[int], Any]:
    """A function that trains for this many iterations."""
    state = dqn.init(jax.random.key(0))
    # Segments like those of a training run, without the evaluations in between.
    structure, hp = dqn.structure, dqn.hp
    recorder = programs.room(recording.shapes())
    held = [programs.prepare(structure.preparation, hp, state), recorder]

    def train(n: int) -> Any:
        held[:] = programs.segment(structure, hp, SCHEDULE, *held, jnp.int32(n))
        return held

    return train


def _speed(env: Environment, run: Callable[[int], Any]) -> Callable[[], float]:
    """Environment steps per second of ``run(n)``, with ``n`` for about ``LENGTH`` seconds."""

    def took(n: int) -> float:
        return measuring.seconds(lambda: jax.block_until_ready(run(n)))

    took(1)
    n = 16
    while took(n) < LENGTH / 4:
        n *= 4
    n = max(int(n * LENGTH / took(n)), 1)
    return lambda: n * env.n_envs / took(n)


def report(results: dict[str, Any]) -> str:
    """The table that the documentation shows."""
    rows = []
    for name, result in results.items():
        speeds = result["steps_per_second"]
        medians = [f"{speeds[way]['median']:,.0f}" for way in (ENVIRONMENT, ACTING, LEARNING)]
        rows.append([name, result["framework"], result["network"], *medians])
    header = ["environment", "framework", "network", ENVIRONMENT, ACTING, LEARNING]
    return reporting.markdown_table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--only", help="environments, separated by commas")
    arguments = parser.parse_args()
    only = arguments.only.split(",") if arguments.only else [task.name for task in TIMED]
    machine = reporting.machine()
    reporting.show_machine(machine)
    results = {}
    for task in TIMED:
        if task.name in only:
            results[task.name] = measure(task, arguments.repeats)
            print(report({task.name: results[task.name]}).splitlines()[-1], flush=True)
    if arguments.only is None:
        reporting.write_json("environment_speed", {"machine": machine, "environments": results})
        table = reporting.RESULTS / "environment_speed.md"
        table.write_text(f"# Environment steps per second\n\n{INTRODUCTION}\n\n{report(results)}\n")
        print(f"Written to results/{table.name}")


if __name__ == "__main__":
    main()
