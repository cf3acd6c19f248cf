"""The speed of DQN on CartPole: compared with its floor, by buffer size and kind of replay.

The floor is the time of the gradient steps alone. No implementation with the same libraries can be
faster.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import measuring
import reporting
from arlbench import DQN, make_env
from arlbench.core.algorithms.dqn import updates
from arlbench.core.algorithms.dqn.state import DQNState, DQNTrainState, StoredTransition
from arlbench.core.algorithms.harness import programs, recording
from arlbench.core.buffers import replay

N_ENVS = 8
BATCH_SIZE = 64
N_OBS = 4
N_PREPARED_BATCHES = 256

#: Iterations (or floor steps) of one measurement, which takes a fraction of a second.
N_TURNS = 5_000

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
UNIFORM, PRIORITISED, FLOOR = "uniform", "prioritised", "floor"


def make_dqn(buffer_size: int = 1_000_000, prioritised: bool = False) -> DQN:
    """The agent of every measurement; its network is the default, 64x64 with tanh."""
    config = {
        "buffer_size": buffer_size,
        "buffer_batch_size": BATCH_SIZE,
        "buffer_prio_sampling": prioritised,
        "train_freq": 1,
        "gradient_steps": 1,
    }
    return DQN(config, make_env("gymnax", "CartPole-v1", n_envs=N_ENVS))


def random_transitions(n: int, seed: int = 0) -> StoredTransition:
    """``n`` transitions with CartPole's shapes; the speed does not depend on the values."""
    rng = np.random.default_rng(seed)
    return StoredTransition(
        obs=jnp.asarray(rng.normal(size=(n, N_OBS)), jnp.float32),
        action=jnp.asarray(rng.integers(0, 2, n), jnp.int32),
        reward=jnp.ones(n, jnp.float32),
        next_obs=jnp.asarray(rng.normal(size=(n, N_OBS)), jnp.float32),
        terminated=jnp.asarray(rng.random(n) < 0.02),
    )


# -- the floor ---------------------------------------------------------------------------


@partial(jax.jit, donate_argnames=("train_state",))
def floor_steps(
    train_state: DQNTrainState, batches: StoredTransition, gamma: Any, n_steps: Any
) -> DQNTrainState:
    """Gradient steps on prepared batches ``[N, B, ...]`` in turn.

    With a single batch, XLA would move the target network's forward pass out of the loop.
    """
    weights = jnp.ones(BATCH_SIZE)

    def step(turn: Any, train_state: DQNTrainState) -> DQNTrainState:
        batch = jax.tree.map(lambda x: x[turn % N_PREPARED_BATCHES], batches)
        discounts = updates.discounts(batch.terminated, gamma)
        transitions = updates.Batch(
            batch.obs, weights, batch.action, batch.next_obs, batch.reward, discounts
        )
        return updates.update(train_state, transitions)[0]

    return jax.lax.fori_loop(0, n_steps, step, train_state)


def floor() -> Callable[[], float]:
    """Measures microseconds for a gradient step of the floor."""
    dqn = make_dqn()
    rows = random_transitions(N_PREPARED_BATCHES * BATCH_SIZE, seed=1)
    batches = jax.tree.map(lambda x: x.reshape(N_PREPARED_BATCHES, BATCH_SIZE, *x.shape[1:]), rows)
    train_state = dqn.init(jax.random.key(0), capacity=2).runner_state.train_state

    def turns(n: int) -> None:
        nonlocal train_state
        train_state = floor_steps(train_state, batches, np.float32(0.99), np.int32(n))
        jax.block_until_ready(train_state)

    turns(10)  # compiles
    return lambda: 1e6 * measuring.seconds(lambda: turns(N_TURNS)) / N_TURNS


# -- whole training runs ---------------------------------------------------------------------


def whole_training(n_timesteps: int) -> Callable[[], float]:
    """Measures microseconds for an iteration in a call of ``train`` with one evaluation."""
    dqn = make_dqn()

    def train(n: int, seed: int) -> float:
        state = jax.block_until_ready(dqn.init(jax.random.key(seed)))
        taken = measuring.seconds(lambda: jax.block_until_ready(dqn.train(*state, n, 1)))
        return 1e6 * taken / (n / N_ENVS)

    seeds = iter(range(1_000_000))
    train(2_000, next(seeds))  # compiles
    return lambda: train(n_timesteps, next(seeds))


# -- iterations over a filled buffer -----------------------------------------------------


def filled_state(dqn: DQN) -> DQNState:
    """A state at step 0 whose buffer is full, with different priorities."""
    size = dqn.hpo_config["buffer_size"]
    empty = dqn.init(jax.random.key(0), capacity=size).buffer_state
    fill = jax.jit(lambda state, rows: replay.append(state, rows, size, None))
    buffer = fill(empty, random_transitions(size))
    drawn = np.random.default_rng(2).exponential(size=size)
    priority = buffer.experience.priority.at[0, :size].set(jnp.asarray(drawn, jnp.float32))
    buffer = buffer.replace(experience=buffer.experience._replace(priority=priority))
    return dqn.init(jax.random.key(0), buffer_state=buffer)


def iterations(buffer_size: int, prioritised: bool) -> Callable[[], float]:
    """Measures microseconds for an iteration (8 environment steps, 1 update)."""
    dqn = make_dqn(buffer_size, prioritised)
    structure, hp = dqn.structure, dqn.hp
    schedule_timesteps = np.float32(1_000_000)
    state = programs.prepare(structure.preparation, hp, filled_state(dqn))
    assert bool(state.buffer_state.is_full)
    recorder = programs.room(recording.shapes())

    def turns(n: int) -> None:
        nonlocal state, recorder
        state, recorder = programs.segment(
            structure, hp, schedule_timesteps, state, recorder, np.int32(n)
        )
        jax.block_until_ready(state)

    # Compiles, and gets past the steps before learning begins.
    turns(dqn.hpo_config["learning_starts"] // N_ENVS + 100)
    return lambda: 1e6 * measuring.seconds(lambda: turns(N_TURNS)) / N_TURNS


# -- the report --------------------------------------------------------------------------


def measure_training(n_timesteps: int, n_repeats: int) -> dict[str, Any]:
    """Measures whole training runs, and the floor."""
    variants = {FLOOR: floor(), "train": whole_training(n_timesteps)}
    samples = measuring.interleaved(variants, n_repeats)
    per_update = statistics.median(samples["train"])
    return {
        "n_timesteps": n_timesteps,
        "steps_per_second": N_ENVS * 1e6 / per_update,
        "microseconds": {name: measuring.summary(values) for name, values in samples.items()},
        "train_over_floor": measuring.ratio(samples, "train", FLOOR),
    }


def measure_iterations(n_repeats: int) -> dict[str, Any]:
    """Measures iterations over filled buffers, and the floor."""
    variants = {FLOOR: floor()}
    variants |= {f"{UNIFORM} {name}": iterations(n, False) for name, n in SIZES.items()}
    variants |= {f"{PRIORITISED} {name}": iterations(n, True) for name, n in SIZES.items()}
    samples = measuring.interleaved(variants, n_repeats)
    smallest, largest = next(iter(SIZES)), list(SIZES)[-1]
    return {
        "microseconds": {name: measuring.summary(values) for name, values in samples.items()},
        "over_floor": {
            name: measuring.ratio(samples, name, FLOOR) for name in samples if name != FLOOR
        },
        "largest_over_smallest_buffer": {
            kind: measuring.ratio(samples, f"{kind} {largest}", f"{kind} {smallest}")
            for kind in (UNIFORM, PRIORITISED)
        },
        "prioritised_speed_of_uniform": {
            name: measuring.ratio(samples, f"{UNIFORM} {name}", f"{PRIORITISED} {name}")
            for name in SIZES
        },
    }


def show_training(results: dict[str, Any]) -> None:
    rows = [
        [name, f"{times['median']:.1f}", f"{times['smallest']:.1f}", f"{times['largest']:.1f}"]
        for name, times in results["microseconds"].items()
    ]
    print(f"\nA training of {results['n_timesteps']:,} steps, with evaluation:\n")
    print(reporting.markdown_table(["µs an update", "median", "smallest", "largest"], rows))
    print(
        f"\n{results['steps_per_second']:,.0f} environment steps per second; "
        f"{results['train_over_floor']:.2f} times the floor.",
        flush=True,
    )


def show_iterations(results: dict[str, Any]) -> None:
    header = ["µs an iteration", "median", "smallest", "largest", "over the floor"]
    rows = [
        [
            name,
            *(f"{times[key]:.1f}" for key in ("median", "smallest", "largest")),
            f"{results['over_floor'].get(name, 1.0):.2f}",
        ]
        for name, times in results["microseconds"].items()
    ]
    print("\nIterations over a full buffer:\n")
    print(reporting.markdown_table(header, rows))
    flat, speed = results["largest_over_smallest_buffer"], results["prioritised_speed_of_uniform"]
    print("\nTime with a buffer of 1M rows, compared with 10k rows:", _percents(flat))
    print("Speed of prioritised replay, compared with uniform replay:", _percents(speed))


def _percents(ratios: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.0%}" for name, value in ratios.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timesteps", type=int, default=500_000, help="of each training")
    parser.add_argument("--repeats", type=int, default=7, help="rounds, at least 5 to report")
    arguments = parser.parse_args()
    machine = {**reporting.machine(), "cpu_threads_of_xla": os.environ.get("NPROC", "all")}
    reporting.show_machine(machine)
    trainings = measure_training(arguments.timesteps, arguments.repeats)
    show_training(trainings)
    over_buffers = measure_iterations(2 * arguments.repeats)
    show_iterations(over_buffers)
    results = {"machine": machine, "training": trainings, "iterations": over_buffers}
    print(f"\nWritten to results/{reporting.write_json('dqn_speed', results).name}")


if __name__ == "__main__":
    main()
