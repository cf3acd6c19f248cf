"""Files of version 0.2: read as they are, and finished by the rule of that version."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.errors import StorageError
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.folder import SweepFolder, read_experiment, read_rows
from arlbench.experiments.training import train_missing
from arlbench.experiments.version_1 import enlarged_timesteps
from arlbench.report.sweep_results import results_of
from fake_training import PROBLEM
from version_1 import FOLDER, copy_of, expected, same_rounding

LENGTHS = ("config", "seed", "evaluation", "timesteps", "status", "diverged_at")


def table_of(name: str) -> list[dict]:
    """The whole table of a sweep, as that version has it."""
    return expected(name)["table"]


def rows_of(folder: Path) -> list[dict]:
    """The rows in a folder, as this version reads them, in those columns."""
    return read_rows(folder).select(list(table_of("sweep_finished")[0])).to_pylist()


def asked_today(experiment: Experiment, **changes) -> Experiment:
    """The same experiment, as the command line of today would describe it."""
    fields = {"configs": experiment.configs, "seeds": experiment.seeds, **changes}
    return Experiment(experiment.problem, **fields)


@pytest.mark.parametrize(
    ("train_freq", "total", "n_evaluations", "expected_total"),
    [
        (1, 2000, 3, 2004),
        (7, 2000, 3, 2016),
        (16, 2000, 3, 2112),
        (256, 2000, 20, 20480),
        (4, 3200, 2, 3200),
    ],
)
def test_the_old_rule_rounded_intervals_up(
    train_freq, total, n_evaluations, expected_total
) -> None:
    problem = PROBLEM.replace(n_total_timesteps=total, n_eval_steps=n_evaluations)
    config = {"train_freq": train_freq}
    enlarged = enlarged_timesteps(problem, config)
    assert enlarged == expected_total
    # By today's rule such a training is divided into equal intervals of whole iterations.
    plan = problem.make_algorithm(config).plan(Lengths(enlarged, n_evaluations, 4, total))
    assert plan.total_timesteps == enlarged
    np.testing.assert_array_equal(np.diff(plan.evaluate_after), plan.evaluate_after[0])


@pytest.mark.parametrize("name", ["sweep_finished", "sweep_interrupted"])
def test_the_table_is_read_to_the_last_bit(name: str) -> None:
    rows = rows_of(FOLDER / name)
    kept = {(row["config"], row["seed"]) for row in rows}
    whole = [row for row in table_of(name) if (row["config"], row["seed"]) in kept]
    assert rows == whole
    assert len(kept) == {"sweep_finished": 10, "sweep_interrupted": 3}[name]


def test_the_columns_and_metadata_are_those_of_today() -> None:
    table = read_rows(FOLDER / "sweep_finished")
    assert table.schema.metadata[b"algorithm"] == b"DQN"
    assert table.schema.metadata[b"format_version"] == b"2"
    assert table.schema.field("buffer_alpha").metadata[b"counts_if"]
    experiment = read_experiment(FOLDER / "sweep_finished")
    assert experiment.format_version == 1
    for row in table.to_pylist():
        assert {name: row[name] for name in experiment.configs[0]} == experiment.configs[
            row["config"]
        ]


def test_a_finished_sweep_is_reported() -> None:
    results = results_of(read_rows(FOLDER / "sweep_finished"))
    assert results is not None
    assert (results.algorithm, results.environment) == ("DQN", "CartPole-v1")
    assert results.returns.shape == (5, 2, 3)
    np.testing.assert_array_equal(results.diverged.any(axis=1), [0, 0, 0, 0, 1])


def test_a_finished_sweep_has_nothing_to_train(tmp_path: Path) -> None:
    folder = copy_of("sweep_finished", tmp_path)
    with SweepFolder(folder, asked_today(read_experiment(folder))) as store:
        assert store.missing() == []
        assert store.experiment.format_version == 1
    assert rows_of(folder) == table_of("sweep_finished")


@pytest.mark.thorough
def test_an_interrupted_sweep_is_finished_by_the_rule_of_its_version(tmp_path: Path) -> None:
    folder = copy_of("sweep_interrupted", tmp_path)
    design = (folder / "design.json").read_bytes()
    experiment = asked_today(read_experiment(folder))
    with SweepFolder(folder, experiment) as store:
        assert len(store.missing()) == 5
        assert train_missing(store).status == "finished"
    rows, whole = rows_of(folder), table_of("sweep_interrupted")
    for row, old in zip(rows, whole, strict=True):
        assert {name: row[name] for name in LENGTHS} == {name: old[name] for name in LENGTHS}
    if same_rounding():
        assert rows == whole
    assert (folder / "design.json").read_bytes() == design
    # Parts of both formats are in it now.
    with SweepFolder(folder, experiment) as store:
        assert store.missing() == []


def test_it_is_not_extended(tmp_path: Path) -> None:
    folder = copy_of("sweep_interrupted", tmp_path)
    found = read_experiment(folder)
    with pytest.raises(StorageError, match=r"can be finished but not extended; choose another"):
        SweepFolder(folder, asked_today(found, seeds=(0, 1, 2)))
    with SweepFolder(folder, asked_today(found, seeds=(1,))) as store:
        assert len(store.missing()) == 5


def test_a_part_of_another_old_sweep_is_refused(tmp_path: Path) -> None:
    folder = copy_of("sweep_interrupted", tmp_path)
    other = FOLDER / "sweep_finished" / "parts" / "part-000001.parquet"
    shutil.copy(other, folder / "parts" / "part-000009.parquet")
    with pytest.raises(StorageError, match=r"part-000009\.parquet belongs to another sweep"):
        read_rows(folder)
