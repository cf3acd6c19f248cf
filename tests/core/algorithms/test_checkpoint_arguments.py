"""What a caller gives to a checkpointer, and what loading gives back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.autorl import Checkpointer
from arlbench.errors import CheckpointError, ConfigurationError
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


EXTENSIONS: dict[str, tuple[dict[str, Any], str]] = {
    "n_step": ({"n_step": 3}, "buffer"),
    "exploration": ({"exploration": "ez_greedy"}, "env_state"),
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_an_extension_that_adds_to_the_state_is_named(name: str, tmp_path: Path) -> None:
    hpo, part = EXTENSIONS[name]
    plain, extended = small_dqn(), small_dqn(**hpo)
    for folder, dqn in (("plain", plain), ("extended", extended)):
        Checkpointer(tmp_path / folder).save(dqn, small_state(dqn))
        Checkpointer(tmp_path / f"params of {folder}", "params").save(dqn, small_state(dqn))
    needs = rf"saved with the extension {name}, .* to {part}; .*extensions=\['{name}'\]"
    with pytest.raises(CheckpointError, match=needs):
        Checkpointer.load(tmp_path / "extended", plain)
    with pytest.raises(CheckpointError, match=f"saved without the extension {name}, .* to {part};"):
        Checkpointer.load(tmp_path / "plain", extended)
    # With the extension, its hyperparameter may have its default.
    default = small_dqn(settings={"extensions": [name]})
    Checkpointer.load(tmp_path / "extended", default)
    # Networks do not depend on it.
    Checkpointer.load(tmp_path / "params of plain", extended, small_state(extended))
    Checkpointer.load(tmp_path / "params of extended", plain, small_state(plain))


def test_other_extensions_may_differ(tmp_path: Path) -> None:
    plain, double = small_dqn(), small_dqn(double_q=True)
    Checkpointer(tmp_path).save(plain, small_state(plain))
    state = Checkpointer.load(tmp_path, double).state
    assert same_bits(state, small_state(plain))


@pytest.mark.parametrize("keys", [jax.random.key(1), jax.random.split(jax.random.key(2), 3)])
def test_a_random_key_that_a_caller_saves_is_one_again(keys: Any, tmp_path: Path) -> None:
    dqn = small_dqn()
    extra = {"keys": keys, "wide": np.array([1, 2**40])}
    Checkpointer(tmp_path, "global_step").save(dqn, small_state(dqn), extra=extra)
    loaded = Checkpointer.load(tmp_path, dqn, small_state(dqn)).extra
    assert loaded["keys"].dtype == keys.dtype
    np.testing.assert_array_equal(jax.random.key_data(loaded["keys"]), jax.random.key_data(keys))
    # Other arrays stay in NumPy, with 64 bits.
    assert loaded["wide"].tolist() == [1, 2**40]
