"""States of populations in files."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import CheckpointError
from arlbench.population import PopulationState, train_population
from version_1 import FOLDER, TOLERANCE, expected, require_parameters


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
        np.testing.assert_allclose(member.returns, made["returns"], rtol=TOLERANCE)
        require_parameters(member.params, made["sha256_of_params"])


def test_a_checkpoint_of_one_learner_is_not_a_population() -> None:
    content = expected("population_state")
    problem = Problem(EnvSpec(**content["env_spec"]), nas_config=content["train"]["nas_config"])
    with pytest.raises(CheckpointError, match="but not of a population"):
        PopulationState.load(
            FOLDER / "checkpoint_all" / "checkpoint-000001", problem.make_algorithm()
        )
