"""If a member's environment fails during training, its progress is not lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core.algorithms.checkpointing import Checkpointer
from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import EnvironmentFaultError
from arlbench.population import MemberSaving, saving, train_population
from arlbench.population.members import MemberId
from arlbench.population.saving import MemberCheckpoints
from own_probes import Counting
from probes import CAPACITY, SMALL, Walk, small_dqn

MEMBER = MemberId(0, 0)


class Breaking(Counting):
    """Breaks after this many steps of all instances together; the number can be changed."""

    left = 10**9

    def step(self, action: Any) -> Any:
        type(self).left -= 1
        if type(self).left < 0:
            raise ValueError("out of steps")
        return super().step(action)


@pytest.fixture(autouse=True)
def breaking_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers the class under a name that can be imported."""
    import own_probes

    monkeypatch.setattr(own_probes, "Breaking", Breaking, raising=False)
    monkeypatch.setattr(Breaking, "left", 10**9)


def train(folder: Path, n_eval_steps: int = 4, **changed: Any) -> Any:
    problem = Problem(
        EnvSpec("gymnasium", "own_probes:Breaking", 2),
        nas_config={"hidden_size": 8},
        n_total_timesteps=4000,
        n_eval_steps=n_eval_steps,
        n_eval_episodes=2,
    )
    settings = {
        "init_options": {"capacity": CAPACITY},
        "saving": {MEMBER: MemberSaving(folder, every_seconds=0)},
        **changed,
    }
    return train_population(problem, [SMALL], [0], **settings)


def saved_timesteps(folder: Path) -> int:
    problem = Problem(EnvSpec("gymnasium", "own_probes:Breaking", 2), hpo_config=SMALL)
    algorithm = problem.make_algorithm({"hidden_size": 8})
    return int(Checkpointer.load(folder, algorithm).info["timesteps"])


@pytest.mark.thorough
def test_a_copy_in_memory_is_saved_when_a_step_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "_COPY_SECONDS", 0.0)
    monkeypatch.setattr(saving, "_COPY_SHARE", 1.0)
    Breaking.left = 3500
    with pytest.raises(EnvironmentFaultError, match=r"raised ValueError at step .*: out of steps"):
        train(tmp_path)
    saved = saved_timesteps(tmp_path)
    assert 1000 <= saved < 3500
    Breaking.left = 10**9
    seen: list[int] = []
    result = train(tmp_path, on_progress=lambda p: seen.append(p.members[MEMBER].timesteps))
    # The first report is after a segment, or after the evaluation that was due when it was saved.
    assert seen[0] >= saved
    np.testing.assert_array_equal(result.returns, np.full((1, 1, 4, 2), 4.0))


@pytest.mark.thorough
def test_an_evaluation_that_fails_loses_nothing(tmp_path: Path) -> None:
    """The state from which it was played still exists."""
    # 1000 steps of training, and the first evaluation.
    Breaking.left = 1003
    with pytest.raises(EnvironmentFaultError, match="out of steps"):
        train(tmp_path)
    assert saved_timesteps(tmp_path) == 1000


def test_without_a_copy_nothing_is_saved(tmp_path: Path) -> None:
    Breaking.left = 20
    with pytest.raises(EnvironmentFaultError):
        train(tmp_path, n_eval_steps=1)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_a_large_state_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_COPY_SECONDS", 0.0)
    monkeypatch.setattr(saving, "_LARGEST_COPY", 100)
    Breaking.left = 3500
    with pytest.raises(EnvironmentFaultError):
        train(tmp_path, n_eval_steps=1)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_compiled_environments_are_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They do not raise errors."""
    monkeypatch.setattr(saving, "_COPY_SECONDS", 0.0)
    saved = MemberCheckpoints(MemberSaving(tmp_path, 0), small_dqn(Walk()), print)

    def position() -> Any:
        raise AssertionError("nobody asks where it stands")

    saved.save_if_due(position)
    saved.save_after_fault()
    assert not list(tmp_path.glob("checkpoint-*"))
