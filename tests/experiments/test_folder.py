"""The folder of a sweep: always complete when read, growing, refused if it does not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.errors import StorageError
from arlbench.experiments.experiment import FORMAT_VERSION
from arlbench.experiments.folder import SweepFolder, read_experiment, read_rows
from fake_training import fill, make_experiment, result_of


def without_clock(table: pa.Table) -> pa.Table:
    return table.drop(["train_seconds"])


def parts_of(path: Path) -> list[Path]:
    return sorted((path / "parts").glob("part-*"))


def test_one_tidy_row_for_each_training_and_evaluation(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment)
    table = read_rows(tmp_path)
    rows = table.to_pylist()
    assert [(row["config"], row["seed"], row["evaluation"]) for row in rows] == [
        (config, seed, evaluation)
        for config in range(4)
        for seed in (7, 8, 9)
        for evaluation in (1, 2, 3)
    ]
    expected = result_of(experiment, 1, 2)
    row = rows[3 * 3 + 2 * 3 + 1]
    assert row["timesteps"] == 2000
    np.testing.assert_array_equal(np.float32(row["episode_returns"]), expected.returns[1])
    assert row["return_mean"] == pytest.approx(expected.returns[1].mean())
    assert row["return_std"] == pytest.approx(expected.returns[1].std())
    assert (row["status"], row["diverged_at"]) == ("finished", None)
    assert {name: row[name] for name in experiment.configs[1]} == experiment.configs[1]


def test_types_are_those_of_the_documented_schema(tmp_path) -> None:
    fill(tmp_path, make_experiment())
    schema = read_rows(tmp_path).schema
    types = {name: str(schema.field(name).type) for name in schema.names}
    assert types["episode_returns"] == "list<item: float>"
    assert types["buffer_size"] == types["config"] == types["diverged_at"] == "int64"
    assert types["learning_rate"] == types["return_mean"] == "double"
    assert types["use_target_network"] == "bool"
    assert types["activation"] == types["status"] == "string"
    assert schema.metadata[b"format_version"] == str(FORMAT_VERSION).encode()
    assert schema.metadata[b"algorithm"] == b"DQN"
    assert schema.metadata[b"environment"] == b"CartPole-v1"
    assert schema.field("learning_rate").metadata[b"scale"] == b"log"
    assert schema.field("buffer_batch_size").metadata[b"scale"] == b"choice"
    for name, condition in (
        ("tau", "use_target_network"),
        ("buffer_alpha", "buffer_prio_sampling"),
    ):
        assert json.loads(schema.field(name).metadata[b"counts_if"]) == {condition: True}
    assert b"counts_if" not in schema.field("gamma").metadata


def test_a_diverged_training_keeps_its_finite_evaluations(tmp_path) -> None:
    fill(tmp_path, make_experiment())
    rows = [row for row in read_rows(tmp_path).to_pylist() if row["config"] == 3]
    assert len(rows) == 9
    assert {row["status"] for row in rows} == {"diverged"}
    assert {row["diverged_at"] for row in rows} == {1992}
    for row in rows:
        reached = row["evaluation"] == 1
        for name in ("return_mean", "return_std", "episode_returns"):
            assert (row[name] is not None) == reached


def test_the_order_of_finishing_does_not_matter(tmp_path) -> None:
    experiment = make_experiment()
    members = list(experiment.members)
    fill(tmp_path / "forwards", experiment, members, members_a_part=5)
    fill(tmp_path / "backwards", experiment, members[::-1], members_a_part=3)
    forwards, backwards = (read_rows(tmp_path / name) for name in ("forwards", "backwards"))
    assert without_clock(forwards).equals(without_clock(backwards), check_metadata=True)


def test_parts_continue_where_they_stopped(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment, list(experiment.members)[:5])
    assert [part.name for part in parts_of(tmp_path)] == [
        f"part-{number:06d}.parquet" for number in (1, 2, 3)
    ]
    with SweepFolder(tmp_path, experiment) as store:
        assert store.missing() == list(experiment.members)[5:]
    fill(tmp_path, experiment)
    assert len(parts_of(tmp_path)) == 3 + 4
    with SweepFolder(tmp_path, experiment) as store:
        assert store.missing() == []


def test_it_is_readable_before_the_first_part_and_while_it_grows(tmp_path) -> None:
    experiment = make_experiment()
    with SweepFolder(tmp_path, experiment, members_a_part=1) as store:
        assert read_rows(tmp_path).num_rows == 0
        store.add(result_of(experiment, 2, 0))
        assert read_rows(tmp_path).column("config").to_pylist() == [2, 2, 2]
        assert read_experiment(tmp_path) == experiment


def test_what_has_ended_is_written_though_nothing_follows(tmp_path) -> None:
    experiment = make_experiment()
    with SweepFolder(tmp_path, experiment, seconds_a_part=0.05) as store:
        store.add(result_of(experiment, 0, 0))
        deadline = time.monotonic() + 10
        while not read_rows(tmp_path).num_rows and time.monotonic() < deadline:
            time.sleep(0.01)
        assert read_rows(tmp_path).num_rows == 3
        # It is on disk a moment before it is removed from the list.
        store.flush()
        assert (0, 0) not in store.missing()


def test_the_experiment_is_read_as_it_was_written(tmp_path) -> None:
    experiment = make_experiment(origin={"sampler": "sobol"})
    fill(tmp_path, experiment, [])
    read = read_experiment(tmp_path)
    assert read == experiment
    assert read.problem.fingerprint == experiment.problem.fingerprint
    assert read.origin == {"sampler": "sobol"}
    assert read.versions["jax"] == experiment.versions["jax"]
    assert read.configs[0] == experiment.configs[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n_total_timesteps": 4000}, "n_total_timesteps is 3000 there and 4000 here"),
        ({"n_eval_episodes": 5}, "n_eval_episodes is 4 there and 5 here"),
        ({"schedule_timesteps": 9000}, "schedule_timesteps is 3000 there and 9000 here"),
        ({"options": {"eval_eps": 0.1}}, "option eval_eps is null there and 0.1 here"),
        ({"hpo_config": {"gamma": 0.5}}, "gamma is 0.99 there and 0.5 here"),
        (
            {"env_spec": EnvSpec("gymnax", "CartPole-v1", n_envs=8)},
            "n_envs of env_spec is 4 there and 8 here",
        ),
        (
            {"env_spec": EnvSpec("gymnax", "Acrobot-v1", n_envs=4)},
            "name of env_spec is .CartPole-v1. there and .Acrobot-v1. here",
        ),
    ],
)
def test_another_problem_is_refused_by_what_differs(change, named, tmp_path) -> None:
    fill(tmp_path, make_experiment())
    before, design = read_rows(tmp_path), (tmp_path / "design.json").read_text()
    with pytest.raises(StorageError, match=named):
        SweepFolder(tmp_path, make_experiment(**change))
    assert read_rows(tmp_path).equals(before)
    assert (tmp_path / "design.json").read_text() == design


def test_configurations_and_seeds_are_added_and_indices_stay(tmp_path) -> None:
    first = make_experiment(configs=({"gamma": 0.5}, {"gamma": 0.6}), n_seeds=2)
    fill(tmp_path, first)
    before = read_rows(tmp_path)
    more = make_experiment(
        configs=({"gamma": 0.7}, {"gamma": 0.5}), seeds=(8, 1), origin={"sampler": "file"}
    )
    with SweepFolder(tmp_path, more) as store:
        assert store.notes == [
            "1 configuration and 1 seed were added to the sweep, which now has 9 training runs."
        ]
        grown = store.experiment
        assert [config["gamma"] for config in grown.configs] == [0.5, 0.6, 0.7]
        assert grown.seeds == (7, 8, 1)
        assert store.missing() == [(0, 2), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert read_experiment(tmp_path) == grown
    assert read_experiment(tmp_path).origin["later"] == [{"sampler": "file"}]
    assert read_rows(tmp_path).equals(before)
    fill(tmp_path, more, [(2, 2)])
    keys = read_rows(tmp_path).select(["config", "seed"]).to_pylist()
    assert [(key["config"], key["seed"]) for key in keys[::3]] == [
        (0, 7), (0, 8), (1, 7), (1, 8), (2, 1),
    ]  # fmt: skip


def test_a_part_of_what_there_is_adds_nothing(tmp_path) -> None:
    fill(tmp_path, make_experiment())
    design = (tmp_path / "design.json").read_bytes()
    with SweepFolder(tmp_path, make_experiment(n_seeds=1, configs=({"learning_rate": 0.1,
        "buffer_batch_size": 256},))) as store:  # fmt: skip
        assert store.notes == []
        assert store.experiment == make_experiment()
        assert store.missing() == []
    assert (tmp_path / "design.json").read_bytes() == design


def test_a_writer_killed_while_it_grew_has_left_the_earlier_experiment(tmp_path) -> None:
    fill(tmp_path, make_experiment(n_seeds=2))
    before = read_rows(tmp_path)
    (tmp_path / ".design.json.part").write_text('{"format_version": 2')
    assert read_rows(tmp_path).equals(before)
    fill(tmp_path, make_experiment(n_seeds=3))
    assert read_rows(tmp_path).num_rows == 36


def test_other_versions_and_another_origin_are_the_same_sweep(tmp_path) -> None:
    fill(tmp_path, make_experiment(versions={"jax": "0.0.1"}), [])
    with SweepFolder(tmp_path, make_experiment(origin={"sampler": "file"})) as store:
        (note,) = store.notes
        assert "jax 0.0.1 (now 0." in note
    fill(tmp_path / "new", make_experiment(), [])
    with SweepFolder(tmp_path / "new", make_experiment()) as store:
        assert store.notes == []


def test_two_writers_are_one_too_many(tmp_path) -> None:
    experiment = make_experiment()
    with (
        SweepFolder(tmp_path, experiment),
        pytest.raises(StorageError, match="Another process is training"),
    ):
        SweepFolder(tmp_path, experiment)
    SweepFolder(tmp_path, experiment).close()


def test_leftovers_of_a_killed_writer_are_removed(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment, [(0, 0)])
    for leftover in (".design.json.part", "parts/.part-000002.parquet.part"):
        (tmp_path / leftover).write_bytes(b"half")
    assert read_rows(tmp_path).num_rows == 3
    fill(tmp_path, experiment)
    assert not [path for path in tmp_path.rglob(".*.part")]
    assert read_rows(tmp_path).num_rows == 36


def test_a_writer_killed_before_its_design_was_whole_has_left_nothing(tmp_path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "sweep.lock").write_text("")
    (tmp_path / ".design.json.part").write_bytes(b"{")
    fill(tmp_path, make_experiment())
    assert read_rows(tmp_path).num_rows == 36


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[1]", '{"schema_version": 1}', '{"format_version": 2}', '{"format_version"'],
)
def test_a_damaged_design_is_named(content, tmp_path) -> None:
    fill(tmp_path, make_experiment())
    (tmp_path / "design.json").write_text(content)
    with pytest.raises(StorageError, match=r"design\.json is damaged"):
        read_rows(tmp_path)


def test_paths_may_be_texts(tmp_path) -> None:
    folder = str(tmp_path / "search")
    experiment = make_experiment()
    with SweepFolder(folder, experiment) as storage:
        assert storage.path == tmp_path / "search"
    assert read_experiment(folder).configs == experiment.configs
    assert read_rows(folder).num_rows == 0


def test_a_sweep_of_an_algorithm_that_is_not_here_is_not_damaged(tmp_path) -> None:
    fill(tmp_path, make_experiment())
    file = tmp_path / "design.json"
    content = json.loads(file.read_text())
    content["problem"]["algorithm"] = "absent_module:Mine"
    file.write_text(json.dumps(content))
    with pytest.raises(StorageError, match="cannot be used here: The algorithm") as no:
        read_rows(tmp_path)
    assert "damaged" not in str(no.value)


def test_what_is_not_a_sweep_is_left_alone(tmp_path) -> None:
    with pytest.raises(StorageError, match="not the folder of a sweep"):
        read_rows(tmp_path)
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(StorageError, match="holds something that is not a sweep"):
        SweepFolder(tmp_path, make_experiment())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fake_training import make_experiment, result_of
from arlbench.errors import StorageError
from arlbench.experiments.folder import SweepFolder

experiment = make_experiment()
members = list(experiment.members)
store = SweepFolder(Path(sys.argv[1]), experiment, members_a_part=1, seconds_a_part=0.0)
store.add(result_of(experiment, *members[0]))
# Beyond this many bytes a file cannot grow, as on a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for member in members[1:]:
    try:
        store.add(result_of(experiment, *member))
    except StorageError as error:
        print(error)
"""


def test_a_full_disk_is_one_sentence_and_harms_no_part(tmp_path) -> None:
    words = [sys.executable, "-c", FILL_THE_DISK, str(tmp_path), str(Path(__file__).parents[1])]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ)
    sentence = done.stdout.splitlines()[0]
    assert f"{tmp_path}/parts cannot be written (File too large)" in sentence
    assert "make room" in sentence
    assert [path.name for path in parts_of(tmp_path)] == ["part-000001.parquet"]
    experiment = make_experiment()
    assert read_rows(tmp_path).column("seed").to_pylist() == [7, 7, 7]
    fill(tmp_path, experiment)
    assert read_rows(tmp_path).num_rows == 36


def test_an_error_during_the_training_is_told_by_the_next_call(tmp_path) -> None:
    experiment = make_experiment()
    store = SweepFolder(tmp_path, experiment, seconds_a_part=0.02)
    parts = tmp_path / "parts"
    parts.rmdir()
    store.add(result_of(experiment, 0, 0))
    time.sleep(0.5)
    with pytest.raises(StorageError, match="cannot be written"):
        store.add(result_of(experiment, 0, 1))
    with pytest.raises(StorageError, match="cannot be written"):
        store.close()
