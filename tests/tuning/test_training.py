"""Trials that are really trained: programs are shared, and a continued one has the same bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.checkpoints import read_checkpoint, read_manifest
from arlbench.core.problem import Problem
from arlbench.population import cores, use_cores, workers
from arlbench.tuning import Space, Trial, Tuner, load, tune
from arlbench.tuning.programs import corners, shared_by_all
from arlbench.tuning.replaying import schedule_of_study
from arlbench.tuning.retraining import train_again
from arlbench.tuning.training import Training, TrainingCallbacks
from probe_framework import walk
from probes import SMALL

#: Two evaluations in each half.
PROBLEM = Problem(
    walk(),
    hpo_config={**SMALL, "exploration_fraction": 0.9},
    nas_config={"hidden_size": 8},
    n_total_timesteps=800,
    n_eval_steps=4,
    n_eval_episodes=3,
)
PROBLEM = PROBLEM.replace(hpo_config=PROBLEM.resolve(), nas_config={})

WORDS = {
    "learning_rate": "1e-4..1e-2",
    "buffer_prio_sampling": "true,false",
    "buffer_batch_size": "4,8",
    "train_freq": "1..3",
}
RATES = (1e-3, 3e-3)


class Ladder(Tuner):
    """Two trials to step 400 and then to 800, and two that are trained to 800 at once."""

    continues = True
    parallel = 4

    def __init__(self, space: Space, *, seed: int = 0, prioritised: bool = False) -> None:
        super().__init__(space, seed=seed)
        own = {"buffer_prio_sampling": prioritised, "buffer_batch_size": 8, "train_freq": 2}
        self.configs = [{**own, "learning_rate": rate} for rate in RATES]
        self.halves: list[int] | None = None

    def ask(self, n: int) -> Sequence[Trial]:
        if self.halves is None:
            self.halves = []
            return [Trial(c, 400) for c in self.configs] + [Trial(c, 800) for c in self.configs]
        pairs = zip(self.configs, self.halves, strict=False)
        return [Trial(config, 800, continues=number) for config, number in pairs]

    def tell(self, results: Any) -> None:
        self.halves = [r.number for r in results if r.trial.fidelity == 400]


def run(folder: Path, tuner: Any = "random", problem: Problem = PROBLEM, **settings: Any) -> Any:
    given = {"words": WORDS, "seeds": (3, 5), "test_seeds": (), "folder": folder, **settings}
    return tune(problem, tuner, **given)


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trains in a worker too, however little there is to do."""
    monkeypatch.setattr(cores, "_WORTH_A_PROCESS", 1.0)
    use_cores(2)
    (worker,) = workers.start_workers(1)
    assert worker.wait_until_ready()
    yield
    use_cores(1)


def arrays(folder: Path, number: int, seed_index: int) -> dict[str, bytes]:
    """All numbers of a state, by part and leaf."""
    (path,) = (folder / "states" / f"trial-{number:06d}" / f"seed-{seed_index}").glob("check*")
    names = [name.removesuffix(".npz") for name in read_manifest(path).files]
    parts, _ = read_checkpoint(path, dict.fromkeys(names))
    leaves = jax.tree.leaves_with_path(parts)
    return {jax.tree_util.keystr(path): np.asarray(value).tobytes() for path, value in leaves}


@pytest.mark.parametrize("prioritised", [pytest.param(False, marks=pytest.mark.thorough), True])
def test_a_continued_trial_is_the_one_trained_at_once(tmp_path, prioritised) -> None:
    # Trials of full length leave no states that could be compared.
    longer = PROBLEM.replace(n_total_timesteps=1000, n_eval_steps=5)
    outcome = run(tmp_path, Ladder, longer, tuner_settings={"prioritised": prioritised})
    assert outcome.status == "finished"
    for config in (0, 1):
        half, whole, continued = (outcome.results[config + place] for place in (0, 2, 4))
        assert continued.trial.continues == half.number
        assert continued.cost == half.cost == whole.cost / 2
        assert continued.timesteps.tolist() == whole.timesteps.tolist() == [200, 400, 600, 800]
        np.testing.assert_array_equal(continued.returns, whole.returns)
        np.testing.assert_array_equal(half.returns, whole.returns[:, :2])
        for seed_index in (0, 1):
            one, other = (arrays(tmp_path, r.number, seed_index) for r in (continued, whole))
            assert len(one) > 10
            assert one == other


@pytest.mark.thorough
def test_where_it_is_trained_does_not_matter(tmp_path, two_processes) -> None:
    here = run(tmp_path / "two", Ladder)
    use_cores(1)
    alone = run(tmp_path / "one", Ladder)
    for one, other in zip(here.results, alone.results, strict=True):
        np.testing.assert_array_equal(one.returns, other.returns)


def test_trials_of_later_rounds_compile_nothing(tmp_path, count_compilations) -> None:
    words = {**WORDS, "target_update_interval": "1..20"}
    # A round in which every program is needed.
    first = run(tmp_path, words=words, n_trials=8, parallel=8, seeds=(3,))
    kinds = {result.trial.config["buffer_prio_sampling"] for result in first.results}
    assert kinds == {True, False}
    with count_compilations() as counter:
        second = run(tmp_path, words=words, n_trials=24, parallel=8, seeds=(3,))
    assert second.trained_now == 16
    sizes = {r.trial.config["buffer_batch_size"] for r in second.results[8:]}
    assert sizes == {4, 8}
    assert counter.names == []


def test_corners_have_every_choice_and_every_end() -> None:
    space = Space(PROBLEM, {**WORDS, "buffer_alpha": "0.1..0.9"})
    configs = list(corners(space))
    pairs = {(c["buffer_prio_sampling"], c["buffer_batch_size"]) for c in configs}
    assert pairs == {(True, 4), (True, 8), (False, 4), (False, 8)}
    assert {c["train_freq"] for c in configs} == {1, 2, 3}
    # What counts only with prioritised sampling is looked at there.
    ends = {c["buffer_alpha"] for c in configs if c["buffer_prio_sampling"]}
    assert {0.1, 0.9} <= ends
    assert all(space.require(config) == config for config in configs)


def test_programs_serve_every_batch_size_and_the_largest_buffer() -> None:
    space = Space(PROBLEM, {**WORDS, "buffer_size": "100..700"})
    shared = shared_by_all(space, 800, 4.0)
    assert shared.problem.options["batch_sizes"] == [4, 8]
    assert shared.init_options["capacity"] >= 700
    assert shared.problem.schedule_timesteps == 800


def test_an_exact_copy_of_a_member_trains_as_it_does(tmp_path) -> None:
    exact = {"n_members": 4, "n_steps": 4, "perturb": 0.0, "resample": 0.0}
    outcome = run(tmp_path, "pbt", tuner_settings=exact)
    second = outcome.results[4:8]
    (copy,) = (r for r in second if r.trial.continues != r.trial.info["member"])
    (own,) = (r for r in second if r.trial.continues == copy.trial.continues and r is not copy)
    assert copy.trial.config == own.trial.config
    np.testing.assert_array_equal(copy.returns, own.returns)
    assert arrays(tmp_path, copy.number, 0) == arrays(tmp_path, own.number, 0)


@pytest.mark.parametrize("exploit", ["state", "network"])
def test_a_population_evolves_through_choices_and_conditions(tmp_path, exploit) -> None:
    words = {
        **WORDS, "use_target_network": "true,false", "normalize_observations": "true,false",
        "buffer_size": "50..300", "target_update_interval": "1..20",
    }  # fmt: skip
    settings: dict[str, Any] = {"n_members": 8, "n_steps": 3, "resample": 0.9, "quantile": 0.5}
    settings["exploit"] = exploit
    outcome = run(tmp_path, "pbt", words=words, tuner_settings=settings, seeds=(3,))
    assert outcome.status == "finished"
    assert len(outcome.results) == 24
    changed = [
        (r.trial.config, outcome.results[r.trial.continues].trial.config)
        for r in outcome.results[8:]
        if r.trial.continues is not None
    ]
    for name in ("buffer_prio_sampling", "use_target_network", "normalize_observations"):
        assert any(now[name] != before[name] for now, before in changed), name
    assert all(np.isfinite(result.returns).all() for result in outcome.results)


def test_a_schedule_trained_again_with_its_own_seeds_gives_the_same(tmp_path) -> None:
    """The bits of an exploit's copy are those of its lineage."""
    settings = {"n_members": 4, "n_steps": 4}
    outcome = run(tmp_path, "pbt", tuner_settings=settings)

    study = load(tmp_path)
    space = Space(PROBLEM, WORDS)
    last = outcome.results[-4:]
    schedules = {r.number: schedule_of_study(study, space, r.number) for r in last}
    assert any(len(schedule) > 1 for schedule in schedules.values())
    shared = shared_by_all(space, 800, 4.0)
    again: dict[int, Any] = {}
    train_again(
        schedules,
        (3, 5),
        lambda states: Training(study.settings, shared, states),
        TrainingCallbacks(lambda result: again.update({result.number: result})),
        tmp_path / "again",
    )
    for result in last:
        np.testing.assert_array_equal(again[result.number].returns[:, -1], result.returns[:, -1])
