"""What a caller gives to a checkpointer, and what loading gives back."""

from __future__ import annotations

from pathlib import Path

import pytest

from arlbench.autorl import Checkpointer
from arlbench.errors import ConfigurationError
from probes import small_dqn, small_state


def test_a_part_of_a_state_is_not_a_state(tmp_path: Path) -> None:
    dqn = small_dqn()
    with pytest.raises(ConfigurationError, match="the pair that init and train return, not a DQNR"):
        Checkpointer(tmp_path / "new").save(dqn, small_state(dqn).runner_state)
    assert not (tmp_path / "new").exists()
