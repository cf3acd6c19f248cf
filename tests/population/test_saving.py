"""Members that save themselves continue as if they had not been interrupted."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.autorl import Checkpointer
from arlbench.core.checkpoints import read_manifest
from arlbench.errors import CheckpointError, ConfigurationError
from arlbench.population import MemberSaving, use_cores, workers
from arlbench.population.saving import MemberCheckpoints
from probes import as_numpy, same_bits, small_dqn
from saved_members import MEMBERS, PROBLEM, saved, train

TIMESTEPS = PROBLEM.n_total_timesteps


def at_an_evaluation(progress: Any) -> bool:
    """Stops when a member has been evaluated."""
    return any(len(member.eval_rewards) for member in progress.members.values())


def assert_equal(result: Any, whole: Any) -> None:
    """Asserts equal returns and final states, bit by bit."""
    assert not result.interrupted
    np.testing.assert_array_equal(result.returns, whole.returns)
    for member, expected in zip(result.members, whole.members, strict=True):
        assert same_bits(member.parts, expected.parts)
        assert member.timesteps.tolist() == expected.timesteps.tolist()


@pytest.fixture(scope="module")
def whole() -> Any:
    return train()


@pytest.mark.thorough
def test_members_that_were_stopped_continue_in_any_process(
    whole: Any, two_processes: None, tmp_path: Path
) -> None:
    seen: list[Any] = []
    first = train(tmp_path, 0, on_progress=lambda p: seen.append(p.members) or at_an_evaluation(p))
    assert first.interrupted
    assert first.n_processes == 2
    assert first.members == ()
    # Each member has saved itself at the last progress that it reported.
    for member, where in seen[-1].items():
        info = saved(tmp_path, member)
        assert info is not None
        assert 0 < info["timesteps"] == where.timesteps < TIMESTEPS
        assert info["total_timesteps"] == TIMESTEPS
    use_cores(1)
    assert_equal(train(tmp_path), whole)


@pytest.mark.thorough
def test_a_program_that_was_killed_is_continued(
    whole: Any, two_processes: None, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "saved_members", str(tmp_path)]
    path = os.pathsep.join(sys.path)
    killed = subprocess.run(
        command, check=False, timeout=300, env={**os.environ, "PYTHONPATH": path}
    )
    assert killed.returncode == 9
    before = [info["timesteps"] for member in MEMBERS if (info := saved(tmp_path, member))]
    assert 0 < max(before) < TIMESTEPS
    assert_equal(train(tmp_path), whole)


@pytest.mark.thorough
def test_a_member_whose_process_dies_continues_from_its_checkpoint(
    whole: Any, only_in_the_worker: None, tmp_path: Path
) -> None:
    first: list[Any] = []
    kept: list[int] = []
    told: list[int] = []

    def kill_the_worker(progress: Any) -> None:
        (member,) = first or [*progress.members]
        first[:] = [member]
        where = progress.members[member]
        if kept:
            told.append(where.timesteps)
        elif len(where.eval_rewards) > 1 and (info := saved(tmp_path, member)):
            kept.append(info["timesteps"])
            os.kill(workers.start_workers(1)[0]._process.pid, signal.SIGKILL)

    result = train(tmp_path, on_progress=kill_the_worker)
    assert result.n_processes == 2
    assert kept[0] > 0
    assert min(told) >= kept[0]
    assert_equal(result, whole)


def test_seconds_and_evaluations_of_earlier_attempts_count(whole: Any, tmp_path: Path) -> None:
    only = {"members": MEMBERS[:1]}
    train(tmp_path, 0, on_progress=at_an_evaluation, **only)
    newest = Checkpointer(tmp_path / "0").newest
    assert newest is not None
    manifest = read_manifest(newest)
    info = manifest.info["info"]
    assert info["seconds"]["training"] > 0
    long = {**manifest.info, "info": {**info, "seconds": {"training": 1000.0, "compiling": 500.0}}}
    (newest / "manifest.json").write_text(dataclasses.replace(manifest, info=long).to_json())
    told: list[Any] = []
    (member,) = train(
        tmp_path, on_progress=lambda p: told.append(p.members[MEMBERS[0]]), **only
    ).members
    np.testing.assert_array_equal(told[0].eval_rewards[0], whole.returns[0, 0, 0])
    assert told[0].timesteps > TIMESTEPS / 10
    assert 1000 < member.train_seconds < 1200
    assert 500 <= member.compile_seconds < 700


def test_a_member_that_was_trained_to_its_end_has_its_result_again(
    whole: Any, tmp_path: Path
) -> None:
    """The process that was to keep the result may have died before."""
    only = {"members": MEMBERS[:1]}
    train(tmp_path, 0, on_progress=lambda p: p.timesteps == TIMESTEPS, **only)
    assert saved(tmp_path, MEMBERS[0])["timesteps"] == TIMESTEPS  # type: ignore[index]
    for placement in ("sequential", "batched"):
        (member,) = train(tmp_path, placement=placement, **only).members
        assert same_bits(member.parts, whole.members[0].parts)
        np.testing.assert_array_equal(member.returns, whole.returns[0, 0])


@pytest.mark.thorough
def test_batched_members_continue(tmp_path: Path) -> None:
    whole = train(placement="batched")
    first = train(tmp_path, placement="batched", on_progress=at_an_evaluation)
    assert first.interrupted
    steps = [saved(tmp_path, member)["timesteps"] for member in MEMBERS]  # type: ignore[index]
    assert 0 < steps[0] == steps[1] < TIMESTEPS
    again = train(tmp_path, placement="batched")
    np.testing.assert_allclose(again.returns, whole.returns, rtol=1e-3, atol=1e-3)
    for member, expected in zip(again.members, whole.members, strict=True):
        for name in ("train_step", "global_step"):
            np.testing.assert_array_equal(member.parts[name], expected.parts[name])
        params = (as_numpy(of_one.parts["params"]) for of_one in (member, expected))
        for left, right in zip(*params, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)


def test_a_damaged_checkpoint_is_an_error_that_says_what_to_remove(
    whole: Any, tmp_path: Path
) -> None:
    only = {"members": MEMBERS[:1]}
    for _ in range(2):
        train(tmp_path, 0, on_progress=lambda _: True, **only)
    newest = Checkpointer(tmp_path / "0").newest
    assert newest is not None
    (newest / "params.npz").write_bytes(b"nothing")
    sentence = (
        f"{newest / 'params.npz'} is damaged.*Nothing was changed; remove that checkpoint's folder "
        f"to continue from the previous one, or {tmp_path / '0'} to start again"
    )
    with pytest.raises(CheckpointError, match=sentence):
        train(tmp_path, **only)
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    notices: list[str] = []
    result = train(tmp_path, on_notice=notices.append, **only)
    assert same_bits(result.members[0].parts, whole.members[0].parts)
    # The pointer still names the checkpoint that was removed.
    assert len(notices) == 1
    assert "does not name the newest checkpoint; checkpoint-000001 is used" in notices[0]


def test_an_error_of_a_checkpoint_in_a_worker_is_raised_as_itself(
    only_in_the_worker: None, tmp_path: Path
) -> None:
    algorithm = PROBLEM.make_algorithm()
    for member in MEMBERS:
        checkpointer = Checkpointer(tmp_path / str(member.seed_index))
        checkpointer.save(algorithm, algorithm.init(jax.random.key(0)))
    with pytest.raises(CheckpointError, match="is not a checkpoint of a member in training"):
        train(tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize("processes", ["two_processes", "only_in_the_worker"])
def test_a_checkpoint_that_cannot_be_written_stops_no_training(
    whole: Any, processes: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(processes)
    for member in MEMBERS:
        (tmp_path / str(member.seed_index)).write_text("Here no folder can be made.")
    notices: list[str] = []
    assert_equal(train(tmp_path, on_notice=notices.append), whole)
    assert notices
    for notice in notices:
        assert str(tmp_path) in notice
        assert "could not be written" in notice
        assert notice.endswith("Earlier checkpoints are complete.")


def test_nothing_is_saved_before_it_is_due(tmp_path: Path) -> None:
    train(tmp_path, every_seconds=0, members=MEMBERS[:1])
    train(tmp_path, every_seconds=3600, members=MEMBERS[:1])
    assert not (tmp_path / "0").exists()


def test_no_more_checkpoints_are_kept_than_asked_for(tmp_path: Path) -> None:
    train(tmp_path, members=MEMBERS[:1])
    assert len(list((tmp_path / "0").glob("checkpoint-*"))) == 2


def test_a_member_that_saves_nothing_has_no_position() -> None:
    assert MemberCheckpoints(None, small_dqn(), pytest.fail).load() is None


@pytest.mark.parametrize(
    ("saving", "message"),
    [
        ({MEMBERS[0]: MemberSaving(Path("a"), -1.0)}, "every_seconds must be 0 or more"),
        ({MEMBERS[0]: MemberSaving(Path("a"), keep=0)}, "keep"),
        ({(0, 2): MemberSaving(Path("a"))}, "does not exist"),
        ({member: MemberSaving(Path("a")) for member in MEMBERS}, "give each its own folder"),
    ],
    ids=str,
)
def test_what_is_impossible_is_refused(saving: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        train(saving=saving)
