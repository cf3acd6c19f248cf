"""The speed of an iteration with each extension of DQN, compared with the plain agent.

python benchmarks/extension_speed.py                 CartPole, 8 environments, batches of 64
python benchmarks/extension_speed.py --repeats 1 --turns 100   only to see that it works

An iteration is one vector step and one update. "off" has all traced extensions compiled in, each
at its default. The rows take turns, and ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

import measuring
import reporting
from arlbench import DQN, make_env
from arlbench.core.algorithms.dqn.extensions.registry import EXTENSIONS
from arlbench.core.algorithms.harness import programs, recording

N_ENVS = 8

BASE: Mapping[str, Any] = {
    "buffer_size": 8192,
    "buffer_batch_size": 64,
    "buffer_prio_sampling": True,
    "learning_starts": 512,
    "train_freq": 1,
    "gradient_steps": 1,
}

PLAIN, OFF = "plain", "off"

#: What differs from the plain agent, by the name of the row.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    PLAIN: {},
    OFF: {},
    "loss": {"loss": "huber"},
    "max_grad_norm": {"max_grad_norm": 10.0},
    "adam_epsilon": {"adam_epsilon": 1e-5},
    "weight_decay": {"weight_decay": 1e-3},
    "double_q": {"double_q": True},
    "n_step=3": {"n_step": 3},
    "n_step=10": {"n_step": 10},
    "learning_rate_final_factor": {"learning_rate_final_factor": 0.1},
    "buffer_beta_anneal": {"buffer_beta_anneal": 1.0},
    "munchausen": {"munchausen_alpha": 0.9},
    "boltzmann": {"exploration": "boltzmann"},
    "ez_greedy": {"exploration": "ez_greedy"},
    "layer_norm": {"layer_norm": True},
    "dueling": {"dueling": True},
    "categorical": {"distribution": "categorical"},
    "quantile": {"distribution": "quantile"},
    "noisy": {"noisy": True},
    "rainbow": DQN.presets()["rainbow"],
}


def made(name: str) -> DQN:
    """The agent of a row."""
    values = {**BASE, **VARIANTS[name]}
    choices = {k: v for k, v in values.items() if k in DQN.architecture_choices()}
    hpo = {k: v for k, v in values.items() if k not in choices}
    extensions = [*EXTENSIONS] if name == OFF else None
    env = make_env("gymnax", "CartPole-v1", n_envs=N_ENVS)
    return DQN(hpo, env, nas_config=choices, extensions=extensions)


def iterations(name: str, n_turns: int) -> Callable[[], float]:
    """Measures microseconds for an iteration."""
    dqn = made(name)
    schedule = np.float32(1_000_000)
    state = dqn.init(jax.random.key(0), capacity=BASE["buffer_size"])
    state = programs.prepare(dqn.structure.preparation, dqn.hp, state)
    recorder = programs.room(recording.shapes())

    def turns(n: int) -> None:
        nonlocal state, recorder
        state, recorder = programs.segment(
            dqn.structure, dqn.hp, schedule, state, recorder, np.int32(n)
        )
        jax.block_until_ready(state)

    # Compiles, and gets past the steps before learning begins.
    turns(BASE["learning_starts"] // N_ENVS + 10)
    return lambda: 1e6 * measuring.seconds(lambda: turns(n_turns)) / n_turns


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7, help="rounds, at least 5 to report")
    parser.add_argument("--turns", type=int, default=5_000, help="iterations of a measurement")
    parser.add_argument("--only", nargs="*", choices=[*VARIANTS], help="these rows, and plain")
    parser.add_argument("--write", action="store_true", help="write results/extension_speed.json")
    arguments = parser.parse_args()
    machine = reporting.machine()
    reporting.show_machine(machine)
    names = [name for name in VARIANTS if name == PLAIN or name in (arguments.only or VARIANTS)]
    variants = {name: iterations(name, arguments.turns) for name in names}
    samples = measuring.interleaved(variants, arguments.repeats)
    over_plain = {name: measuring.ratio(samples, name, PLAIN) for name in names}
    micros = {name: measuring.summary(values) for name, values in samples.items()}
    rows = [[name, f"{micros[name]['median']:.1f}", f"{over_plain[name]:.2f}"] for name in names]
    print(reporting.markdown_table(["extension", "µs an iteration", "over plain"], rows))
    if arguments.write:
        results = {"machine": machine, "microseconds": micros, "over_plain": over_plain}
        print(f"\nWritten to results/{reporting.write_json('extension_speed', results).name}")


if __name__ == "__main__":
    main()
