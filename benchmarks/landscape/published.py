"""The published configurations of CartPole, and what the publication kept fixed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PUBLISHED = Path(__file__).with_name("published.csv")

N_SEEDS, PUBLISHED_SEEDS = 3, 10

N_ENVS, TIMESTEPS, N_EVALUATIONS, N_EPISODES = 8, 50_000, 10, 128

#: Hyperparameters and architecture choices that are the same in every row.
FIXED: dict[str, Any] = {
    "train_freq": 32,
    "gradient_steps": 128,
    "gamma": 0.99,
    "tau": 1,
    "exploration_fraction": 0.1,
    "normalize_observations": False,
    "activation": "tanh",
    "hidden_size": 64,
}

#: Hyperparameters that differ from row to row; in a row with an empty cell, one has no effect.
VARIED = (
    "buffer_batch_size",
    "buffer_prio_sampling",
    "buffer_size",
    "initial_epsilon",
    "learning_rate",
    "learning_starts",
    "target_epsilon",
    "use_target_network",
    "buffer_alpha",
    "buffer_beta",
    "buffer_epsilon",
    "target_update_interval",
)


class Published(NamedTuple):
    """The rows of the file, in its order.

    Attributes:
        configs: What each row sets.
        run_ids: The publication's numbers, ``[n_configs]``.
        returns: Final mean returns over 10 seeds, ``[n_configs]``.
        stds: Standard deviations over them.
    """

    configs: list[dict[str, Any]]
    run_ids: np.ndarray
    returns: np.ndarray
    stds: np.ndarray


def read_published() -> Published:
    """Everything in the file that is compared."""
    with PUBLISHED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return Published(
        [{name: _value(row[name]) for name in VARIED if row[name]} for row in rows],
        np.array([int(row["run_id"]) for row in rows]),
        np.array([float(row["return_mean_at_50000"]) for row in rows]),
        np.array([float(row["return_std_at_50000_over_seeds"]) for row in rows]),
    )


def _value(text: str) -> bool | int | float:
    if text in {"True", "False"}:
        return text == "True"
    return int(text) if text.isdecimal() else float(text)
