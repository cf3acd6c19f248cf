"""What came of a sweep, read from the parts in its folder alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from arlbench.report.statistics import mean_interval


class Hyperparameter(NamedTuple):
    """A hyperparameter that differs between configurations.

    Attributes:
        values: Of each configuration, ``[n_configs]``.
        scale: ``linear``, ``log`` or ``choice``.
        counts: Where it has an effect, bool ``[n_configs]``.
    """

    values: np.ndarray
    scale: str
    counts: np.ndarray


class SweepResults(NamedTuple):
    """Everything that has ended, configurations in the order of the design.

    Attributes:
        environment: Its name.
        configs: Index of each configuration in the design, ``[n_configs]``.
        seeds: Those that any training has ended with, ``[n_seeds]``.
        timesteps: Environment steps before each evaluation, ``[n_configs, n_evaluations]``.
        returns: Mean return of each evaluation, ``[n_configs, n_seeds, n_evaluations]``; NaN
            where a training has not ended or did not get to it.
        diverged: bool ``[n_configs, n_seeds]``.
        varied: The hyperparameters that differ, by name.
    """

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
    """A configuration, and what it came to.

    Attributes:
        row: Its place in the arrays of the results.
        config: Its index in the design.
        mean: Return over seeds at the last evaluation; NaN where a seed is missing or
            diverged.
        low: Lower end of the 95 % interval; NaN where there is only one seed.
        high: Upper end.
    """

    row: int
    config: int
    mean: float
    low: float
    high: float


def read_results(folder: Path) -> SweepResults | None:
    """What the parts of a sweep hold; None where there are none yet."""
    columns_left_out = {"episode_returns", "return_std", "train_seconds", "diverged_at"}
    tables = []
    for part in sorted((folder / "parts").glob("part-*.parquet")):
        names = [name for name in pq.read_schema(part).names if name not in columns_left_out]
        tables.append(pq.read_table(part, columns=names, use_threads=False))
    return _results(pa.concat_tables(tables)) if tables else None


def ranking(results: SweepResults) -> list[Rank]:
    """All configurations, the best first; those without a mean return last."""
    mean, low, high = mean_interval(results.final.T)
    order = np.argsort(-mean, kind="stable")
    return [
        Rank(int(i), int(results.configs[i]), float(mean[i]), float(low[i]), float(high[i]))
        for i in order
    ]


def _results(table: pa.Table) -> SweepResults:
    columns = {
        name: column.to_numpy()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
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
    metadata = table.schema.metadata or {}
    return SweepResults(
        environment=metadata[b"environment"].decode(),
        configs=configs,
        seeds=seeds,
        timesteps=timesteps,
        returns=returns,
        diverged=diverged,
        varied=_varied(table.schema, columns, row),
    )


def _varied(
    schema: pa.Schema, columns: Mapping[str, np.ndarray], row: np.ndarray
) -> dict[str, Hyperparameter]:
    """The hyperparameters with more than one value among those that count."""
    # The first row of each configuration, which all agree in its hyperparameters.
    _, first = np.unique(row, return_index=True)
    varied = {}
    for field in schema:
        metadata = field.metadata or {}
        if metadata.get(b"role") != b"hyperparameter":
            continue
        values = columns[field.name][first]
        conditions: dict[str, Any] = json.loads(metadata.get(b"counts_where", b"{}"))
        counts = np.ones(len(values), bool)
        for name, value in conditions.items():
            counts &= columns[name][first] == value
        if len(set(values[counts].tolist())) > 1:
            varied[field.name] = Hyperparameter(values, metadata[b"scale"].decode(), counts)
    return varied
