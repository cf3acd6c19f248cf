"""``arlbench sweep`` from the arguments to the table and the pictures."""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench import DQN, make_env
from arlbench.cli import main
from arlbench.cli.sweep_display import best_table
from arlbench.errors import StorageError
from arlbench.experiments.folder import read_experiment, read_rows
from arlbench.experiments.presets import tuned_for
from arlbench.experiments.table import table_of
from arlbench.report.sweep_results import ranking, results_of
from command import shared
from fake_training import make_experiment, result_of
from proposing import propose

PUBLISHED = Path(__file__).parents[1] / "learning" / "cartpole_landscape_sample.csv"

SHORT = [
    "CartPole-v1", "--timesteps", "1024", "--n-envs", "4", "--evaluations", "2",
    "--eval-episodes", "3", "--seeds", "2",
]  # fmt: skip
GRID = [
    "--sampler", "grid", "learning_rate=1e-3,1e-2", "use_target_network=true,false",
    "learning_starts=64", "hidden_size=8", "buffer_size=1024",
]  # fmt: skip


def sweep(words: list[str], monkeypatch) -> int:
    monkeypatch.setattr(sys, "argv", ["arlbench", "sweep", *words])
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    return int(exit_info.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder of a sweep over a small grid."""
    out = tmp_path_factory.mktemp("sweeps") / "grid"
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert sweep([*SHORT, *GRID, "--out", str(out), "--quiet"], monkeypatch) == 0
    return out


@pytest.mark.thorough
def test_the_folder_holds_everything(folder) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "design.json",
        "parts",
        "sweep.lock",
        "landscape.png",
        "curves.png",
    }


def test_every_configuration_has_every_seed_and_evaluation(folder) -> None:
    rows = read_rows(folder).to_pylist()
    assert [(row["config"], row["seed"], row["evaluation"]) for row in rows] == [
        (config, seed, evaluation)
        for config in range(4)
        for seed in (0, 1)
        for evaluation in (1, 2)
    ]
    assert {(row["learning_rate"], row["use_target_network"]) for row in rows} == {
        (rate, flag) for rate in (1e-3, 1e-2) for flag in (True, False)
    }
    assert {row["hidden_size"] for row in rows} == {8}


def test_the_design_says_where_it_came_from(folder) -> None:
    experiment = read_experiment(folder)
    assert experiment.origin["sampler"] == "grid"
    assert experiment.origin["words"]["learning_rate"] == "1e-3,1e-2"
    assert experiment.versions["jax"] == jax.__version__
    assert experiment.problem.env_spec.n_envs == 4


@pytest.mark.thorough
def test_a_training_of_a_sweep_is_the_single_run_to_the_last_bit(folder) -> None:
    row = read_rows(folder).to_pylist()[2 * 4 + 2 + 1]
    assert (row["config"], row["seed"], row["evaluation"]) == (2, 1, 2)
    names = DQN.get_hpo_config_space()
    dqn = DQN(
        {name: value for name, value in row.items() if name in names},
        make_env("gymnax", "CartPole-v1", n_envs=4),
        nas_config={"hidden_size": 8},
    )
    _, result = dqn.train(*dqn.init(jax.random.key(1), capacity=1024), 1024, 2, 3)
    np.testing.assert_array_equal(np.float32(row["episode_returns"]), result.eval_rewards[1])


def test_a_finished_sweep_trains_nothing_again(folder, monkeypatch, capfd) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "parts").iterdir()}
    assert sweep([*SHORT, *GRID, "--out", str(folder), "--json"], monkeypatch) == 0
    printed = capfd.readouterr()
    assert "nothing is left to train" in printed.err
    summary = json.loads(printed.out)
    assert (summary["status"], summary["trained_now"]) == ("finished", 0)
    assert {path: path.stat().st_mtime_ns for path in (folder / "parts").iterdir()} == before


def test_what_is_missing_is_trained_and_nothing_else(folder, monkeypatch, capfd) -> None:
    before = read_rows(folder)
    first = min((folder / "parts").iterdir())
    n_lost = len({(row["config"], row["seed"]) for row in rows_of(first)})
    first.unlink()
    assert sweep([*SHORT, *GRID, "--out", str(folder), "--json"], monkeypatch) == 0
    assert json.loads(capfd.readouterr().out)["trained_now"] == n_lost
    clock = ["train_seconds"]
    assert read_rows(folder).drop(clock).equals(before.drop(clock))


def rows_of(part: Path) -> list[dict]:
    import pyarrow.parquet as pq

    return pq.read_table(part).to_pylist()


def test_another_problem_in_the_folder_is_refused(folder, monkeypatch, capfd) -> None:
    words = [*SHORT, *GRID, "--eval-episodes", "4", "--out", str(folder)]
    assert sweep(words, monkeypatch) == 2
    printed = " ".join(capfd.readouterr().err.split())
    assert "holds another sweep: --eval-episodes is 3 there and 4 here" in printed


def test_more_of_the_same_problem_is_added(folder, tmp_path, monkeypatch, capfd) -> None:
    out = tmp_path / "grown"
    shutil.copytree(folder, out)
    before = read_rows(out)
    words = [*SHORT, *GRID, "gamma=0.9", "--out", str(out)]
    assert sweep([*words, "--json"], monkeypatch) == 0
    summary = json.loads(capfd.readouterr().out)
    assert (summary["trained_now"], summary["n_configs"]) == (8, 8)
    clock = ["train_seconds"]
    assert read_rows(out).slice(0, before.num_rows).drop(clock).equals(before.drop(clock))
    assert {row["gamma"] for row in read_rows(out).to_pylist()[before.num_rows :]} == {0.9}
    assert sweep([*words, "--seeds", "3"], monkeypatch) == 0
    printed = " ".join(capfd.readouterr().err.split())
    assert "note: 1 seed was added to the sweep, which now has 24 training runs." in printed


def test_the_summary_ranks_the_configurations(folder, monkeypatch, capfd) -> None:
    assert sweep([*SHORT, *GRID, "--out", str(folder), "--json"], monkeypatch) == 0
    ranking = json.loads(capfd.readouterr().out)["ranking"]
    rows = [row for row in read_rows(folder).to_pylist() if row["evaluation"] == 2]
    means = [np.mean([r["return_mean"] for r in rows if r["config"] == c]) for c in range(4)]
    assert [entry["config"] for entry in ranking] == list(np.argsort(-np.array(means)))
    assert ranking[0]["final_return_mean"] == pytest.approx(max(means))
    assert ranking[0]["varied"].keys() == {"learning_rate", "use_target_network"}
    best = [r["return_mean"] for r in rows if r["config"] == ranking[0]["config"]]
    assert ranking[0]["interval_kind"] == "range of seeds"
    assert ranking[0]["interval"] == pytest.approx([min(best), max(best)])


def test_a_person_is_shown_the_best_and_where_it_is(folder, monkeypatch, capfd) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert sweep([*SHORT, *GRID, "--out", str(folder)], monkeypatch) == 0
    printed, messages = capfd.readouterr()
    # The results alone are in the standard output, and a file gets every column.
    assert printed.startswith("best configurations  config ")
    assert printed.splitlines()[0].count("config ") == 4
    for part in ("lowest seed", "highest seed", "learning_rate", "landscape.png", str(folder)):
        assert part in printed
    assert "4 configurations with 2 seeds" in " ".join(messages.split())
    assert "best configurations" not in messages


@pytest.mark.thorough
def test_the_published_table_is_swept_as_it_is(tmp_path, monkeypatch, capfd) -> None:
    words = [*SHORT, "--sampler", "file", "--file", str(PUBLISHED), "--n-configs", "1",
             "--seeds", "1", "--timesteps", "4096", "train_freq=32", "hidden_size=8",
             "--out", str(tmp_path / "sweep"), "--json"]  # fmt: skip
    assert sweep(words, monkeypatch) == 0
    printed = capfd.readouterr()
    assert "ignored: run_id, return_mean_at_5000" in " ".join(printed.err.split())
    with PUBLISHED.open() as file:
        cells = next(csv.DictReader(file))
    row = read_rows(tmp_path / "sweep").to_pylist()[0]
    assert row["learning_rate"] == float(cells["learning_rate"])
    assert row["train_freq"] == 32


def test_divergence_is_a_result(tmp_path, monkeypatch, capfd) -> None:
    learns = ["learning_starts=64", "hidden_size=8", "buffer_size=1024"]
    words = ["--sampler", "grid", "learning_rate=1e-3,1e38", "--out", str(tmp_path / "sweep")]
    words = [*SHORT, *learns, *words, "--json"]
    assert sweep(words, monkeypatch) == 0
    summary = json.loads(capfd.readouterr().out)
    assert summary["diverged"] == 2
    assert [entry["config"] for entry in summary["ranking"]] == [0, 1]
    assert summary["ranking"][1]["final_return_mean"] is None
    rows = [row for row in read_rows(tmp_path / "sweep").to_pylist() if row["config"] == 1]
    assert {row["status"] for row in rows} == {"diverged"}
    assert all(row["diverged_at"] > 0 for row in rows)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)]
)
def test_a_signal_keeps_what_has_ended_and_says_how_to_continue(sent, tmp_path) -> None:
    out = tmp_path / "sweep"
    process = subprocess.Popen(
        [sys.executable, "-c", "from arlbench.cli.main import run; run()", "sweep", *SHORT,
         "learning_rate=1e-5..1e-3", "hidden_size=8", "buffer_size=1024", "learning_starts=64",
         "train_freq=8", "gradient_steps=1", "buffer_batch_size=16", "buffer_prio_sampling=false",
         "--timesteps", "20000", "--n-configs", "400", "--out", str(out)],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "500"},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(out.glob("parts/part-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    sent_at = time.monotonic()
    process.send_signal(sent)
    _, printed = process.communicate(timeout=60)
    # This takes a second or two on an idle machine.
    assert time.monotonic() - sent_at < shared(8)
    assert process.returncode == 128 + sent
    assert "Traceback" not in printed
    kept = read_rows(out).num_rows // 2
    assert kept > 0
    told = f"stopped, {kept} of 800 training runs are kept; continue with: arlbench sweep --resume"
    assert f"{told} {out}" in printed


def proposed(words: list[str], monkeypatch, capfd, tmp_path: Path) -> tuple[Any, list[str]]:
    """The experiment that a command would train, and its first lines of output."""
    from arlbench.cli import sweep as command

    found = []

    def open_nothing(experiment: Any, *_: Any) -> Any:
        found.append(experiment)
        return contextlib.nullcontext()

    def run_nothing(_: Any) -> None:
        raise StorageError("That is enough.")

    monkeypatch.setattr(command, "_open", open_nothing)
    monkeypatch.setattr(command, "run", run_nothing)
    assert sweep([*SHORT, *words], monkeypatch) == 2
    return found[0], capfd.readouterr().err.splitlines()


def test_what_was_not_named_is_searched_too_and_the_first_line_says_so(
    monkeypatch, capfd, tmp_path
) -> None:
    words = ["learning_rate=1e-4..1e-3", "gamma=0.9", "--n-configs", "8"]
    experiment, lines = proposed(words, monkeypatch, capfd, tmp_path)
    assert len({config["train_freq"] for config in experiment.configs}) > 1
    assert lines[0] == (
        "searching learning_rate and 16 others (not named); --only-named fixes those"
    )
    _, lines = proposed(["--n-configs", "2"], monkeypatch, capfd, tmp_path)
    assert lines[0].startswith("searching 18 hyperparameters, all of the space; --only-named")


@pytest.mark.parametrize(("option", "train_freq"), [([], 32), (["--defaults"], 4)])
def test_only_what_is_named_is_searched_if_asked_for(
    option, train_freq, monkeypatch, capfd, tmp_path
) -> None:
    words = ["learning_rate=1e-4..1e-3", "gamma=0.9", "--n-configs", "8", "--only-named", *option]
    experiment, lines = proposed(words, monkeypatch, capfd, tmp_path)
    known = tuned_for("CartPole-v1").hyperparameters if not option else {}
    rest = {**experiment.problem.resolve(known), "gamma": 0.9}
    assert rest["train_freq"] == train_freq
    assert len({config["learning_rate"] for config in experiment.configs}) == 8
    for config in experiment.configs:
        assert {**config, "learning_rate": rest["learning_rate"]} == rest
    assert lines[0] == "searching learning_rate; all others are fixed"


def test_only_what_is_named_keeps_a_tuned_network(monkeypatch, capfd, tmp_path) -> None:
    words = ["Breakout-MinAtar", "gamma=0.9,0.99", "--sampler", "grid", "--only-named"]
    monkeypatch.setitem(globals(), "SHORT", [])
    experiment, _ = proposed(words, monkeypatch, capfd, tmp_path)
    assert experiment.problem.env_spec.cnn_policy
    assert {config["hidden_size"] for config in experiment.configs} == {128}
    experiment, _ = proposed(words[:-1], monkeypatch, capfd, tmp_path)
    assert not experiment.problem.env_spec.cnn_policy


def test_a_named_hyperparameter_that_is_inactive_is_ignored_with_a_notice(
    monkeypatch, capfd, tmp_path
) -> None:
    words = ["use_target_network=false", "tau=0.1..0.5", "--n-configs", "3"]
    experiment, lines = proposed(words, monkeypatch, capfd, tmp_path)
    assert {config["tau"] for config in experiment.configs} == {1.0}
    said = " ".join(lines)
    assert "note: tau is ignored, because it counts only if use_target_network is True." in said


@pytest.mark.parametrize("n_seeds", [1, 3, 4])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_of_the_best_has_whole_columns(n_seeds, width) -> None:
    configs = tuple(propose("sobol", {}, 12))
    experiment = make_experiment(configs=configs, n_seeds=n_seeds)
    members = experiment.members
    found = results_of(table_of(experiment, [result_of(experiment, *m) for m in members]))
    lines = best_table(found, width)
    assert max(map(len, lines)) <= width
    cells = [re.split(r"\s{2,}", line) for line in lines]
    assert len({len(row) for row in cells}) == 1
    n_shown = len(cells[0]) - 1
    assert n_shown == {60: 3, 80: 5, 200: 5}[width]
    by_name = {row[0]: row[1:] for row in cells}
    for column, rank in enumerate(ranking(found)[:n_shown]):
        assert by_name["best configurations"][column] == f"config {rank.config}"
        assert float(by_name["final return"][column]) == pytest.approx(rank.mean, abs=0.06)
        rate = configs[rank.config]["learning_rate"]
        assert float(by_name["learning_rate"][column]) == pytest.approx(rate, rel=1e-3)
    spreads = {"lowest seed", "highest seed", "95 % interval"} & by_name.keys()
    assert spreads == {1: set(), 3: {"lowest seed", "highest seed"}, 4: {"95 % interval"}}[n_seeds]


def test_a_full_disk_is_one_sentence_and_what_was_kept_is_whole(
    tmp_path, monkeypatch, capfd
) -> None:
    from arlbench.core import files
    from arlbench.experiments.folder import SweepFolder

    out, written = tmp_path / "sweep", []

    def fsync(descriptor: int) -> None:
        written.append(descriptor)
        # A file and its folder are each synced: the design and one part fit.
        if len(written) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SweepFolder.__init__, "__kwdefaults__", {
        "members_a_part": 1, "seconds_a_part": 60.0
    })  # fmt: skip
    with monkeypatch.context() as full:
        full.setattr(files.os, "fsync", fsync)
        assert sweep([*SHORT, *GRID, "--out", str(out), "--quiet"], monkeypatch) == 2
    printed = " ".join(capfd.readouterr().err.split())
    assert "cannot be written (No space left on device); make room" in printed
    assert "Traceback" not in printed
    assert [path.name for path in (out / "parts").iterdir()] == ["part-000001.parquet"]
    assert sweep([*SHORT, *GRID, "--out", str(out), "--quiet"], monkeypatch) == 0
    assert read_rows(out).num_rows == 16


def test_pictures_without_room_are_one_sentence(folder, monkeypatch, capfd) -> None:
    from arlbench.core import files

    before = (folder / "landscape.png").read_bytes()

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    assert sweep([*SHORT, *GRID, "--out", str(folder)], monkeypatch) == 2
    assert "All results have been kept" in " ".join(capfd.readouterr().err.split())
    assert (folder / "landscape.png").read_bytes() == before
    assert not list(folder.glob(".*"))
