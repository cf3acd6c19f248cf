"""Proposals that do not learn, in spaces of which a part has no effect."""

from __future__ import annotations

import pytest

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.tuning.sampling import Sampler
from arlbench.tuning.space import Space

# Priorities have no effect, because sampling is not prioritised.
WORDS = {"learning_rate": "1e-4..1e-2", "buffer_prio_sampling": "false", "buffer_alpha": "0.1..0.5"}


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_what_has_no_effect_keeps_its_default(name: str) -> None:
    space = Space(Problem(EnvSpec("gymnax", "CartPole-v1")), WORDS)
    assert "buffer_alpha" not in space.names
    configs = Sampler(name, space, 0).propose(4)
    assert [space.require(config) for config in configs] == configs
    assert {config["buffer_alpha"] for config in configs} == {0.9}
    assert len({config["learning_rate"] for config in configs}) == 4
