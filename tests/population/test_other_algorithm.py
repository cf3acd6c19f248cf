"""Populations of another algorithm equal single runs, in two processes and batched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core import checkpoints
from arlbench.core.algorithms import registry
from arlbench.core.algorithms.registry import register_algorithm
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population import PopulationState, train_population
from probe_framework import walk
from probes import as_numpy, same_bits

CONFIGS = [
    {"step_size": 0.7, "fades": True, "least_exploration": 0.1, "sweep_length": 3},
    {"discount": 0.9, "exploration": 0.5},
    {"step_size": 0.3, "sweep_length": 7},
]
SEEDS = [3, 5]
LENGTH = {"n_total_timesteps": 160, "n_eval_steps": 2, "n_eval_episodes": 3}


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_ALGORITHMS", dict(registry._ALGORITHMS))
        register_algorithm("tabular_q", "tabular_q", "TabularQ")
        yield


def problem(**changed: Any) -> Problem:
    settings = {"algorithm": "tabular_q", "options": {"track_statistics": True}, **LENGTH}
    return Problem(walk(), **{**settings, **changed})


def train(configs: Any = CONFIGS, **settings: Any) -> Any:
    own = {name: settings.pop(name) for name in {*LENGTH, "schedule_timesteps"} & settings.keys()}
    return train_population(problem(**own), configs, SEEDS, keep_state=True, **settings)


def require_close(left: Any, right: Any) -> None:
    """Whole numbers are equal, other numbers up to rounding."""
    for one, other in zip(as_numpy(left), as_numpy(right), strict=True):
        if np.issubdtype(one.dtype, np.floating):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(one, other)


@pytest.mark.thorough
@pytest.mark.parametrize("where", ["two_processes", "only_in_the_worker"])
def test_members_on_two_cores_are_the_single_runs_bit_for_bit(where: str, request: Any) -> None:
    request.getfixturevalue(where)
    configs = [*CONFIGS, {"on_policy": True}]
    result = train(configs)
    assert (result.n_processes, result.n_groups, result.init_options) == (2, 2, {})
    for member in result.members:
        algorithm = problem().make_algorithm(configs[member.config_index])
        state = algorithm.init(jax.random.key(SEEDS[member.seed_index]))
        (runner, _), alone = algorithm.train(*state, **LENGTH)
        assert same_bits(member.returns, np.asarray(alone.eval_rewards))
        assert same_bits(checkpoints.on_device(member.parts), runner._asdict())


@pytest.mark.thorough
def test_batched_members_are_the_single_ones_up_to_rounding() -> None:
    alone, together = train(placement="sequential"), train(placement="batched")
    assert together.n_groups == 1
    for one, other in zip(alone.members, together.members, strict=True):
        assert one.timesteps.tolist() == other.timesteps.tolist()
        assert (one.status, other.status) == ("finished", "finished")
        assert one.statistics.keys() == {"td_error", "value"}
        require_close((one.returns, one.parts), (other.returns, other.parts))
        require_close(one.statistics, other.statistics)
    # Sweeps of 3, 4 and 7 vector steps of 4 environments reach 160 steps.
    steps = [int(member.parts["global_step"]) for member in together.members]
    assert steps == [42, 42, 40, 40, 42, 42]


@pytest.mark.thorough
def test_batched_members_that_diverge_harm_no_other() -> None:
    result = train([CONFIGS[1], {"step_size": 1e30}, CONFIGS[1]], placement="batched")
    assert result.status[:, 0].tolist() == ["finished", "diverged", "finished"]
    assert "lower step_size (now 1e+30)" in result.members[2].divergence
    np.testing.assert_array_equal(result.returns[0], result.returns[2])


@pytest.mark.parametrize(
    "placement", ["sequential", pytest.param("batched", marks=pytest.mark.thorough)]
)
def test_a_population_is_saved_and_continued_exactly(placement: str, tmp_path: Path) -> None:
    whole = train(n_total_timesteps=672, placement=placement)
    half = {"n_total_timesteps": 336, "n_eval_steps": 1, "schedule_timesteps": 672}
    first = train(placement=placement, **half)
    PopulationState.of(first).save(tmp_path / "state")
    state = PopulationState.load(tmp_path / "state", problem().make_algorithm())
    rest = train(placement=placement, state=state, **half)
    for one, other in zip(whole.members, rest.members, strict=True):
        if placement == "sequential":
            assert same_bits(one.parts, other.parts)
        require_close((one.returns[1:], one.parts), (other.returns, other.parts))


@pytest.mark.parametrize(
    "placement", ["sequential", pytest.param("batched", marks=pytest.mark.thorough)]
)
def test_a_change_of_traced_hyperparameters_compiles_nothing(
    placement: str, count_compilations: Any
) -> None:
    train(placement=placement)
    changed = [{**config, "step_size": 0.2, "sweep_length": 5} for config in CONFIGS]
    with count_compilations() as counter:
        train(changed, placement=placement)
    assert counter.names == []


def test_what_it_does_not_have_is_refused() -> None:
    for sentence, settings in {
        "Unknown option of init 'capacity'": {"init_options": {"capacity": 8}},
        "Unknown part of a checkpoint 'params'": {"keep_params": True},
        "Unknown entry of configuration 0 'step_sise'. Did you mean": {
            "configs": [{"step_sise": 0.1}]
        },
    }.items():
        with pytest.raises(ConfigurationError, match=sentence):
            train(**settings)
