"""Training what is missing: with progress, and results that are kept whatever happens."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.errors import ConfigurationError, MemoryLimitError, UnknownEnvironmentError
from arlbench.experiments.folder import SweepFolder, read_rows
from arlbench.experiments.training import Best, ExperimentProgress, check, train_missing
from arlbench.population.members import MemberId
from fake_training import FakeResult, fake_train, make_experiment, result_of


def test_everything_is_trained_and_nothing_twice(tmp_path) -> None:
    experiment = make_experiment()
    with SweepFolder(tmp_path, experiment) as store:
        outcome = train_missing(store, train=fake_train())
        assert (outcome.status, outcome.members_trained) == ("finished", 12)
        assert (outcome.compile_seconds, outcome.wall_seconds) == (1.5, 2.5)
        again = train_missing(store, train=None)
        assert (again.status, again.members_trained) == ("finished", 0)
    assert read_rows(tmp_path).num_rows == 36


def test_progress_counts_earlier_calls_and_knows_the_best(tmp_path) -> None:
    experiment = make_experiment()
    with SweepFolder(tmp_path, experiment) as store:
        for seed in range(3):
            store.add(result_of(experiment, 0, seed))
    seen: list[ExperimentProgress] = []
    with SweepFolder(tmp_path, experiment) as store:
        train_missing(store, train=fake_train(), on_progress=seen.append)
    assert [progress.members_done for progress in seen] == list(range(3, 12))
    assert {progress.members_total for progress in seen} == {12}
    first = np.mean([result_of(experiment, 0, seed).returns[-1].mean() for seed in range(3)])
    assert seen[0].best == Best(0, pytest.approx(first))
    means = [
        np.mean([result_of(experiment, config, seed).returns[-1].mean() for seed in range(3)])
        for config in range(3)
    ]
    # The last configuration diverges, and is never the best.
    assert seen[-1].best == Best(int(np.argmax(means)), pytest.approx(max(means)))


def test_there_is_no_best_before_a_configuration_has_every_seed(tmp_path) -> None:
    bests = []
    with SweepFolder(tmp_path, make_experiment()) as store:
        train_missing(store, train=fake_train(), on_progress=lambda p: bests.append(p.best))
    assert bests[:3] == [None, None, None]
    assert bests[3].config == 0


def test_a_stopped_sweep_keeps_what_has_ended_and_goes_on(tmp_path) -> None:
    experiment = make_experiment()
    with SweepFolder(tmp_path, experiment) as store:
        outcome = train_missing(
            store, train=fake_train(), on_progress=lambda progress: progress.members_done == 5
        )
        assert (outcome.status, outcome.members_trained) == ("interrupted", 5)
        assert store.missing() == list(experiment.members)[5:]
        outcome = train_missing(store, train=fake_train(order=-1))
        assert (outcome.status, outcome.members_trained) == ("finished", 7)


def test_what_has_ended_is_kept_when_training_fails(tmp_path) -> None:
    experiment = make_experiment()

    def failing(*_: object, on_member, **__: object) -> FakeResult:
        on_member(result_of(experiment, 1, 1))
        raise RuntimeError("a worker died")

    with (
        SweepFolder(tmp_path, experiment) as store,
        pytest.raises(RuntimeError, match="worker died"),
    ):
        train_missing(store, train=failing)
    assert read_rows(tmp_path).column("config").to_pylist() == [1, 1, 1]


def test_what_cannot_be_trained_is_refused_before_anything_is_written() -> None:
    check(make_experiment(), memory_limit_gib=4.0)
    with pytest.raises(UnknownEnvironmentError, match="Did you mean"):
        check(make_experiment(env_spec=EnvSpec("gymnax", "CartPol-v1")), 4.0)
    with pytest.raises(UnknownEnvironmentError, match="Did you mean"):
        check(make_experiment(eval_env_spec=EnvSpec("gymnax", "CartPol-v1")), 4.0)
    large = make_experiment(configs=({}, {"buffer_size": 10**6}), n_total_timesteps=10**6)
    with pytest.raises(MemoryLimitError, match="buffer_size"):
        check(large, memory_limit_gib=0.01)
    with pytest.raises(ConfigurationError, match="counters have 32 bits"):
        check(make_experiment(configs=({}, {"train_freq": 2**31 - 1})), 4.0)


def test_some_configurations_may_be_too_short_but_not_all() -> None:
    late, early = {"learning_starts": 5000}, {"learning_starts": 0}
    check(make_experiment(configs=(late, early)), 4.0)
    with pytest.raises(ConfigurationError, match=r"No configuration would .*learning_starts"):
        check(make_experiment(configs=(late, {**late, "gamma": 0.5})), 4.0)
    with pytest.raises(ConfigurationError, match="3000 timesteps are too few for an update"):
        check(make_experiment(configs=(late,)), 4.0)


def test_what_a_storage_wants_reaches_the_training_and_it_is_told(tmp_path) -> None:
    class Wanting(SweepFolder):
        told = 0

        def saving(self):
            return {MemberId(0, 0): "here"}

        def keep_parts(self):
            return ("params",)

        def init_options(self):
            return {"capacity": 64}

        def on_progress(self, progress) -> None:
            self.told += 1

    given = {}

    def train(problem, configs, seeds, **settings) -> FakeResult:
        given.update(settings, problem=problem, configs=configs, seeds=seeds)
        return fake_train()(problem, configs, seeds, **settings)

    experiment = make_experiment()
    with Wanting(tmp_path, experiment) as store:
        train_missing(store, train=train, memory_limit_gib=2.0, on_notice=print)
        assert store.told == 12
    assert given["problem"] == experiment.problem
    assert (given["configs"], given["seeds"]) == (experiment.configs, experiment.seeds)
    assert given["saving"] == {(0, 0): "here"}
    assert (given["keep_parts"], given["init_options"]) == (("params",), {"capacity": 64})
    assert (given["memory_limit_gib"], given["on_notice"]) == (2.0, print)
    assert given["n_total_timesteps"] is None
