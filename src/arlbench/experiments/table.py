"""The table of a sweep's results: one row for each training and evaluation.

==================  ================  =====================================================
``config``          int64             index of the configuration in the design
``seed``            int64             the training's seed
``evaluation``      int64             number of the evaluation, from 1
``timesteps``       int64             environment steps trained before it
``return_mean``     float64           mean over its episodes; null where it was not reached
``return_std``      float64           standard deviation over its episodes (``ddof=0``)
``episode_returns`` list of float32   return of each episode
``status``          string            of the whole training: finished or diverged
``diverged_at``     int64             environment steps at which divergence was noticed
``train_seconds``   float64           wall-clock, shared with trainings beside it
the configuration   by its type       a column for each hyperparameter, by its name
==================  ================  =====================================================

The metadata of the table are ``schema_version``, ``design`` (the fingerprint of the
design) and ``environment``. Those of a hyperparameter's column are ``role``, ``scale``
(``linear``, ``log`` or ``choice``) and, where it counts only beside a certain value of
another, ``counts_where``, a JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from arlbench.sweeps.design import SCHEMA_VERSION, SweepDesign
from arlbench.sweeps.space import Condition, conditions, scale_of

if TYPE_CHECKING:
    from arlbench.population import MemberResult

#: What identifies a row, and the order of a table.
KEYS = ("config", "seed", "evaluation")

#: The columns beside those of the configuration.
RESULT_FIELDS = (
    pa.field("config", pa.int64(), nullable=False),
    pa.field("seed", pa.int64(), nullable=False),
    pa.field("evaluation", pa.int64(), nullable=False),
    pa.field("timesteps", pa.int64(), nullable=False),
    pa.field("return_mean", pa.float64()),
    pa.field("return_std", pa.float64()),
    pa.field("episode_returns", pa.list_(pa.float32())),
    pa.field("status", pa.string(), nullable=False),
    pa.field("diverged_at", pa.int64()),
    pa.field("train_seconds", pa.float64(), nullable=False),
)

_ARROW_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}

# Conditions that the published space leaves out, though without priorities nothing reads these.
_PRIORITISED = Condition("buffer_prio_sampling", True)
_FURTHER_CONDITIONS = {
    "buffer_alpha": _PRIORITISED,
    "buffer_beta": _PRIORITISED,
    "buffer_epsilon": _PRIORITISED,
}


def schema_of(design: SweepDesign) -> pa.Schema:
    """The columns of a design's results."""
    columns = [_column(name, value) for name, value in design.configs[0].items()]
    metadata = {
        "schema_version": str(SCHEMA_VERSION),
        "design": design.fingerprint,
        "environment": design.env_spec.name,
    }
    return pa.schema([*RESULT_FIELDS, *columns], metadata=metadata)


def table_of(design: SweepDesign, results: Sequence[MemberResult]) -> pa.Table:
    """The rows of trainings that have ended."""
    rows = [row for result in results for row in _rows(design, result)]
    return pa.Table.from_pylist(rows, schema=schema_of(design))


def in_order(table: pa.Table) -> pa.Table:
    """The rows by configuration, seed and evaluation, however they came."""
    return table.sort_by([(key, "ascending") for key in KEYS]).combine_chunks()


def _column(name: str, value: Any) -> pa.Field:
    metadata = {"role": "hyperparameter", "scale": str(scale_of(name))}
    condition = {**conditions(), **_FURTHER_CONDITIONS}.get(name)
    if condition is not None:
        metadata["counts_where"] = json.dumps({condition.name: condition.value})
    return pa.field(name, _ARROW_TYPES[type(value)], nullable=False, metadata=metadata)


def _rows(design: SweepDesign, result: MemberResult) -> list[dict[str, Any]]:
    """One row an evaluation, also for those that a diverged training did not reach."""
    config: Mapping[str, Any] = design.configs[result.config_index]
    of_all = {
        "config": result.config_index,
        "seed": design.seeds[result.seed_index],
        "status": result.status,
        "diverged_at": result.diverged_at,
        "train_seconds": result.train_seconds,
        **config,
    }
    steps = zip(result.timesteps, result.returns, strict=True)
    return [
        {**of_all, "evaluation": i, "timesteps": int(timesteps), **_of_episodes(returns)}
        for i, (timesteps, returns) in enumerate(steps, start=1)
    ]


def _of_episodes(returns: np.ndarray) -> dict[str, Any]:
    """What is kept of one evaluation ``[n_eval_episodes]``; nothing where it has a NaN."""
    if np.isnan(returns).any():
        return {}
    return {
        "return_mean": float(returns.mean(dtype=np.float64)),
        "return_std": float(returns.std(dtype=np.float64)),
        "episode_returns": np.asarray(returns, np.float32),
    }
