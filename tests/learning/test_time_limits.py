"""The effect of time limits on learning, compared with published results (make learn; minutes).

The published runs stored episodes that a time limit cut off as if they had ended. In MountainCar
most episodes are cut off, so this decides what is learnt.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from arlbench import Problem
from landscape import MOUNTAIN_CAR, Row, read_rows, train_all

TABLE = Path(__file__).parents[2] / "benchmarks" / "results" / "mountain_car.md"

N_SEEDS = 3

pytestmark = pytest.mark.learning


def ending_at_limits(problem: Problem) -> Problem:
    """The same problem, trained with time limits as terminations."""
    return problem.replace(env_spec=problem.env_spec.wrapped("end_at_time_limit", {}))


def test_with_time_limits_as_ends_configurations_rank_as_published() -> None:
    rows, problem = read_rows(MOUNTAIN_CAR), MOUNTAIN_CAR.problem
    ends = ending_at_limits(problem)
    # Both are evaluated in the same episodes.
    assert ends.evaluation_spec == problem.evaluation_spec
    assert dataclasses.replace(ends.env_spec, wrappers=()) == problem.env_spec
    ours = [train_all(way, rows, range(N_SEEDS)) for way in (ends, problem)]
    correlations = [rank_correlation(rows, returns) for returns in ours]
    write_table(rows, ours, correlations)
    assert correlations[0] >= 0.7


def rank_correlation(rows: list[Row], returns: np.ndarray) -> float:
    """The Spearman correlation between the means over seeds and the published means."""
    published = [row.published_mean for row in rows]
    return float(spearmanr(returns.mean(axis=1), published).statistic)


def write_table(rows: list[Row], ours: list[np.ndarray], correlations: list[float]) -> None:
    """Prints the table, and stores it with the other results."""
    problem = MOUNTAIN_CAR.problem
    lines = [
        "# MountainCar-v0, six published configurations",
        "",
        f"{problem.n_total_timesteps:,} steps, {problem.env_spec.n_envs} environments, {N_SEEDS} "
        f"seeds here and 10 in the publication. Final mean return of {problem.n_eval_episodes} "
        "episodes. The published runs had time limits as ends (`end_at_time_limit`); the default "
        "here is that a time limit is not an end. Written by `make learn`.",
        "",
        "| row | published | limits as ends | each seed | default | each seed |",
        "| ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for row, *ways in zip(rows, *ours, strict=True):
        cells = [f"{returns.mean():.1f} | {_each(returns)}" for returns in ways]
        lines.append(f"| {row.run_id} | {row.published_mean:.1f} | {' | '.join(cells)} |")
    lines += [
        "",
        "Spearman rank correlation with the published means: "
        f"{correlations[0]:.2f} with time limits as ends, {correlations[1]:.2f} by default.",
        "",
    ]
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text("\n".join(lines))
    print("\n" + "\n".join(lines))


def _each(returns: np.ndarray) -> str:
    return ", ".join(f"{value:.0f}" for value in returns)
