"""Trains the rows of a published measurement, with its settings, on every core."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from arlbench import EnvSpec, Problem
from arlbench.population import train_population


class Measurement(NamedTuple):
    """A published measurement: its rows in a file, and its fixed settings.

    Attributes:
        rows: The file of its configurations and results.
        problem: The problem that was trained, as far as it differs from the package's defaults.
    """

    rows: Path
    problem: Problem


CARTPOLE = Measurement(
    Path(__file__).with_name("cartpole_landscape_sample.csv"),
    Problem(
        EnvSpec("gymnax", "CartPole-v1", 8),
        hpo_config={"train_freq": 32, "gradient_steps": 128, "gamma": 0.99, "tau": 1.0},
        n_total_timesteps=50_000,
        n_eval_steps=10,
        n_eval_episodes=128,
    ),
)

MOUNTAIN_CAR = Measurement(
    Path(__file__).with_name("mountain_car_sample.csv"),
    Problem(
        EnvSpec("gymnax", "MountainCar-v0", 8),
        hpo_config={"train_freq": 2, "gradient_steps": 8, "gamma": 0.99, "tau": 1.0},
        n_total_timesteps=120_000,
        n_eval_steps=10,
        n_eval_episodes=128,
    ),
)

_INTEGERS = {"buffer_batch_size", "buffer_size", "learning_starts", "target_update_interval"}
_FLAGS = {"buffer_prio_sampling", "use_target_network"}
_HYPERPARAMETERS = _INTEGERS | _FLAGS | {
    "initial_epsilon", "learning_rate", "target_epsilon",
    "buffer_alpha", "buffer_beta", "buffer_epsilon",
}  # fmt: skip


class Row(NamedTuple):
    """A configuration and its published results; NaN if the deviation was not published."""

    run_id: int
    hpo_config: dict[str, float | int | bool]
    published_mean: float
    published_std: float


def read_rows(measurement: Measurement) -> list[Row]:
    """The rows of the sample in the order of the file; empty cells are inactive."""
    steps = measurement.problem.n_total_timesteps
    with measurement.rows.open(newline="") as file:
        return [
            Row(
                int(cells["run_id"]),
                {k: _parse(k, v) for k, v in cells.items() if k in _HYPERPARAMETERS and v},
                float(cells[f"return_mean_at_{steps}"]),
                float(cells.get(f"return_std_at_{steps}_over_seeds") or "nan"),
            )
            for cells in csv.DictReader(file)
        ]


def train_all(problem: Problem, rows: list[Row], seeds: range) -> np.ndarray:
    """Final mean returns, ``[n_rows, n_seeds]``."""
    configs = [row.hpo_config for row in rows]
    capacity = {"capacity": problem.n_total_timesteps}
    result = train_population(problem, configs, list(seeds), init_options=capacity)
    return result.returns[:, :, -1].mean(axis=-1)


def _parse(name: str, text: str) -> float | int | bool:
    if name in _FLAGS:
        return text == "True"
    return int(float(text)) if name in _INTEGERS else float(text)
