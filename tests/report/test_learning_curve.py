"""Curves read from the rows of a storage, and drawn from nothing else."""

from __future__ import annotations

import pyarrow as pa

from arlbench.report import learning_curve


def rows_of(*rows: tuple[int, int, list[float] | None]) -> pa.Table:
    """Rows of a seed, its timesteps and the returns of its episodes."""
    columns = {
        "seed": [seed for seed, _, _ in rows],
        "timesteps": [timesteps for _, timesteps, _ in rows],
        "return_mean": [r and sum(r) / len(r) for _, _, r in rows],
        "episode_returns": [r for _, _, r in rows],
    }
    types = (pa.int64(), pa.int64(), pa.float64(), pa.list_(pa.float32()))
    fields = [pa.field(name, kind) for name, kind in zip(columns, types, strict=True)]
    metadata = {"algorithm": "DQN", "environment": "CartPole-v1"}
    return pa.table(columns, schema=pa.schema(fields, metadata=metadata))


def test_a_point_is_the_mean_of_an_evaluation() -> None:
    rows = rows_of((0, 100, [1.0, 3.0]), (0, 200, [9.0, 9.0]), (4, 100, [5.0, 5.0]))
    assert learning_curve.curves_of(rows) == {0: {100: 2.0, 200: 9.0}, 4: {100: 5.0}}


def test_evaluations_that_were_not_reached_are_left_out() -> None:
    rows = rows_of((0, 100, None), (1, 100, [1.0, 3.0]), (1, 200, None))
    assert learning_curve.curves_of(rows) == {1: {100: 2.0}}
    assert learning_curve.draw(rows) is not None


def test_seeds_of_different_lengths_are_drawn() -> None:
    picture = learning_curve.draw(rows_of((0, 100, [1.0]), (0, 200, [9.0]), (4, 100, [5.0])))
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_nothing_evaluated_is_nothing_drawn() -> None:
    assert learning_curve.draw(rows_of()) is None
    assert learning_curve.draw(rows_of((0, 100, None))) is None
