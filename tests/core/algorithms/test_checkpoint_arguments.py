"""What a caller gives to a checkpointer, and what loading gives back."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from arlbench.autorl import Checkpointer
from arlbench.errors import ConfigurationError
from probes import same_bits, small_dqn, small_state


def test_a_part_of_a_state_is_not_a_state(tmp_path: Path) -> None:
    dqn = small_dqn()
    with pytest.raises(ConfigurationError, match="the pair that init and train return, not a DQNR"):
        Checkpointer(tmp_path / "new").save(dqn, small_state(dqn).runner_state)
    assert not (tmp_path / "new").exists()


def test_training_a_loaded_state_leaves_the_loaded_parts_alone(tmp_path: Path) -> None:
    dqn = small_dqn()
    Checkpointer(tmp_path).save(dqn, small_state(dqn, seed=3))
    loaded = Checkpointer.load(tmp_path, dqn, small_state(dqn))
    before = jax.tree.map(jnp.copy, loaded.parts)
    assert {"params", "rng", "env_state", "buffer"} <= loaded.parts.keys()
    assert same_bits(loaded.parts["params"], loaded.state.runner_state.train_state.params)
    dqn.train(*loaded.state, 160, 1, 2)
    assert same_bits(loaded.parts, before)
