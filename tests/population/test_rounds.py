"""Batches train in rounds: all members advance to their next evaluation, then all evaluate."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from arlbench.core.algorithms.harness import batching
from arlbench.core.algorithms.harness.pacing import Pacer
from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.population import rounds, train_population
from arlbench.population.seconds import SharedSeconds
from probe_framework import walk
from probes import CAPACITY, SMALL

# Of 20, 8, 4 and 40 environment steps an iteration. They are four, because other tests have
# compiled a program for as many.
CONFIGS = [{**SMALL, "train_freq": train_freq} for train_freq in (5, 2, 1, 10)]


def train(configs: Any, placement: Any, env_spec: Any = None, **lengths: Any) -> Any:
    spec = env_spec or walk()
    problem = Problem(spec, nas_config={"hidden_size": 8}, **{"n_eval_episodes": 3, **lengths})
    return train_population(
        problem, configs, [3], placement=placement, init_options={"capacity": CAPACITY}
    )


@pytest.fixture
def iterations_at_evaluations(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The iterations that each member had done, at each evaluation of the batch."""
    at_evaluations: list[np.ndarray] = []
    done: list[np.ndarray] = []

    class Watched(batching.Batch):
        def advance(self, state: Any, n_iterations: np.ndarray) -> Any:
            done.append(np.array(n_iterations))
            return super().advance(state, n_iterations)

        def evaluate(self, state: Any, n_episodes: int) -> Any:
            at_evaluations.append(np.sum(done, axis=0, dtype=int))
            return super().evaluate(state, n_episodes)

    monkeypatch.setattr(rounds, "Batch", Watched)
    return at_evaluations


def of_each_member(iterations: list[np.ndarray]) -> set[tuple[int, ...]]:
    """The iterations of each member at the evaluations, whatever the order in the batch."""
    return {tuple(map(int, of_one)) for of_one in np.transpose(iterations)}


@pytest.mark.thorough
def test_all_members_are_evaluated_once_a_round(iterations_at_evaluations: Any) -> None:
    lengths = {"n_total_timesteps": 240, "n_eval_steps": 2}
    together = train(CONFIGS, "batched", **lengths)
    # 240 steps are 12, 30, 60 and 6 iterations.
    assert of_each_member(iterations_at_evaluations) == {(6, 12), (15, 30), (30, 60), (3, 6)}
    alone = train(CONFIGS, "sequential", **lengths)
    np.testing.assert_allclose(together.returns, alone.returns, rtol=1e-3, atol=1e-3)


@pytest.mark.thorough
def test_several_evaluations_at_one_iteration_are_made_once(iterations_at_evaluations: Any) -> None:
    # 24 steps are 2, 3, 6 iterations and a single one, with 5 evaluations each.
    lengths = {"n_total_timesteps": 24, "n_eval_steps": 5}
    together = train(CONFIGS, "batched", **lengths)
    assert of_each_member(iterations_at_evaluations) == {
        (0, 1, 2, 2, 2),
        (1, 2, 3, 3, 3),
        (1, 2, 4, 5, 6),
        (0, 1, 1, 1, 1),
    }
    assert [member.timesteps.tolist() for member in together.members] == [
        [0, 20, 20, 40, 40],
        [8, 8, 16, 16, 24],
        [4, 8, 16, 20, 24],
        [0, 0, 40, 40, 40],
    ]
    first, second, *_ = together.returns[:, 0]
    for left, right in [(first[1], first[2]), (first[3], first[4]), (second[0], second[1])]:
        np.testing.assert_array_equal(left, right)
    alone = train(CONFIGS, "sequential", **lengths)
    np.testing.assert_allclose(together.returns, alone.returns, rtol=1e-3, atol=1e-3)


def test_seconds_of_a_member_are_those_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = itertools.count()

    def ticking(n_members: int) -> SharedSeconds:
        return SharedSeconds(n_members, lambda: (float(next(readings)), 0.0))

    monkeypatch.setattr(rounds, "SharedSeconds", ticking)
    # On a busy machine, a round could otherwise be divided into several segments.
    monkeypatch.setattr(rounds, "Pacer", lambda: Pacer(seconds=1e6))
    config = CONFIGS[1]
    diverging = {**config, "learning_rate": 1e38}
    # Rounds of 8 iterations, each of them one segment: two readings a round.
    lengths = {"n_total_timesteps": 256, "n_eval_steps": 4}
    result = train([config, diverging, config, config], "batched", **lengths)
    first, diverged, _, last = result.members
    assert diverged.diverged_at == 64
    # The first round is shared by four, the three after it by three.
    assert diverged.train_seconds == pytest.approx(2 / 4)
    assert first.train_seconds == last.train_seconds == pytest.approx(2 / 4 + 3 * 2 / 3)
    assert "within the first 64 of 256 steps; " in diverged.divergence
    assert diverged.divergence.endswith(
        "; lower learning_rate (now 1e+38) or scale the rewards down."
    )
    assert first.divergence == ""


@pytest.mark.thorough
def test_a_fault_of_the_environment_is_not_blamed_on_a_hyperparameter() -> None:
    nan = EnvSpec("jax", "own_compiled:Tube", 4, {"reward": "nan"})
    result = train(CONFIGS[:2], "batched", nan, n_total_timesteps=64, n_eval_steps=1)
    for member in result.members:
        assert "steps; Tube gave rewards that were not finite, which is" in member.divergence
