"""Members that train elsewhere, with a stand-in for Ray: same bits, and nothing is lost."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core.checkpoints import newest_in
from arlbench.errors import ArlbenchError, CheckpointError
from arlbench.population import MemberSaving, leave_ray, ray_cluster, ray_training, ray_worker
from arlbench.population.handover import Handover
from arlbench.population.ray_cluster import Cluster
from fake_ray import Actor, FakeRay
from probes import same_bits
from small_populations import CONFIGS, TIMESTEPS, UNIFORM, train

HALF = TIMESTEPS // 2


@pytest.fixture(autouse=True)
def joined(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Joins a cluster that is a stand-in."""
    # An actor sets it for its process, which is this one.
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.delenv("ARLBENCH_CORES", raising=False)
    monkeypatch.setattr(ray_worker, "_WAIT_SECONDS", 0.02)

    def join(**settings: Any) -> FakeRay:
        ray = FakeRay(**settings)
        ray_cluster._joined[:] = [Cluster(ray, is_ours=False)]
        return ray

    yield join
    leave_ray()


def in_the_second_task() -> Any:
    """A function that kills one actor, soon after it was sent its second task."""
    killed: list[Actor] = []

    def on_call(actor: Actor, _: str) -> None:
        if not killed and actor.n_tasks == 2:
            killed.append(actor)
            actor.dead = True

    return on_call


def test_a_population_without_members_needs_no_worker(joined) -> None:
    ray = joined()
    nothing = train(members=[])
    assert (nothing.members, nothing.n_processes) == ((), 0)
    assert (nothing.status == "missing").all()
    assert not ray.actors


def test_members_elsewhere_have_the_same_bits(population, joined) -> None:
    ray = joined()
    again = train(keep_params=True)
    assert again.n_processes == len(ray.actors) == 2
    np.testing.assert_array_equal(again.returns, population.returns)
    for ours, theirs in zip(population.members, again.members, strict=True):
        assert same_bits(ours.params, theirs.params)


def test_actors_stay_for_the_next_population(joined) -> None:
    ray = joined()
    train([UNIFORM])
    train([UNIFORM])
    assert [actor.dead for actor in ray.actors] == [False, False]
    leave_ray()
    assert [actor.dead for actor in ray.actors] == [True, True]


def test_an_actor_that_dies_is_replaced_and_the_user_is_told(population, joined) -> None:
    ray = joined(on_call=in_the_second_task())
    said: list[str] = []
    result = train(on_notice=said.append)
    assert len(ray.actors) == 3
    assert len(said) == 1
    assert "died" in said[0]
    np.testing.assert_array_equal(result.returns, population.returns)


class SlowList(list[Any]):
    """A list that takes its time, so that two threads read it before either replaces it."""

    def __iter__(self) -> Iterator[Any]:
        for value in super().__iter__():
            time.sleep(0.02)
            yield value


def test_workers_that_die_together_are_all_replaced(joined) -> None:
    ray = joined()
    cluster = ray_cluster.cluster()
    assert cluster is not None
    with cluster.borrowed(4) as workers:
        cluster._workers = SlowList(workers)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            new = list(pool.map(cluster.replace, workers))
    assert set(cluster._workers) == set(new)
    leave_ray()
    assert [actor.dead for actor in ray.actors] == [True] * 8


def test_members_of_a_lost_node_train_on_the_rest(population, joined) -> None:
    """There is no room for another actor."""
    ray = joined(on_call=in_the_second_task(), n_places=2)
    result = train(on_notice=print)
    assert len(ray.actors) == 2
    np.testing.assert_array_equal(result.returns, population.returns)


def test_a_member_that_kills_four_actors_is_an_error(joined) -> None:
    def on_call(actor: Actor, method: str) -> None:
        actor.dead = method == "exchange"

    joined(n_cores=1, on_call=on_call)
    with pytest.raises(RuntimeError, match="Four Ray workers died"):
        train([UNIFORM], [3], on_notice=print)


def test_actors_that_cannot_start_are_an_error(joined) -> None:
    ray = joined(n_cores=1, on_call=lambda actor, _: setattr(actor, "dead", True))
    with pytest.raises(ArlbenchError, match="3 Ray workers in a row"):
        train([UNIFORM], [3])
    assert len(ray.actors) == 4


def test_without_room_the_user_is_told_and_can_stop(joined, monkeypatch) -> None:
    monkeypatch.setattr(ray_training, "_PATIENCE_SECONDS", 0.0)
    joined(n_places=0)
    said: list[str] = []
    result = train(on_notice=said.append, on_progress=lambda _: bool(said))
    assert result.interrupted
    assert result.members == ()
    assert ["No core" in sentence for sentence in said] == [True]


def test_states_travel_in_both_directions(tmp_path: Path, joined) -> None:
    first, second = (0, 0), (1, 0)
    configs = CONFIGS[:2]
    whole = train(configs, [3], schedule_timesteps=TIMESTEPS, keep_state=True)
    joined()
    shared = {"n_total_timesteps": HALF, "n_eval_steps": 1, "schedule_timesteps": TIMESTEPS}
    ends = {m: Handover(end=tmp_path / str(m[0])) for m in (first, second)}
    half = train(configs, [3], handovers=ends, **shared)
    np.testing.assert_array_equal(half.returns[:, :, 0], whole.returns[:, :, 0])
    begins = {m: Handover(tmp_path / str(m[0])) for m in (first, second)}
    rest = train(
        configs, [3], handovers=begins, timesteps_before=HALF, keep_state=True, **shared
    )  # fmt: skip
    np.testing.assert_array_equal(rest.returns[:, :, 0], whole.returns[:, :, 1])
    for ours, theirs in zip(whole.members, rest.members, strict=True):
        assert same_bits(ours.parts, theirs.parts)


def test_a_state_that_is_missing_is_the_same_error_as_at_home(tmp_path: Path, joined) -> None:
    joined()
    with pytest.raises(CheckpointError, match=str(tmp_path / "nothing")):
        train([UNIFORM], [3], handovers={(0, 0): Handover(tmp_path / "nothing")})


def test_a_state_that_cannot_be_kept_ends_the_training(tmp_path: Path, joined) -> None:
    ray = joined()
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="could not be written"):
        train([UNIFORM], [3], handovers={(0, 0): Handover(end=tmp_path / "file" / "end")})
    assert ray.actors[0].dead


def train_long(**settings: Any) -> Any:
    """One member, for many segments."""
    return train([UNIFORM], [3], n_total_timesteps=200_000, n_eval_steps=10, **settings)


def test_a_stopped_member_saves_itself_here_and_continues(tmp_path: Path, joined) -> None:
    whole = train_long()
    joined(n_cores=1)
    saving = {(0, 0): MemberSaving(tmp_path / "saved", every_seconds=0.0)}
    first = train_long(saving=saving, on_progress=lambda progress: progress.timesteps > 0)
    assert first.interrupted
    path, note = newest_in(tmp_path / "saved") or (None, "none")
    assert path is not None
    assert note == ""
    seen: list[int] = []
    second = train_long(saving=saving, on_progress=lambda p: seen.append(p.timesteps))
    assert next(filter(None, seen)) > 0
    np.testing.assert_array_equal(second.returns, whole.returns)


@pytest.mark.thorough
def test_a_member_whose_actor_dies_continues_from_its_checkpoint(tmp_path: Path, joined) -> None:
    """It has saved itself after every segment."""
    whole = train_long()
    killed: list[Actor] = []

    def on_call(actor: Actor, _: str) -> None:
        if not killed and newest_in(tmp_path / "saved"):
            killed.append(actor)
            actor.dead = True

    ray = joined(n_cores=1, on_call=on_call)
    saving = {(0, 0): MemberSaving(tmp_path / "saved", every_seconds=1e-6)}
    result = train_long(saving=saving, on_notice=print)
    assert ray.actors[0] in killed
    np.testing.assert_array_equal(result.returns, whole.returns)


def test_an_error_of_ours_is_raised_as_itself(joined) -> None:
    joined()
    with pytest.raises(ArlbenchError, match="not batched on a Ray cluster"):
        train([UNIFORM], [3], placement="batched")
    with pytest.raises(ZeroDivisionError):
        train([UNIFORM], on_member=lambda _: 1 / 0)


def test_a_population_within_a_population_trains_by_itself(population, joined) -> None:
    ray = joined()
    inner: list[Any] = []

    def on_member(_: Any) -> None:
        if not inner:
            inner.append(train([UNIFORM], [3]))

    train([UNIFORM], on_member=on_member)
    assert len(ray.actors) == 2
    np.testing.assert_array_equal(inner[0].returns[0, 0], population.returns[0, 0])


def test_members_that_join_train_there_too(population, joined) -> None:
    from arlbench.population.feeding import Addition

    joined()
    waiting = [Addition(UNIFORM, TIMESTEPS, 2)]
    settings = {"init_options": population.init_options}
    result = train([CONFIGS[2]], feed=lambda: [waiting.pop()] if waiting else [], **settings)
    np.testing.assert_array_equal(result.returns[1], population.returns[0])
