"""From configurations to members that train: how long that takes for thousands of them."""

from __future__ import annotations

import time

import numpy as np
import pytest

from accelerated import ACCELERATOR, programs_for
from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.population import train_population
from arlbench.population.rounds import Rounds

N_MEMBERS = 4_096

#: Processor seconds until they begin to train. They are to be 2 or less on a quiet machine; on one
#: that also does other work, 1.9 to 2.4 were measured with the same code.
LIMIT = 3.0


class BeginsError(Exception):
    """Raised in place of training."""


@pytest.mark.thorough
def test_thousands_of_members_are_planned_in_seconds(monkeypatch):
    begun = []

    def begin(rounds: Rounds) -> None:
        begun.append(len(rounds._members))
        raise BeginsError

    monkeypatch.setattr(Rounds, "train", begin)
    # Compilation in the meantime does not count as planning.
    monkeypatch.setattr(Rounds, "compilations", lambda rounds: [])
    problem = Problem(EnvSpec("gymnax", "CartPole-v1", n_envs=8), hpo_config={"buffer_size": 1_000})
    rates = np.geomspace(1e-4, 1e-2, N_MEMBERS)
    configs = [{"learning_rate": float(rate)} for rate in rates]
    seconds = []
    with programs_for(ACCELERATOR):
        for _ in range(3):
            since = time.process_time()
            with pytest.raises(BeginsError):
                train_population(
                    problem, configs, [0], placement="batched", init_options={"capacity": 64}
                )
            seconds.append(time.process_time() - since)
    assert begun == [N_MEMBERS] * 3
    # The shortest: others of the machine may have slowed the rest.
    assert min(seconds) < LIMIT
