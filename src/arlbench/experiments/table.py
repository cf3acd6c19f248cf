"""The table of an experiment's results: one row for each member and evaluation.

==================  ================  =====================================================
``config``          int64             index of the configuration in the experiment
``seed``            int64             the member's seed
``evaluation``      int64             number of the evaluation, from 1
``timesteps``       int64             environment steps trained before it
``return_mean``     float64           mean over its episodes; null after divergence
``return_std``      float64           standard deviation over its episodes (``ddof=0``)
``episode_returns`` list of float32   return of each episode
``status``          string            result of the whole training run: finished or diverged
``diverged_at``     int64             environment steps at which divergence was noticed
``train_seconds``   float64           wall-clock time, while other members may train too
the configuration   by its type       a column for each hyperparameter, by its name
==================  ================  =====================================================

The metadata of the table are ``format_version``, ``problem`` (its fingerprint),
``environment`` and ``algorithm`` (their names for people). Those of a hyperparameter's
column are ``role``, ``scale`` (``linear``, ``log`` or ``choice``) and, if it has an effect
only at a certain value of another, ``counts_if``, a JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from arlbench.core.algorithms.declarations import Hyperparameter
from arlbench.experiments.experiment import FORMAT_VERSION, Experiment
from arlbench.experiments.rows import rows_of
from arlbench.population import MemberResult

#: These columns identify a row, and sort a table.
KEYS = ("config", "seed", "evaluation")

#: The columns besides those of the configuration.
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


def schema_of(experiment: Experiment) -> pa.Schema:
    """The columns of an experiment's results."""
    problem = experiment.problem
    metadata = {
        "format_version": str(FORMAT_VERSION),
        "problem": problem.fingerprint,
        "environment": problem.env_spec.name,
        "algorithm": problem.algorithm_class.title,
    }
    columns = [_column(hyperparameter) for hyperparameter in problem.declarations.values()]
    return pa.schema([*RESULT_FIELDS, *columns], metadata=metadata)


def table_of(experiment: Experiment, results: Sequence[MemberResult]) -> pa.Table:
    """The rows of members that have ended."""
    rows = [row for result in results for row in rows_of(experiment, result)]
    return pa.Table.from_pylist(rows, schema=schema_of(experiment))


def conformed(table: pa.Table, experiment: Experiment) -> pa.Table:
    """The rows of an earlier version, with the columns of the present version.

    A hyperparameter that did not exist then has its default.
    """
    schema, declarations = schema_of(experiment), experiment.problem.declarations
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.array([declarations[field.name].default] * table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def in_order(table: pa.Table, experiment: Experiment) -> pa.Table:
    """The rows sorted by configuration, seed and evaluation.

    Seeds have the order of the experiment; seeds that were added later come last.
    """
    place = {seed: index for index, seed in enumerate(experiment.seeds)}
    config, seed, evaluation = (table.column(key).to_numpy() for key in KEYS)
    places = np.array([place[s] for s in seed.tolist()], np.int64)
    return table.take(np.lexsort((evaluation, places, config))).combine_chunks()


def _column(hyperparameter: Hyperparameter) -> pa.Field:
    metadata = {"role": "hyperparameter", "scale": str(hyperparameter.scale)}
    condition = hyperparameter.effect_if
    if condition is not None:
        metadata["counts_if"] = json.dumps({condition.name: condition.value})
    kind = _ARROW_TYPES[hyperparameter.type]
    return pa.field(hyperparameter.name, kind, nullable=False, metadata=metadata)
