"""The cost of checkpoints: saving and loading a full buffer, and training with and without them."""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import dqn_speed
import measuring
import reporting
from arlbench import DQN
from arlbench.autorl import Checkpointer
from arlbench.core.algorithms.algorithm import TrainingProgress
from arlbench.core.algorithms.dqn.state import DQNState
from arlbench.core.checkpoints import write_checkpoint

N_ROWS = 1_000_000

#: The interval between checkpoints, and the approximate length of the trainings, in seconds.
EVERY_SECONDS, RUN_SECONDS = 10.0, 28.0

SAVE, COPY, LOAD = "save", "save, time that a training run waits", "load"
PLAIN, SAVING = "without checkpoints", f"a checkpoint every {EVERY_SECONDS:g} s"
HERE, ORBAX = "this package", "orbax"

SMALL_TREE = {f"layer_{i}": np.ones((64, 64), np.float32) for i in range(24)}


def save_seconds(checkpointer: Checkpointer, dqn: DQN, state: DQNState) -> float:
    """Seconds of a call of ``save``, without the work that continues in a background thread."""
    seconds = measuring.seconds(lambda: checkpointer.save(dqn, state))
    checkpointer.wait()
    return seconds


def measure_one(dqn: DQN, state: DQNState, folder: Path, n_repeats: int) -> dict[str, Any]:
    """Measures saving and loading everything, on the disk of the system's temporary folder."""
    front = Checkpointer(folder / "front", keep=1)
    back = Checkpointer(folder / "back", keep=1, background=True)

    def load() -> None:
        jax.block_until_ready(Checkpointer.load(front.path, dqn).state)

    variants: dict[str, Callable[[], float]] = {
        SAVE: partial(save_seconds, front, dqn, state),
        COPY: partial(save_seconds, back, dqn, state),
        LOAD: partial(measuring.seconds, load),
    }
    for warm_up in variants.values():
        warm_up()
    samples = measuring.interleaved(variants, n_repeats)
    files = {file.name: file.stat().st_size for file in (front.newest or folder).iterdir()}
    return {
        "seconds": {name: measuring.summary(values) for name, values in samples.items()},
        "bytes": sum(files.values()),
        "bytes_of_the_buffer": files["buffer.npz"],
    }


class Seconds(NamedTuple):
    """Wall-clock seconds, and processor seconds, which hardly depend on other processes."""

    wall: float
    cpu: float


def trained(
    dqn: DQN, states: list[DQNState], timesteps: int, checkpointer: Checkpointer | None
) -> Seconds:
    """Time of a training run; with a checkpointer, until its last checkpoint is written."""
    last = time.monotonic()

    def save_if_due(progress: TrainingProgress) -> bool:
        nonlocal last
        if checkpointer is not None and time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            checkpointer.save(dqn, progress.state)
        return False

    begin, cpu_begin = time.perf_counter(), time.process_time()
    state, _ = dqn.train(*states.pop(), timesteps, 1, 1, on_progress=save_if_due)
    jax.block_until_ready(state)
    if checkpointer is not None:
        checkpointer.wait()
    states.append(state)
    return Seconds(time.perf_counter() - begin, time.process_time() - cpu_begin)


def measure_training(dqn: DQN, state: DQNState, folder: Path, n_repeats: int) -> dict[str, Any]:
    """Measures the same training with and without checkpoints, in turn."""
    states, short = [state], 50_000
    trained(dqn, states, short, None)
    per_step = trained(dqn, states, short, None).wall / short
    timesteps = int(RUN_SECONDS / per_step)
    checkpointer = Checkpointer(folder / "training", keep=2, background=True)
    writers = {PLAIN: None, SAVING: checkpointer}
    wall: measuring.Samples = {PLAIN: [], SAVING: []}
    cpu: measuring.Samples = {PLAIN: [], SAVING: []}
    for _ in range(n_repeats):
        for name, writer in writers.items():
            seconds = trained(dqn, states, timesteps, writer)
            wall[name].append(seconds.wall)
            cpu[name].append(seconds.cpu)
    summaries = {name: measuring.summary(values) for name, values in wall.items()}
    of_cpu = {f"{name}, processors": measuring.summary(values) for name, values in cpu.items()}
    return {
        "seconds": {**summaries, **of_cpu},
        "timesteps": timesteps,
        "ratio": measuring.ratio(wall, SAVING, PLAIN),
        "ratios": _ratios(wall),
        "smallest_ratio": min(wall[SAVING]) / min(wall[PLAIN]),
        "cpu_ratio": measuring.ratio(cpu, SAVING, PLAIN),
        "cpu_ratios": _ratios(cpu),
    }


def _ratios(samples: measuring.Samples) -> list[float]:
    return [b / a for a, b in zip(samples[PLAIN], samples[SAVING], strict=True)]


def measure_small(folder: Path, n_repeats: int) -> dict[str, Any]:
    """Measures a small tree, written and synced, compared with orbax if that is installed."""
    numbers = itertools.count()

    def written(write: Callable[[Path], object]) -> float:
        path = folder / f"small-{next(numbers)}"
        seconds = measuring.seconds(lambda: write(path))
        shutil.rmtree(path)
        return seconds

    def here(path: Path) -> None:
        write_checkpoint(path, {"params": SMALL_TREE}, {})

    variants: dict[str, Callable[[], float]] = {HERE: partial(written, here)}
    # orbax is a dependency of flax, but not of this package.
    if importlib.util.find_spec("orbax.checkpoint") is not None:
        import orbax.checkpoint

        writer = orbax.checkpoint.PyTreeCheckpointer()
        variants[ORBAX] = partial(written, lambda path: writer.save(path, SMALL_TREE))
    for warm_up in variants.values():
        warm_up()
    samples = measuring.interleaved(variants, n_repeats)
    return {"seconds": {name: measuring.summary(values) for name, values in samples.items()}}


def table(results: dict[str, Any]) -> str:
    """The table of all results."""
    one, training, small = results["one"], results["training"], results["small"]
    kinds = {
        f"{N_ROWS:,} rows of CartPole": (one, 1, "s"),
        f"training {training['timesteps']:,} steps with it": (training, 1, "s"),
        "24 arrays of 64x64": (small, 1000, "ms"),
    }
    rows = [
        [f"{what}: {name} ({unit})"]
        + [f"{factor * times[key]:.2f}" for key in ("median", "smallest", "largest")]
        for what, (measured, factor, unit) in kinds.items()
        for name, times in measured["seconds"].items()
    ]
    wall, cpu = (_listed(training[name]) for name in ("ratios", "cpu_ratios"))
    return "\n".join([
        reporting.markdown_table(["", "median", "smallest", "largest"], rows),
        "",
        f"A checkpoint has {one['bytes'] / 1e6:.1f} MB, of which the buffer has "
        f"{one['bytes_of_the_buffer'] / 1e6:.1f} MB.",
        f"With {SAVING}, a training run takes {training['ratio']:.3f} times as long (median of "
        f"{wall}; {training['smallest_ratio']:.3f} for the shortest of each), and "
        f"{training['cpu_ratio']:.3f} times as much processor time (median of {cpu}).",
    ])  # fmt: skip


def _listed(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.3f}" for ratio in ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="of saving and loading")
    parser.add_argument("--runs", type=int, default=4, help="of the training, of each kind")
    arguments = parser.parse_args()
    machine = reporting.machine()
    reporting.show_machine(machine)
    dqn = dqn_speed.make_dqn(N_ROWS)
    state = dqn_speed.filled_state(dqn)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = {
            "small": measure_small(folder, 4 * arguments.repeats),
            "one": measure_one(dqn, state, folder, arguments.repeats),
            "training": measure_training(dqn, state, folder, arguments.runs),
        }
    print(f"\n{table(results)}")
    written = reporting.write_json("checkpoint_cost", {"machine": machine, **results})
    described = ", ".join(f"{name} {value}" for name, value in machine.items())
    heading = "# What checkpoints cost\n\n`python benchmarks/checkpoint_cost.py` on"
    written.with_suffix(".md").write_text(f"{heading} {described}.\n\n{table(results)}\n")
    print(f"\nWritten to results/{written.name}")


if __name__ == "__main__":
    main()
