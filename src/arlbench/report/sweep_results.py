"""The results of a sweep, from the rows that its storage has kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from arlbench.report.statistics import spread

# The columns with results, which every table has.
_COLUMNS = frozenset({"config", "seed", "evaluation", "timesteps", "return_mean", "status"})


class Hyperparameter(NamedTuple):
    """A hyperparameter that differs between configurations.

    Attributes:
        values: The value in each configuration, ``[n_configs]``.
        scale: ``linear``, ``log`` or ``choice``.
        counts: Whether it has an effect, bool ``[n_configs]``.
    """

    values: np.ndarray
    scale: str
    counts: np.ndarray


class SweepResults(NamedTuple):
    """All training runs that have ended, with configurations in the order of the experiment.

    Attributes:
        algorithm: The algorithm's name for people.
        environment: The environment's name for people.
        configs: Index of each configuration in the experiment, ``[n_configs]``.
        seeds: The seeds of training runs that have ended, ``[n_seeds]``.
        timesteps: Environment steps before each evaluation, ``[n_configs, n_evaluations]``.
        returns: Mean return of each evaluation, ``[n_configs, n_seeds, n_evaluations]``; NaN
            if a training run has not ended or did not reach it.
        diverged: Whether a training run diverged, bool ``[n_configs, n_seeds]``.
        varied: The hyperparameters that differ, by name.
    """

    algorithm: str
    environment: str
    configs: np.ndarray
    seeds: np.ndarray
    timesteps: np.ndarray
    returns: np.ndarray
    diverged: np.ndarray
    varied: Mapping[str, Hyperparameter]

    @property
    def final(self) -> np.ndarray:
        """Mean return of the last evaluation, ``[n_configs, n_seeds]``."""
        return self.returns[:, :, -1]


class Rank(NamedTuple):
    """A configuration, and its result.

    Attributes:
        row: Its place in the arrays of the results.
        config: Its index in the experiment.
        mean: Return over seeds at the last evaluation; NaN if a seed is missing or
            diverged.
        low: Lower end of the 95 % interval, or of the range of fewer than four seeds; NaN for a
            single seed.
        high: Upper end.
    """

    row: int
    config: int
    mean: float
    low: float
    high: float


def results_of(table: pa.Table) -> SweepResults | None:
    """The results in the rows of a storage; None if no training has ended.

    Args:
        table: A row for each training and evaluation: ``config``, ``seed``, ``evaluation``
            (from 1), ``timesteps``, ``return_mean`` (null after divergence), ``status``
            and a column for each hyperparameter. The metadata of the table are ``algorithm``
            and ``environment``. Those of a hyperparameter's column are ``role``, ``scale`` and
            ``counts_if``, a JSON object of the values that other hyperparameters must have.
    """
    if not table.num_rows:
        return None
    metadata = table.schema.metadata
    roles = ((field.metadata or {}).get(b"role") for field in table.schema)
    names = zip(table.column_names, roles, strict=True)
    read = [name for name, role in names if role == b"hyperparameter" or name in _COLUMNS]
    columns = {name: table.column(name).to_numpy() for name in read}
    configs, row = np.unique(columns["config"], return_inverse=True)
    seeds, seed = np.unique(columns["seed"], return_inverse=True)
    evaluation = columns["evaluation"] - 1
    n_evaluations = int(evaluation.max()) + 1
    timesteps = np.zeros((len(configs), n_evaluations), np.int64)
    timesteps[row, evaluation] = columns["timesteps"]
    returns = np.full((len(configs), len(seeds), n_evaluations), np.nan)
    returns[row, seed, evaluation] = columns["return_mean"].astype(float)
    diverged = np.zeros((len(configs), len(seeds)), bool)
    diverged[row, seed] = columns["status"] == "diverged"
    return SweepResults(
        algorithm=metadata[b"algorithm"].decode(),
        environment=metadata[b"environment"].decode(),
        configs=configs,
        seeds=seeds,
        timesteps=timesteps,
        returns=returns,
        diverged=diverged,
        varied=_varied(table.schema, columns, row),
    )


def ranking(results: SweepResults) -> list[Rank]:
    """All configurations, the best first; those without a mean return last."""
    mean, low, high = spread(results.final.T)
    order = np.argsort(-mean, kind="stable")
    return [
        Rank(int(i), int(results.configs[i]), float(mean[i]), float(low[i]), float(high[i]))
        for i in order
    ]


def _varied(
    schema: pa.Schema, columns: Mapping[str, np.ndarray], row: np.ndarray
) -> dict[str, Hyperparameter]:
    """The hyperparameters with more than one value, counting only values that have an effect."""
    # The first row of each configuration; all of its rows have the same hyperparameters.
    _, first = np.unique(row, return_index=True)
    varied = {}
    for field in schema:
        metadata = field.metadata or {}
        if metadata.get(b"role") != b"hyperparameter":
            continue
        values = columns[field.name][first]
        conditions: dict[str, Any] = json.loads(metadata.get(b"counts_if", b"{}"))
        counts = np.ones(len(values), bool)
        for name, value in conditions.items():
            counts &= columns[name][first] == value
        if len(set(values[counts].tolist())) > 1:
            varied[field.name] = Hyperparameter(values, metadata[b"scale"].decode(), counts)
    return varied
