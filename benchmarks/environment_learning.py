"""What DQN learns in grid worlds and MinAtar, compared with a random policy."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import jax
import numpy as np

import reporting
from arlbench import DQN, Problem
from arlbench.core.environments import make_env_from_spec
from arlbench.experiments.presets import tuned_for
from arlbench.population import train_population
from arlbench.report.statistics import mean_interval
from environment_tasks import LEARNT, Task

NAME = "environment_learning"

SEEDS = range(5)
EVALUATIONS, EPISODES = 10, 128

#: Episodes of a random policy.
RANDOM_EPISODES = 1_024

INTRODUCTION = (
    f"Mean return of {EPISODES} greedy episodes at the end of a run, over {len(SEEDS)} seeds "
    "with a 95 % interval, compared with a random policy. The hyperparameters are the tuned ones "
    "that `arlbench train` uses (`arlbench.experiments.presets`). Written by "
    "`benchmarks/environment_learning.py`."
)


def measure(task: Task) -> dict[str, Any]:
    """Trains every seed; gives the returns over seeds and evaluations, and the time taken."""
    begin = time.perf_counter()
    problem = Problem(
        task.spec,
        hpo_config=tuned_for(task.name).hyperparameters,
        n_total_timesteps=task.timesteps,
        n_eval_steps=EVALUATIONS,
        n_eval_episodes=EPISODES,
    )
    result = train_population(problem, [{}], list(SEEDS))
    return {
        "framework": task.framework,
        "n_envs": task.n_envs,
        "timesteps": task.timesteps,
        "hyperparameters": dict(tuned_for(task.name).hyperparameters),
        "cnn_policy": task.spec.cnn_policy,
        "returns": result.returns[0].mean(axis=-1).tolist(),
        "random_return": random_return(task),
        "wall_seconds": time.perf_counter() - begin,
    }


def random_return(task: Task) -> float:
    """The mean return of uniformly random legal actions."""
    env = make_env_from_spec(task.spec)
    dqn = DQN(None, env, deterministic_eval=False, eval_eps=1.0)
    runner_state, _ = dqn.init(jax.random.key(0), capacity=1)
    return float(np.mean(dqn.evaluate(runner_state, RANDOM_EPISODES)))


def report(results: dict[str, Any]) -> str:
    """The table that the documentation shows."""
    rows = []
    for name, result in results.items():
        final = np.array(result["returns"])[:, -1]
        mean, low, high = mean_interval(final)
        rows.append(
            [
                name,
                f"{result['timesteps']:,}",
                f"{result['random_return']:.2f}",
                f"**{mean:.2f}**",
                f"{low:.2f} to {high:.2f}",
                ", ".join(f"{value:.2f}" for value in final),
            ]
        )
    header = ["environment", "steps", "random policy", "DQN", "95 % interval", "each seed"]
    return reporting.markdown_table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", help="environments, separated by commas; results of others are kept"
    )
    arguments = parser.parse_args()
    only = arguments.only.split(",") if arguments.only else [task.name for task in LEARNT]
    machine = reporting.machine()
    reporting.show_machine(machine)
    results = written() if arguments.only else {}
    for task in LEARNT:
        if task.name in only:
            results[task.name] = measure(task)
            print(report({task.name: results[task.name]}).splitlines()[-1], flush=True)
            # Written after each environment, because all of them take an hour.
            write(results, machine)


def written() -> dict[str, Any]:
    """The results of an earlier call."""
    path = reporting.RESULTS / f"{NAME}.json"
    return json.loads(path.read_text())["environments"] if path.exists() else {}


def write(results: dict[str, Any], machine: dict[str, Any]) -> None:
    """Writes the results as JSON and as a table, in one order."""
    ordered = {task.name: results[task.name] for task in LEARNT if task.name in results}
    reporting.write_json(NAME, {"machine": machine, "environments": ordered})
    table = reporting.RESULTS / f"{NAME}.md"
    table.write_text(f"# Learning\n\n{INTRODUCTION}\n\n{report(ordered)}\n")


if __name__ == "__main__":
    main()
