"""States of populations, in memory and in files."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench import DQN
from arlbench.core.environments import EnvSpec, make_env_from_spec
from arlbench.core.problem import Problem
from arlbench.errors import ArlbenchError, CheckpointError
from arlbench.population import PopulationState, train_population
from probe_framework import walk
from probes import as_numpy, same_bits
from small_populations import NETWORK, PRIORITISED, SLOW, TIMESTEPS, UNIFORM, train
from version_1 import FOLDER, expected, require_parameters, require_returns


def test_a_population_continues_from_its_state(population):
    halves = train(
        n_total_timesteps=TIMESTEPS // 2, n_eval_steps=1, schedule_timesteps=TIMESTEPS,
        keep_state=True,
    )  # fmt: skip
    rest = train(
        n_total_timesteps=TIMESTEPS // 2, n_eval_steps=1, schedule_timesteps=TIMESTEPS,
        keep_params=True, state=PopulationState.of(halves),
    )  # fmt: skip
    np.testing.assert_array_equal(rest.returns[:, :, 0], population.returns[:, :, 1])
    for whole, half in zip(population.members, rest.members, strict=True):
        assert same_bits(half.params, whole.params)


def test_steps_that_members_have_done_count_before_any_member_trains(population):
    parts = {**PopulationState.of(population).parts}
    # One vector step of 4 environments less than their counters hold.
    parts[(2, 1)] = {**parts[(2, 1)], "global_step": np.int32(2**29 - 2)}
    begun = []
    with pytest.raises(ArlbenchError, match=r"Configuration 2: .* 2147483656 environment steps"):
        train(
            n_total_timesteps=16, n_eval_steps=1, state=PopulationState(parts),
            on_progress=begun.append,
        )  # fmt: skip
    assert not begun


def test_a_population_of_which_no_member_has_ended_has_no_states():
    stopped = train([UNIFORM], [3], keep_state=True, on_progress=lambda _: True)
    assert stopped.interrupted
    with pytest.raises(ArlbenchError, match="No member of this population has ended"):
        PopulationState.of(stopped)


def test_members_become_copies_of_others(population):
    state = PopulationState.of(population).copy_members({(0, 0): (2, 1)})
    result = train(
        [SLOW, PRIORITISED, SLOW], state=state, keep_params=True, members=[(0, 0), (2, 1)]
    )
    copy, original = result.members
    assert same_bits(copy.params, original.params)
    # Copying did not change the source: its result without copying is the same.
    alone = train([SLOW, PRIORITISED, SLOW], state=PopulationState.of(population),
                  keep_params=True, members=[(2, 1)])  # fmt: skip
    assert same_bits(alone.members[0].params, original.params)


def test_a_state_can_be_saved_and_loaded(population, tmp_path):
    PopulationState.of(population).save(tmp_path / "state")
    dqn = DQN(SLOW, make_env_from_spec(walk()), nas_config=NETWORK)
    loaded = PopulationState.load(tmp_path / "state", dqn)
    further = {"n_eval_steps": 1, "keep_params": True}
    first = train(state=PopulationState.of(population), **further)
    second = train(state=loaded, **further)
    assert same_bits([m.params for m in first.members], [m.params for m in second.members])
    other = DQN(SLOW, make_env_from_spec(walk()), nas_config={"hidden_size": 9})
    with pytest.raises(ArlbenchError, match="shape"):
        PopulationState.load(tmp_path / "state", other)


@pytest.mark.parametrize(
    "placement", ["sequential", pytest.param("batched", marks=pytest.mark.thorough)]
)
def test_parts_of_one_schedule_meet_the_sum_of_their_budgets(placement):
    """100 steps are 13 iterations of 8; 200 are 25, of which 12 are left."""
    one_evaluation = {"n_eval_steps": 1, "schedule_timesteps": 200, "placement": placement}
    whole = train([UNIFORM], n_total_timesteps=200, keep_params=True, **one_evaluation)
    first = train([UNIFORM], n_total_timesteps=100, keep_state=True, **one_evaluation)
    assert [member.timesteps.tolist() for member in first.members] == [[104], [104]]
    seen = []
    second = train(
        [UNIFORM], n_total_timesteps=100, timesteps_before=100, keep_params=True,
        state=PopulationState.of(first), on_progress=seen.append, **one_evaluation,
    )  # fmt: skip
    assert [member.timesteps.tolist() for member in second.members] == [[96], [96]]
    assert seen[-1].total_timesteps == 2 * 96
    for one, other in zip(whole.members, second.members, strict=True):
        for left, right in zip(as_numpy(one.params), as_numpy(other.params), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)
    if placement == "sequential":
        assert same_bits([m.params for m in whole.members], [m.params for m in second.members])


@pytest.mark.thorough
def test_a_population_that_version_1_saved_is_trained_further() -> None:
    content = expected("population_state")
    problem = Problem(EnvSpec(**content["env_spec"]), **content["train"])
    algorithm = problem.make_algorithm(content["configs"][0])
    result = train_population(
        problem,
        content["configs"],
        content["seeds"],
        state=PopulationState.load(FOLDER / "population_state", algorithm),
        keep_params=True,
    )
    assert len(result.members) == len(content["members"])
    for member, made in zip(result.members, content["members"], strict=True):
        require_returns(member.returns, made["returns"])
        require_parameters(member.params, made["sha256_of_params"])


def test_a_checkpoint_of_one_learner_is_not_a_population() -> None:
    content = expected("population_state")
    problem = Problem(EnvSpec(**content["env_spec"]), nas_config=content["train"]["nas_config"])
    with pytest.raises(CheckpointError, match="but does not hold a population"):
        PopulationState.load(
            FOLDER / "checkpoint_all" / "checkpoint-000001", problem.make_algorithm()
        )
