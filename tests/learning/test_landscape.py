"""Learning compared with a published measurement (make learn; minutes).

The sample is every 17th of the 256 published configurations sorted by return, from the first;
the last one is row 51, the best.

In the published data themselves, the rank correlation between the mean of 3 seeds and the mean
of the 7 others is 0.83.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from landscape import CARTPOLE, read_rows, train_all

TABLE = Path(__file__).parents[2] / "benchmarks" / "results" / "cartpole_landscape.md"

pytestmark = pytest.mark.learning


def test_the_best_published_configuration_learns_over_ten_seeds() -> None:
    best = next(row for row in read_rows(CARTPOLE) if row.run_id == 51)
    returns = train_all(CARTPOLE.problem, [best], range(10))[0]
    print(f"\nrow 51 over 10 seeds: {np.mean(returns):.1f} ({np.round(returns, 1)})")
    assert np.mean(returns) >= 450


def test_configurations_rank_as_published() -> None:
    sample, n_seeds = read_rows(CARTPOLE), 3
    ours = train_all(CARTPOLE.problem, sample, range(n_seeds))
    published = np.array([row.published_mean for row in sample])
    correlation = float(spearmanr(ours.mean(axis=1), published).statistic)
    _write_table(ours, correlation)
    assert correlation >= 0.7


def _write_table(ours: np.ndarray, correlation: float) -> None:
    lines = [
        "# CartPole-v1, sixteen published configurations",
        "",
        "50,000 steps, 8 environments, 3 seeds here and 10 in the publication. Final mean "
        "return of 128 episodes. Written by `make learn`.",
        "",
        "| row | published mean | published std | here | each seed |",
        "| ---: | ---: | ---: | ---: | --- |",
    ]
    for row, returns in zip(read_rows(CARTPOLE), ours, strict=True):
        seeds = ", ".join(f"{value:.0f}" for value in returns)
        lines.append(
            f"| {row.run_id} | {row.published_mean:.1f} | {row.published_std:.1f} "
            f"| {returns.mean():.1f} | {seeds} |"
        )
    lines += ["", f"Spearman rank correlation of the means: {correlation:.3f}", ""]
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text("\n".join(lines))
    print("\n" + "\n".join(lines))
