"""Curves are drawn only from the rows of a storage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.experiments.run_folder import RunFolder, Standing
from arlbench.experiments.run_settings import resolve
from arlbench.report import learning_curve


@pytest.fixture
def rows_of(tmp_path: Path):
    """Makes the rows of a run with seeds from 0 on, from the returns of each seed's evaluations,
    which are after 1,000, 2,000 and 3,000 steps."""

    def make(*of_seeds: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
        settings = resolve(
            EnvSpec("gymnax", "CartPole-v1", 8), {"train_freq": 1}, n_seeds=len(of_seeds),
            n_total_timesteps=3_000, n_eval_steps=3, n_eval_episodes=2,
        )  # fmt: skip
        with RunFolder(tmp_path, settings) as run:
            for seed, returns in enumerate(of_seeds):
                evaluations = np.array(returns, np.float32).reshape(-1, 2)
                run.standings[seed] = Standing("unfinished", evaluations)
            # The same rows, whether they come from a table or not.
            assert learning_curve.curves_of(run.rows().to_pylist()) == learning_curve.curves_of(
                run.evaluations()
            )
            return run.evaluations()

    return make


def test_a_point_is_the_mean_of_its_episodes(rows_of) -> None:
    curves = learning_curve.curves_of(rows_of([[1.0, 3.0], [9.0, 9.0]], [], [[4.0, 6.0]]))
    assert curves == {0: {1000: 2.0, 2000: 9.0}, 2: {1000: 5.0}}


def test_seeds_of_different_lengths_are_drawn(rows_of) -> None:
    picture = learning_curve.draw(
        rows_of([[1.0, 3.0], [9.0, 9.0]], [[4.0, 6.0]]), "DQN on CartPole-v1", 2
    )
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_nothing_evaluated_is_nothing_drawn(rows_of) -> None:
    assert learning_curve.draw(rows_of([], []), "DQN on CartPole-v1", 2) is None
