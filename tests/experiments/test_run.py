"""Training runs that are stopped, resumed or diverge, on one core and on several."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.errors import CheckpointError, ConfigurationError, DivergenceError
from arlbench.experiments.run import RunResult, train_run
from arlbench.experiments.run_folder import RunFolder, Saving
from arlbench.experiments.run_settings import RunSettings, resolve
from arlbench.experiments.training import ExperimentProgress
from arlbench.population import use_cores, workers
from probes import same_bits

CARTPOLE = EnvSpec("gymnax", "CartPole-v1", 4)

#: Tells a run to stop.
Stop = Callable[[ExperimentProgress], bool]


def settings_of(**overrides: Any) -> RunSettings:
    # Sorted by name, seed 10 comes before seed 9.
    small = {"learning_starts": 16, "hidden_size": 8, "train_freq": 2}
    return resolve(
        CARTPOLE, {**small, **overrides}, first_seed=9, n_seeds=2, n_total_timesteps=800,
        n_eval_steps=2, n_eval_episodes=2, tuned=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def settings() -> RunSettings:
    return settings_of()


@pytest.fixture(autouse=True, scope="module")
def _one_core() -> Any:
    use_cores(1)
    yield
    workers._pool.wanted_cores = None


def train(
    folder: Path, stop: Stop, settings: RunSettings | None = None, saving: Saving | None = None
) -> tuple[RunResult, list[str]]:
    """Trains a new run, or the rest of one; returns its result and its messages."""
    notices: list[str] = []
    with RunFolder(folder, settings, saving or Saving(0.0)) as run:
        assert run.reopened is (settings is None)
        result = train_run(run, on_progress=stop, on_notice=notices.append)
    return result, notices


def when(index: int, n_evaluations: int) -> Stop:
    """Stops when a seed has been evaluated this often."""

    def stop(progress: ExperimentProgress) -> bool:
        of_seed = {m.seed_index: p for m, p in progress.population.members.items()}.get(index)
        return of_seed is not None and len(of_seed.eval_rewards) == n_evaluations

    return stop


def never(_: ExperimentProgress) -> bool:
    return False


in_second_seed, at_end_of_first_seed = when(1, 1), when(0, 2)


def summary_of(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text())


def params_of(folder: Path) -> list[dict[str, bytes]]:
    files = [np.load(folder / f"params-seed-{seed}.npz") for seed in (9, 10)]
    return [{name: file[name].tobytes() for name in file.files} for file in files]


@pytest.fixture(scope="module")
def whole(settings: RunSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    result, notices = train(folder, never, settings)
    assert (result.status, notices) == ("finished", [])
    return folder


def test_impossible_savings_are_refused() -> None:
    assert Saving.checked(0, 1) == Saving(0, 1)
    for every_seconds, keep in ((-1, 2), (float("nan"), 2), (1, 0), (1, -3)):
        with pytest.raises(ConfigurationError, match=r"checkpoint_every|keep"):
            Saving.checked(every_seconds, keep)


def test_a_seed_is_the_single_run(whole: Path, settings: RunSettings) -> None:
    import jax

    algorithm = settings.make_algorithm()
    state = algorithm.init(jax.random.key(10), **algorithm.init_options(800))
    state, result = algorithm.train(*state, 800, 2, 2)
    with RunFolder(whole) as run:
        assert same_bits(run.standings[10].returns, np.asarray(result.eval_rewards))
        params = run.read_part(10, "params", algorithm.checkpoint_template()["params"])
    assert same_bits(params, state.runner_state.train_state.params)


def test_the_buffer_has_room_for_the_run_and_no_more(tmp_path: Path) -> None:
    cases = [({"buffer_size": 10**6}, 5_000), ({"buffer_size": 2_000}, 100_000)]
    for i, (overrides, timesteps) in enumerate(cases):
        settings = resolve(CARTPOLE, overrides, n_total_timesteps=timesteps)
        with RunFolder(tmp_path / str(i), settings) as run:
            expected = settings.make_algorithm().init_options(timesteps)
            assert run.init_options() == expected
            assert run.algorithm.init_options(10**6) != expected or i == 1


def test_a_stopped_run_knows_where_each_seed_stood(settings: RunSettings, tmp_path: Path) -> None:
    result, _ = train(tmp_path, in_second_seed, settings)
    assert (result.status, result.timesteps) == ("interrupted", 1200)
    with RunFolder(tmp_path) as run:
        assert run.prepare() == ()
        assert list(run.standings) == [9, 10]
        first, second = run.standings.values()
        assert (first.status, first.timesteps) == ("finished", 800)
        assert (second.status, second.timesteps) == ("unfinished", 400)
        assert [len(returns) for returns in run.returns.values()] == [2, 1]
        timesteps, seconds = run.totals()
    assert timesteps == 1200
    # The file has three digits.
    assert seconds.training == pytest.approx(result.seconds.training, abs=1e-3)
    assert 0 < second.seconds.training < seconds.training


def test_parameters_of_a_stopped_seed_are_kept_until_it_continues(
    settings: RunSettings, tmp_path: Path
) -> None:
    train(tmp_path, in_second_seed, settings)
    with RunFolder(tmp_path) as run:
        shapes = run.algorithm.checkpoint_template()["params"]
        stopped = run.read_part(10, "params", shapes)
        checkpoint = run.checkpoints_of(10) / "checkpoint-000001" / "params.npz"
        with np.load(checkpoint) as saved:
            np.testing.assert_array_equal(
                saved["params/out/bias"], stopped["params"]["out"]["bias"]
            )
        run.prepare()
        # Next to later evaluations they would be mistaken for the parameters at the end.
        assert not (tmp_path / "params-seed-10.npz").exists()
        assert (tmp_path / "params-seed-9.npz").exists()


@pytest.mark.parametrize("stop", [in_second_seed, at_end_of_first_seed])
def test_a_resumed_run_counts_what_was_done_before(
    stop: Stop, settings: RunSettings, whole: Path, tmp_path: Path
) -> None:
    stopped, _ = train(tmp_path, stop, settings)
    assert stopped.timesteps == {in_second_seed: 1200, at_end_of_first_seed: 800}[stop]
    again, _ = train(tmp_path, lambda progress: True)
    assert again.status == "interrupted"
    assert again.seconds.training > stopped.seconds.training - 1e-3 > 0
    finished, _ = train(tmp_path, never)
    assert sum(finished.seconds_now) < sum(finished.seconds)
    assert (finished.status, finished.timesteps) == ("finished", 1600)
    assert list(finished.final_returns) == [9, 10]
    assert (tmp_path / "evaluations.csv").read_bytes() == (whole / "evaluations.csv").read_bytes()
    assert params_of(tmp_path) == params_of(whole)


def test_a_seed_that_ended_is_kept_at_once(settings: RunSettings, tmp_path: Path) -> None:
    """As if the process were killed while the second seed trains."""

    class Killed(BaseException):
        pass

    def kill(progress: ExperimentProgress) -> bool:
        if in_second_seed(progress):
            raise Killed
        return False

    with pytest.raises(Killed):
        train(tmp_path, kill, settings, Saving(1e-9))
    assert summary_of(tmp_path)["status"] == "training"
    assert set(summary_of(tmp_path)["seconds_by_seed"]) == {"9"}
    with RunFolder(tmp_path) as run:
        assert run.missing() == [(0, 1)]
        assert run.standings[9].seconds.training > 0


def test_seeds_train_on_every_core(settings: RunSettings, whole: Path, tmp_path: Path) -> None:
    processes = []
    use_cores(2)
    try:
        with pytest.MonkeyPatch.context() as patched:
            for limit in ("_WORTH_A_PROCESS", "_WORTH_A_MESSAGE"):
                patched.setattr(f"arlbench.population.cores.{limit}", 1.0)
            # Both train at the same time: neither ends before the other starts.
            train(
                tmp_path,
                lambda progress: processes.append(len(progress.population.members)),  # type: ignore[func-returns-value]
                settings,
            )
    finally:
        use_cores(1)
    assert max(processes) == 2
    assert (tmp_path / "evaluations.csv").read_bytes() == (whole / "evaluations.csv").read_bytes()
    assert params_of(tmp_path) == params_of(whole)


def test_if_no_checkpoint_can_be_written_the_run_continues(
    settings: RunSettings, tmp_path: Path
) -> None:
    with RunFolder(tmp_path, settings, Saving(0.0)) as run:
        run.checkpoints.write_text("a file in the place of a folder")
        notices: list[str] = []
        stopped = train_run(run, on_progress=in_second_seed, on_notice=notices.append)
    assert stopped.timesteps == 1200
    assert len(notices) == 1
    assert "could not be written" in notices[0]


def test_a_seed_that_diverges_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(DivergenceError, match="non-finite"):
        train(tmp_path, never, settings_of(learning_rate=1e38))
    summary = summary_of(tmp_path)
    assert summary["status"] == "diverged"
    assert list(summary["seconds_by_seed"]) == ["9"]
    assert not list(tmp_path.glob("params-seed-9.npz"))
    assert not list(tmp_path.glob("*seed-10*"))


def test_a_damaged_checkpoint_is_noticed_before_anything_is_changed(
    settings: RunSettings, tmp_path: Path
) -> None:
    stopped, damaged = tmp_path / "stopped", tmp_path / "damaged"
    train(stopped, in_second_seed, settings)
    shutil.copytree(stopped, damaged)
    (damaged / "checkpoints/seed-10/checkpoint-000001/params.npz").write_bytes(b"PK")
    before = {path: path.read_bytes() for path in damaged.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match=r"is damaged.*Nothing was changed; remove that"):
        train(damaged, never)
    assert {path: path.read_bytes() for path in damaged.rglob("*") if path.is_file()} == before


def test_rows_hold_every_evaluation_so_far(settings: RunSettings, tmp_path: Path) -> None:
    train(tmp_path, in_second_seed, settings)
    with RunFolder(tmp_path) as run:
        run.prepare()
        rows = run.rows()
        returns = run.returns
    seen = rows.select(["seed", "evaluation", "timesteps", "status"]).to_pydict()
    assert list(zip(*seen.values(), strict=True)) == [
        (9, 1, 400, "finished"),
        (9, 2, 800, "finished"),
        (10, 1, 400, "unfinished"),
    ]
    expected = [*returns[9].mean(axis=1), *returns[10].mean(axis=1)]
    np.testing.assert_allclose(rows.column("return_mean").to_numpy(), expected, rtol=1e-6)
