"""When a run saves, and what it tells where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core.algorithms.algorithm import TrainingProgress
from arlbench.core.checkpoints import folder as checkpoint_folder
from arlbench.core.environments import EnvSpec
from arlbench.errors import CheckpointError, ConfigurationError, RunFolderError
from arlbench.runs.folder import RunFolder
from arlbench.runs.run import RunProgress, RunResult, train_run
from arlbench.runs.saving import Elapsed, RunCheckpoints, RunPosition, Saving, load_position
from arlbench.runs.settings import RunSettings, resolve
from probes import same_bits, small_dqn, small_state


def fail(*_: Any) -> None:
    raise CheckpointError("Cannot be written.")


def position(state: Any, timesteps: int) -> RunPosition:
    training = TrainingProgress(state, timesteps, 800, np.zeros((1, 2), np.float32))
    return RunPosition(0, training, {9: np.ones((1, 2), np.float32)}, Elapsed(1.0, 2.0))


@pytest.fixture
def saver(tmp_path: Path) -> Any:
    """Makes the checkpoints of a run, with its notices in a list."""
    dqn = small_dqn()
    notices: list[str] = []

    def make(every_seconds: float) -> RunCheckpoints:
        saving = Saving(every_seconds, keep=9)
        return RunCheckpoints(RunFolder(tmp_path / "run"), dqn, saving, notices.append)

    return make, small_state(dqn), notices, tmp_path / "run" / "checkpoints"


def count(folder: Path) -> int:
    return len(list(folder.glob("checkpoint-*")))


def test_a_checkpoint_is_due_when_the_time_is_up_and_never_for_0_seconds(
    saver, monkeypatch
) -> None:
    make, state, notices, folder = saver
    now = 100.0
    monkeypatch.setattr("arlbench.runs.saving.time.monotonic", lambda: now)
    saving = make(every_seconds=10.0)
    counts = []
    for now in (109.9, 110.0, 119.9, 120.0, 121.0):  # noqa: B007
        saving.save_if_due(position(state, 8))
        saving.close()
        counts.append(count(folder))
    assert counts == [0, 1, 1, 2, 2]
    assert notices == []


def test_0_seconds_save_only_when_asked(saver) -> None:
    make, state, notices, folder = saver
    saving = make(every_seconds=0.0)
    saving.save_if_due(position(state, 8))
    saving.close()
    assert not folder.exists()
    saving.save_now(position(state, 8))
    assert count(folder) == 1
    assert notices == []


def test_a_checkpoint_that_failed_does_not_cost_the_one_after_it(saver, monkeypatch) -> None:
    make, state, notices, folder = saver
    saving = make(every_seconds=1e-9)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_folder, "write_checkpoint", fail)
        saving.save_if_due(position(state, 8))
        while saving._checkpointer.busy:
            pass
    saving.save_now(position(state, 16))
    assert notices == ["Cannot be written. Those before it are whole."]
    assert count(folder) == 1


def test_impossible_savings_are_refused() -> None:
    assert Saving.checked(0, 1) == Saving(0, 1)
    for every_seconds, keep in ((-1, 2), (float("nan"), 2), (1, 0), (1, -3)):
        with pytest.raises(ConfigurationError, match=r"checkpoint_every|keep"):
            Saving.checked(every_seconds, keep)


@pytest.fixture(scope="module")
def settings() -> RunSettings:
    # In a folder's listing seed 10 comes before seed 9.
    overrides = {"learning_starts": 16, "hidden_size": 8, "train_freq": 2}
    return resolve(
        EnvSpec("gymnax", "CartPole-v1", 4), overrides, first_seed=9, n_seeds=2,
        n_total_timesteps=800, n_eval_steps=2, n_eval_episodes=2, tuned=False,
    )  # fmt: skip


def trained(
    settings: RunSettings, folder: RunFolder, stop: Any, resumed: bool = False
) -> tuple[RunResult, list[str]]:
    notices: list[str] = []
    result = train_run(
        settings, folder, Saving(0.0), on_progress=stop, on_notice=notices.append, resumed=resumed
    )
    return result, notices


def in_second_seed(progress: RunProgress) -> bool:
    return progress.seed_index == 1 and len(progress.training.eval_rewards) == 1


def at_end_of_first_seed(progress: RunProgress) -> bool:
    return len(progress.training.eval_rewards) == 2


def never(_: RunProgress) -> bool:
    return False


def test_the_position_comes_back_with_the_seeds_in_their_order(
    settings: RunSettings, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path)
    stopped, _ = trained(settings, folder, in_second_seed)
    assert stopped.status == "interrupted"
    algorithm = settings.make_algorithm()
    found, notes = load_position(folder, settings, algorithm)
    assert notes == ()
    assert found is not None
    assert found.seed_index == 1
    assert list(found.returns) == [9, 10]
    assert found.training.timesteps == 400
    assert found.training.total_timesteps == 800
    assert same_bits(found.returns[9], stopped.returns[9])
    assert 0 < found.elapsed.training <= stopped.elapsed.training


@pytest.mark.parametrize("stop", [in_second_seed, at_end_of_first_seed])
def test_a_resumed_run_counts_what_was_done_before(
    stop: Any, settings: RunSettings, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path)
    stopped, _ = trained(settings, folder, stop)
    assert stopped.timesteps == {in_second_seed: 1200, at_end_of_first_seed: 800}[stop]
    found, _ = load_position(folder, settings, settings.make_algorithm())
    assert found is not None
    again, _ = trained(settings, folder, lambda progress: True, resumed=True)
    assert again.status == "interrupted"
    assert again.elapsed.training > found.elapsed.training > 0
    finished, _ = trained(settings, folder, never, resumed=True)
    assert finished.timesteps == 1600
    assert {seed: len(returns) for seed, returns in finished.returns.items()} == {9: 2, 10: 2}
    assert list(finished.returns) == [9, 10]


def test_where_no_checkpoint_can_be_written_the_run_goes_on(
    settings: RunSettings, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path)
    folder.checkpoints.write_text("a file where a folder should be")
    stopped, notices = trained(settings, folder, in_second_seed)
    assert stopped.timesteps == 1200
    assert len(notices) == 1
    assert "could not be written" in notices[0]


def test_a_result_that_finds_no_room_beside_a_checkpoint_is_written_after_it(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, order = RunFolder(tmp_path), []
    write, close = RunFolder.write_evaluations, RunCheckpoints.close

    def write_evaluations(*arguments: Any) -> None:
        order.append("result")
        if order == ["result"]:
            raise RunFolderError("No room.")
        write(*arguments)

    def wait(checkpoints: RunCheckpoints) -> None:
        order.append("wait for the checkpoint")
        close(checkpoints)

    monkeypatch.setattr(RunFolder, "write_evaluations", write_evaluations)
    monkeypatch.setattr(RunCheckpoints, "close", wait)
    trained(settings, folder, at_end_of_first_seed)
    assert order[:3] == ["result", "wait for the checkpoint", "result"]
    assert (tmp_path / "evaluations.csv").read_text().count("\n") == 1 + 2 * 2
