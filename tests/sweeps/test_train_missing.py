"""Training what is missing: told as it goes, kept whatever happens."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.errors import MemoryLimitError, UnknownEnvironmentError
from arlbench.sweeps.store import SweepStore, read_table
from arlbench.sweeps.sweep import Best, SweepProgress, check, train_missing
from fake_training import FakeResult, fake_train, make_design, result_of


def test_everything_is_trained_and_nothing_twice(tmp_path) -> None:
    design = make_design()
    with SweepStore(tmp_path, design) as store:
        outcome = train_missing(store, train=fake_train())
        assert (outcome.status, outcome.members_trained) == ("finished", 12)
        assert (outcome.compile_seconds, outcome.wall_seconds) == (1.5, 2.5)
        again = train_missing(store, train=None)
        assert (again.status, again.members_trained) == ("finished", 0)
    assert read_table(tmp_path).num_rows == 36


def test_progress_counts_earlier_calls_and_knows_the_best(tmp_path) -> None:
    design = make_design()
    with SweepStore(tmp_path, design) as store:
        for seed in range(3):
            store.add(result_of(design, 0, seed))
    seen: list[SweepProgress] = []
    with SweepStore(tmp_path, design) as store:
        train_missing(store, train=fake_train(), on_progress=seen.append)
    assert [progress.members_done for progress in seen] == list(range(3, 12))
    assert {progress.members_total for progress in seen} == {12}
    first = np.mean([result_of(design, 0, seed).returns[-1].mean() for seed in range(3)])
    assert seen[0].best == Best(0, pytest.approx(first))
    means = [
        np.mean([result_of(design, config, seed).returns[-1].mean() for seed in range(3)])
        for config in range(3)
    ]
    # The last configuration diverges, and is never the best.
    assert seen[-1].best == Best(int(np.argmax(means)), pytest.approx(max(means)))


def test_there_is_no_best_before_a_configuration_has_every_seed(tmp_path) -> None:
    bests = []
    with SweepStore(tmp_path, make_design()) as store:
        train_missing(store, train=fake_train(), on_progress=lambda p: bests.append(p.best))
    assert bests[:3] == [None, None, None]
    assert bests[3].config == 0


def test_a_stopped_sweep_keeps_what_has_ended_and_goes_on(tmp_path) -> None:
    design = make_design()
    with SweepStore(tmp_path, design) as store:
        outcome = train_missing(
            store, train=fake_train(), on_progress=lambda progress: progress.members_done == 5
        )
        assert (outcome.status, outcome.members_trained) == ("interrupted", 5)
        assert store.missing() == list(design.members)[5:]
        outcome = train_missing(store, train=fake_train(order=-1))
        assert (outcome.status, outcome.members_trained) == ("finished", 7)


def test_what_has_ended_is_kept_when_training_fails(tmp_path) -> None:
    design = make_design()

    def failing(*_: object, on_member, **__: object) -> FakeResult:
        on_member(result_of(design, 1, 1))
        raise RuntimeError("a worker died")

    with SweepStore(tmp_path, design) as store, pytest.raises(RuntimeError, match="worker died"):
        train_missing(store, train=failing)
    assert read_table(tmp_path).column("config").to_pylist() == [1, 1, 1]


def test_what_cannot_be_trained_is_refused_before_anything_is_written() -> None:
    check(make_design(), memory_limit_gib=4.0)
    with pytest.raises(UnknownEnvironmentError, match="Did you mean"):
        check(make_design(env_spec=EnvSpec("gymnax", "CartPol-v1")), 4.0)
    with pytest.raises(UnknownEnvironmentError, match="Did you mean"):
        check(make_design(eval_env_spec=EnvSpec("gymnax", "CartPol-v1")), 4.0)
    large = make_design(configs=({}, {"buffer_size": 10**6}), n_total_timesteps=10**6)
    with pytest.raises(MemoryLimitError, match="buffer_size"):
        check(large, memory_limit_gib=0.01)
