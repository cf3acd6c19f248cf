"""The cost of a step with buffers of 10k to 1M rows, for the installed JAX.

jaxlib 0.11 was reported to copy whole buffers on small writes (jax issue 40101). If that happened
here, an iteration with 1M rows would take many times as long as one with 10k rows. Each version of
JAX adds its own results: run this script in an environment for each version.
"""

from __future__ import annotations

import os

# Compilation is measured, so the cache must be off.
os.environ["ARLBENCH_COMPILATION_CACHE"] = "off"

import argparse
import json
from typing import Any

import jax

import dqn_speed
import reporting
from arlbench import Problem
from arlbench.core.algorithms.measured import train_measured
from arlbench.core.environments import EnvSpec

NAME = "buffer_cost"


def one_training() -> dict[str, float]:
    """100,000 steps of CartPole in a process that has not compiled anything yet."""
    problem = Problem(EnvSpec("gymnax", "CartPole-v1", n_envs=8), n_total_timesteps=100_000)
    algorithm = problem.make_algorithm({"train_freq": 8})
    state = algorithm.init(jax.random.key(0))
    outcome = train_measured(algorithm, state, problem.lengths)
    return {
        "steps_per_second": outcome.done_timesteps / outcome.seconds.training,
        "compile_seconds": outcome.seconds.compiling,
    }


def medians(iterations: dict[str, Any]) -> dict[str, float]:
    """Microseconds for an iteration, by kind and size."""
    return {name: times["median"] for name, times in iterations["microseconds"].items()}


def page(results: dict[str, Any]) -> str:
    """The table of all versions that were measured."""
    sizes = list(dqn_speed.SIZES)
    header = ["", *sizes, "1M compared with 10k", "training, steps/s", "compiling, s"]
    rows = []
    for version, found in results.items():
        for kind in (dqn_speed.UNIFORM, dqn_speed.PRIORITISED):
            cost = [f"{found['cost'][f'{kind} {size}']:.0f}" for size in sizes]
            flat = f"{found['largest_over_smallest_buffer'][kind]:.2f}"
            rows.append([f"{version}, {kind}", *cost, flat, *_speed(found, kind)])
    loads = ", ".join(
        f"{found['machine']['load_average']} (jax {found['machine']['jax']})"
        for found in results.values()
    )
    return (
        "# Cost of an iteration over full buffers\n\n"
        "Microseconds for 8 environment steps and one update of batch 64 (medians), and training "
        "for 100,000 steps on CartPole with nothing compiled before. Written by `python "
        f"benchmarks/{NAME}.py`. Load of the machine when each began: {loads}.\n\n"
        f"{reporting.markdown_table(header, rows)}\n"
    )


def _speed(found: dict[str, Any], kind: str) -> list[str]:
    if kind != dqn_speed.UNIFORM:
        return ["", ""]
    training = found["training"]
    return [f"{training['steps_per_second']:,.0f}", f"{training['compile_seconds']:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="rounds, at least 5 to report")
    arguments = parser.parse_args()
    machine = reporting.machine()
    reporting.show_machine(machine)
    training = one_training()
    iterations = dqn_speed.measure_iterations(arguments.repeats)
    dqn_speed.show_iterations(iterations)
    file = reporting.RESULTS / f"{NAME}.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    results[f"Python {machine['python']}, jax {machine['jax']}"] = {
        "machine": machine,
        "training": training,
        "cost": medians(iterations),
        "largest_over_smallest_buffer": iterations["largest_over_smallest_buffer"],
    }
    reporting.write_json(NAME, results)
    file.with_suffix(".md").write_text(page(results))
    print(f"\n{page(results)}")


if __name__ == "__main__":
    main()
