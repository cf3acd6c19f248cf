"""The cost of a buffer of frames, by its size, compared with a buffer of whole observations.

One turn adds a transition of each of eight environments and draws a batch of 32 by priority, in a
compiled loop that works in place, as training does. The buffers are filled before. Frames have 36
x 36 bytes, so that a million of them fit into ordinary memory; with the pictures of Atari (84 x
84), only small buffers are timed, and the bytes of all are computed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import measuring
import reporting
from arlbench.core import memory
from arlbench.core.algorithms.dqn.state import StoredTransition
from arlbench.core.buffers import frames, replay, storage
from arlbench.core.buffers.frame_slots import Layout

NAME = "frame_buffer_cost"
N_ENVS, BATCH_SIZE, ALPHA = 8, 32, 0.6
LAYOUT = Layout(4, 0)
SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}

#: Turns of one measurement.
N_TURNS = 500

#: Steps of an episode, after which a new stack begins.
EPISODE = 50


def example(side: int) -> StoredTransition:
    """Shapes of one transition."""
    obs, scalar = jax.ShapeDtypeStruct((4, side, side), jnp.uint8), partial(_shape, ())
    return StoredTransition(obs, scalar(jnp.int32), scalar(jnp.float32), obs, scalar(jnp.bool_))


def _shape(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


def empty(framed: bool, rows: int, side: int) -> Any:
    """An empty buffer of one kind."""
    if framed:
        return frames.init(example(side), rows, N_ENVS, LAYOUT)
    return replay.init(example(side), replay.power_of_two_at_least(rows))


def turn(size: int, draws: bool, number: Any, carry: Any) -> Any:
    """One step of all environments, and a batch."""
    buffer, stack, seen = carry
    words = jnp.arange(stack[:, 0].size, dtype=jnp.uint32) * np.uint32(2654435761)
    # Frames that differ from step to step.
    drawn = (words * (2 * jnp.asarray(number, jnp.uint32) + 1)) >> 24
    frame = drawn.astype(jnp.uint8).reshape(stack[:, 0].shape)
    after = jnp.concatenate([stack[:, 1:], frame[:, None]], axis=1)
    zeros = jnp.zeros(N_ENVS, jnp.int32)
    step = StoredTransition(stack, zeros, zeros.astype(jnp.float32), after, zeros > 0)
    buffer = storage.append(buffer, step, size, ALPHA)
    begun = jnp.concatenate([frame[:, None]] * LAYOUT.n_frames, axis=1)
    stack = jnp.where(number % EPISODE == EPISODE - 1, begun, after)
    if draws:
        jitter = jnp.full(BATCH_SIZE, (number % 97) / 97, jnp.float32)
        rows, _ = replay.sample_prioritised(buffer, jitter)
        batch = storage.gather(buffer, rows)
        # Sums of bytes, so that they are all read.
        seen = seen + jnp.sum(batch.obs.astype(jnp.uint32)) + jnp.sum(batch.next_obs[:, -1])
        buffer = replay.set_priorities(buffer, rows, 0.5 + jitter, ALPHA)
    return buffer, stack, seen


@partial(
    jax.jit,
    static_argnames=("size", "draws"),
    donate_argnames=("carry",),
    compiler_options={"xla_cpu_copy_insertion_use_region_analysis": True},
)
def turns(size: int, draws: bool, begin: Any, n: Any, carry: Any) -> Any:
    return jax.lax.fori_loop(begin, begin + n, partial(turn, size, draws), carry)


def measured(framed: bool, rows: int, side: int) -> Callable[[], float]:
    """Measures microseconds for a turn over a full buffer."""
    stack = jnp.zeros((N_ENVS, LAYOUT.n_frames, side, side), jnp.uint8)
    n_filling = rows // N_ENVS + 1
    carry = (empty(framed, rows, side), stack, jnp.zeros((), jnp.uint32))
    carry = turns(rows, False, np.int32(0), np.int32(n_filling), carry)
    done = n_filling

    def run() -> None:
        nonlocal carry, done
        carry = jax.block_until_ready(turns(rows, True, np.int32(done), np.int32(N_TURNS), carry))
        done += N_TURNS

    run()  # compiles
    assert carry[0].is_full
    assert not (framed and storage.has_overflowed(carry[0]))
    return lambda: 1e6 * measuring.seconds(run) / N_TURNS


def gigabytes(framed: bool, rows: int, side: int) -> float:
    """10^9 bytes of a buffer."""
    return memory.tree_bytes(jax.eval_shape(lambda: empty(framed, rows, side))) / 1e9


def page(results: dict[str, Any]) -> str:
    """The tables."""
    cost = [[name, *(f"{value:.0f}" for value in found)] for name, found in results["cost"].items()]
    size = [[name, *(f"{value:.2f}" for value in found)] for name, found in results["size"].items()]
    flat = ", ".join(f"{name} {value:.2f}" for name, value in results["flat"].items())
    return (
        "# A buffer of frames\n\n"
        f"Microseconds for a step of {N_ENVS} copies and a batch of {BATCH_SIZE} by priority, "
        f"over full buffers. Written by `python benchmarks/{NAME}.py`; load of the machine: "
        f"{results['machine']['load_average']}.\n\n"
        f"{reporting.markdown_table(['', 'median', 'smallest', 'largest'], cost)}\n\n"
        f"Compared with 10k rows: {flat}.\n\n"
        "Memory for the pictures of Atari, in 10^9 bytes:\n\n"
        f"{reporting.markdown_table(['rows', 'frames', 'whole observations'], size)}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="rounds, at least 5 to report")
    parser.add_argument("--largest", choices=SIZES, default="1M", help="the largest buffer")
    arguments = parser.parse_args()
    machine = reporting.machine()
    reporting.show_machine(machine)
    names = list(SIZES)[: list(SIZES).index(arguments.largest) + 1]
    variants = {f"36 x 36, {name}": measured(True, SIZES[name], 36) for name in names}
    variants["36 x 36, 10k, whole observations"] = measured(False, 10_000, 36)
    variants["84 x 84, 10k"] = measured(True, 10_000, 84)
    variants["84 x 84, 10k, whole observations"] = measured(False, 10_000, 84)
    samples = measuring.interleaved(variants, arguments.repeats)
    cost = {
        name: [measuring.summary(values)[key] for key in ("median", "smallest", "largest")]
        for name, values in samples.items()
    }
    first = f"36 x 36, {names[0]}"
    results = {
        "machine": machine,
        "samples": samples,
        "cost": cost,
        "flat": {n: measuring.ratio(samples, f"36 x 36, {n}", first) for n in names[1:]},
        "size": {
            name: [gigabytes(True, n, 84), gigabytes(False, n, 84)] for name, n in SIZES.items()
        },
    }
    reporting.write_json(NAME, results)
    (reporting.RESULTS / f"{NAME}.md").write_text(page(results))
    print(f"\n{page(results)}")


if __name__ == "__main__":
    main()
