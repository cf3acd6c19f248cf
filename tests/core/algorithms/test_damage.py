"""A damaged checkpoint is either refused, or loads exactly what was saved."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.autorl import Checkpointer
from arlbench.core.algorithms.dqn import DQN
from arlbench.errors import CheckpointError
from probes import same_bits, small_dqn, small_state

N_DAMAGES = 200


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[Path, DQN, Any]:
    """A folder with two checkpoints, and the state in the newer one."""
    folder = tmp_path_factory.mktemp("whole")
    dqn = small_dqn()
    with Checkpointer(folder, background=True) as checkpointer:
        state, _ = dqn.train(*small_state(dqn), 160, 1, 2)
        checkpointer.save(dqn, state)
        state, _ = dqn.train(*state, 160, 1, 2)
        checkpointer.save(dqn, state)
    return folder, dqn, state


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with one bit flipped, one byte replaced, or without its end."""
    position = int(rng.integers(len(content)))
    kind = rng.integers(3)
    if kind == 0:
        return content[:position]
    byte = content[position] ^ (1 << int(rng.integers(8))) if kind == 1 else int(rng.integers(256))
    return content[:position] + bytes([byte]) + content[position + 1 :]


def test_a_damaged_checkpoint_is_refused_or_changes_nothing(saved, tmp_path: Path) -> None:
    folder, dqn, state = saved
    rng = np.random.default_rng(0)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert {file.suffix for file in files} == {"", ".json", ".npz"}
    # The small files do not have their own checksums that would show damage.
    chances = np.array([1.0 if file.suffix == ".npz" else 8.0 for file in files])
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    outcomes: Counter[tuple[str, str]] = Counter()
    for _ in range(N_DAMAGES):
        file = files[rng.choice(len(files), p=chances / chances.sum())]
        whole = (folder / file).read_bytes()
        broken = damaged(whole, rng)
        (copy / file).write_bytes(broken)
        try:
            loaded = Checkpointer.load(copy, dqn)
        except CheckpointError:
            outcome = "refused"
        else:
            assert same_bits(loaded.state, state), f"{file} was damaged and something else loaded"
            outcome = "loaded"
        in_newest = file.parent.name == "checkpoint-000002"
        if in_newest and file.suffix == ".npz" and broken != whole:
            assert outcome == "refused"
        outcomes[("newest" if in_newest else "other", outcome)] += 1
        (copy / file).write_bytes(whole)
    assert outcomes["newest", "refused"] >= N_DAMAGES // 4
    assert outcomes["other", "loaded"] >= N_DAMAGES // 4
    assert outcomes["other", "refused"] == 0


@pytest.mark.parametrize("file", ["manifest.json", "params.npz", "buffer.npz"])
def test_a_missing_file_is_an_error_and_not_an_older_checkpoint(
    file: str, saved, tmp_path: Path
) -> None:
    folder, dqn, _ = saved
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "checkpoint-000002" / file).unlink()
    with pytest.raises(CheckpointError, match="checkpoint-000002"):
        Checkpointer.load(tmp_path / "copy", dqn)


def test_a_pointer_to_an_older_checkpoint_is_not_followed(saved, tmp_path: Path) -> None:
    folder, dqn, state = saved
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "newest").write_text("checkpoint-000001\n")
    loaded = Checkpointer.load(tmp_path / "copy", dqn)
    assert loaded.path.name == "checkpoint-000002"
    assert same_bits(loaded.state, state)
    assert len(loaded.notes) == 1
    assert "does not name the newest checkpoint" in loaded.notes[0]
