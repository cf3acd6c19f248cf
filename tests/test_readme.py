"""The README's Python runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.thorough
def test_the_examples_run_in_order() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert np.asarray(names["returns"]).shape == (8, 8, 8)
    assert np.asarray(names["actions"]).shape == (8,)
    assert np.isfinite(names["population"].returns).all()
    assert np.isfinite(names["objectives"]["reward_mean"])
    corridor = names["dqn"]
    _, result = corridor.train(*corridor.init(jax.random.key(0)), 8192, 1, 4)
    np.testing.assert_array_equal(result.eval_rewards, np.ones((1, 4)))


def test_the_table_of_hyperparameters_is_complete() -> None:
    from arlbench import DQN

    table = README.read_text().split("## What can be tuned")[1].split("## Speed")[0]
    for name in [*DQN.get_hpo_config_space(), *DQN.get_nas_config_space()]:
        assert f"`{name}`" in table
