"""Training the rows of a published measurement, with its settings, on every core."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from arlbench import EnvSpec, Problem
from arlbench.population import train_population

ROWS = Path(__file__).with_name("cartpole_landscape_sample.csv")

#: What the measurement kept fixed, besides the package's defaults.
SETTINGS = {"train_freq": 32, "gradient_steps": 128, "gamma": 0.99, "tau": 1.0}
N_ENVS, TIMESTEPS, EVALUATIONS, EPISODES = 8, 50_000, 10, 128

_INTEGERS = {"buffer_batch_size", "buffer_size", "learning_starts", "target_update_interval"}
_FLAGS = {"buffer_prio_sampling", "use_target_network"}
_HYPERPARAMETERS = _INTEGERS | _FLAGS | {
    "initial_epsilon", "learning_rate", "target_epsilon",
    "buffer_alpha", "buffer_beta", "buffer_epsilon",
}  # fmt: skip


class Row(NamedTuple):
    """A configuration and what was published of it."""

    run_id: int
    hpo_config: dict[str, float | int | bool]
    published_mean: float
    published_std: float


def read_rows() -> list[Row]:
    """The rows of the sample, worst first as in the file; an empty cell is inactive."""
    with ROWS.open(newline="") as file:
        return [
            Row(
                int(cells["run_id"]),
                {k: _parse(k, v) for k, v in cells.items() if k in _HYPERPARAMETERS and v},
                float(cells["return_mean_at_50000"]),
                float(cells["return_std_at_50000_over_seeds"]),
            )
            for cells in csv.DictReader(file)
        ]


def train_all(rows: list[Row], seeds: range) -> np.ndarray:
    """Final mean returns, ``[n_rows, n_seeds]``."""
    problem = Problem(
        EnvSpec("gymnax", "CartPole-v1", N_ENVS),
        hpo_config=SETTINGS,
        n_total_timesteps=TIMESTEPS,
        n_eval_steps=EVALUATIONS,
        n_eval_episodes=EPISODES,
    )
    configs = [row.hpo_config for row in rows]
    result = train_population(problem, configs, list(seeds), init_options={"capacity": TIMESTEPS})
    return result.returns[:, :, -1].mean(axis=-1)


def _parse(name: str, text: str) -> float | int | bool:
    if name in _FLAGS:
        return text == "True"
    return int(float(text)) if name in _INTEGERS else float(text)
