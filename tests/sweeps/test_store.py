"""The store: whole whenever it is read, never written twice, refused where it does not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arlbench.errors import SweepStoreError
from arlbench.sweeps.design import SCHEMA_VERSION, SweepDesign
from arlbench.sweeps.store import SweepStore, read_design, read_table
from fake_training import make_design, result_of


def fill(path: Path, design: SweepDesign, members=None, members_a_part: int = 2) -> None:
    """Keeps trainings, all by default, a part for every so many."""
    with SweepStore(path, design, members_a_part=members_a_part) as store:
        for member in store.missing() if members is None else members:
            store.add(result_of(design, *member))


def without_clock(table: pa.Table) -> pa.Table:
    return table.drop(["train_seconds"])


def parts_of(path: Path) -> list[Path]:
    return sorted((path / "parts").glob("part-*"))


def test_one_tidy_row_for_each_training_and_evaluation(tmp_path) -> None:
    design = make_design()
    fill(tmp_path, design)
    table = read_table(tmp_path)
    rows = table.to_pylist()
    assert [(row["config"], row["seed"], row["evaluation"]) for row in rows] == [
        (config, seed, evaluation)
        for config in range(4)
        for seed in (7, 8, 9)
        for evaluation in (1, 2, 3)
    ]
    expected = result_of(design, 1, 2)
    row = rows[3 * 3 + 2 * 3 + 1]
    assert row["timesteps"] == 2000
    np.testing.assert_array_equal(np.float32(row["episode_returns"]), expected.returns[1])
    assert row["return_mean"] == pytest.approx(expected.returns[1].mean())
    assert row["return_std"] == pytest.approx(expected.returns[1].std())
    assert (row["status"], row["diverged_at"]) == ("finished", None)
    assert {name: row[name] for name in design.configs[1]} == design.configs[1]


def test_types_are_those_of_the_documented_schema(tmp_path) -> None:
    fill(tmp_path, make_design())
    schema = read_table(tmp_path).schema
    types = {name: str(schema.field(name).type) for name in schema.names}
    assert types["episode_returns"] == "list<item: float>"
    assert types["buffer_size"] == types["config"] == types["diverged_at"] == "int64"
    assert types["learning_rate"] == types["return_mean"] == "double"
    assert types["use_target_network"] == "bool"
    assert types["activation"] == types["status"] == "string"
    assert schema.metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    assert schema.field("learning_rate").metadata[b"scale"] == b"log"
    assert schema.field("buffer_batch_size").metadata[b"scale"] == b"choice"
    counts_where = schema.field("tau").metadata[b"counts_where"]
    assert json.loads(counts_where) == {"use_target_network": True}


def test_a_diverged_training_keeps_its_finite_evaluations(tmp_path) -> None:
    fill(tmp_path, make_design())
    rows = [row for row in read_table(tmp_path).to_pylist() if row["config"] == 3]
    assert len(rows) == 9
    assert {row["status"] for row in rows} == {"diverged"}
    assert {row["diverged_at"] for row in rows} == {1992}
    for row in rows:
        reached = row["evaluation"] == 1
        for name in ("return_mean", "return_std", "episode_returns"):
            assert (row[name] is not None) == reached


def test_the_order_of_finishing_does_not_matter(tmp_path) -> None:
    design = make_design()
    members = list(design.members)
    fill(tmp_path / "forwards", design, members, members_a_part=5)
    fill(tmp_path / "backwards", design, members[::-1], members_a_part=3)
    forwards, backwards = (read_table(tmp_path / name) for name in ("forwards", "backwards"))
    assert without_clock(forwards).equals(without_clock(backwards), check_metadata=True)


def test_parts_go_on_where_they_stopped(tmp_path) -> None:
    design = make_design()
    fill(tmp_path, design, list(design.members)[:5])
    assert [part.name for part in parts_of(tmp_path)] == [
        f"part-{number:06d}.parquet" for number in (1, 2, 3)
    ]
    with SweepStore(tmp_path, design) as store:
        assert store.missing() == list(design.members)[5:]
    fill(tmp_path, design)
    assert len(parts_of(tmp_path)) == 3 + 4
    with SweepStore(tmp_path, design) as store:
        assert store.missing() == []


def test_it_is_readable_before_the_first_part_and_while_it_grows(tmp_path) -> None:
    design = make_design()
    with SweepStore(tmp_path, design, members_a_part=1) as store:
        assert read_table(tmp_path).num_rows == 0
        store.add(result_of(design, 2, 0))
        assert read_table(tmp_path).column("config").to_pylist() == [2, 2, 2]
        assert read_design(tmp_path) == design


def test_what_has_ended_is_written_though_nothing_follows(tmp_path) -> None:
    design = make_design()
    with SweepStore(tmp_path, design, seconds_a_part=0.05) as store:
        store.add(result_of(design, 0, 0))
        deadline = time.monotonic() + 10
        while not read_table(tmp_path).num_rows and time.monotonic() < deadline:
            time.sleep(0.01)
        assert read_table(tmp_path).num_rows == 3
        # On disk a moment before it is taken off the list.
        store.flush()
        assert (0, 0) not in store.missing()


def test_the_design_is_read_as_it_was_written(tmp_path) -> None:
    design = make_design(origin={"sampler": "sobol"})
    fill(tmp_path, design, [])
    read = read_design(tmp_path)
    assert read == design
    assert read.fingerprint == design.fingerprint
    assert read.origin == {"sampler": "sobol"}
    assert read.versions["jax"] == design.versions["jax"]
    assert read.configs[0] == design.configs[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n_total_timesteps": 4000}, "n_total_timesteps is 3000 there and 4000 here"),
        ({"n_eval_episodes": 5}, "n_eval_episodes"),
        ({"n_seeds": 2}, r"seeds is \[7, 8, 9\] there and \[7, 8\] here"),
        ({"n_configs": 5}, "4 configurations and here are 5"),
        ({"configs": ({"gamma": 0.5},) * 4}, "gamma of configuration 0 is 0.99 there and 0.5 here"),
    ],
)
def test_another_design_is_refused_by_what_differs(change, named, tmp_path) -> None:
    fill(tmp_path, make_design())
    before = read_table(tmp_path)
    with pytest.raises(SweepStoreError, match=named):
        SweepStore(tmp_path, make_design(**change))
    assert read_table(tmp_path).equals(before)


def test_other_versions_and_another_origin_are_the_same_design(tmp_path) -> None:
    fill(tmp_path, make_design(versions={"jax": "0.0.1"}), [])
    with SweepStore(tmp_path, make_design(origin={"sampler": "file"})) as store:
        assert "jax 0.0.1 (now 0." in store.versions_note()
    fill(tmp_path / "new", make_design(), [])
    with SweepStore(tmp_path / "new", make_design()) as store:
        assert store.versions_note() == ""


def test_two_writers_are_one_too_many(tmp_path) -> None:
    design = make_design()
    with (
        SweepStore(tmp_path, design),
        pytest.raises(SweepStoreError, match="Another process is training"),
    ):
        SweepStore(tmp_path, design)
    SweepStore(tmp_path, design).close()


def test_leftovers_of_a_killed_writer_are_removed(tmp_path) -> None:
    design = make_design()
    fill(tmp_path, design, [(0, 0)])
    for leftover in (".design.json.part", "parts/.part-000002.parquet.part"):
        (tmp_path / leftover).write_bytes(b"half")
    assert read_table(tmp_path).num_rows == 3
    fill(tmp_path, design)
    assert not [path for path in tmp_path.rglob(".*.part")]
    assert read_table(tmp_path).num_rows == 36


def test_a_writer_killed_before_its_design_was_whole_has_left_nothing(tmp_path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "sweep.lock").write_text("")
    (tmp_path / ".design.json.part").write_bytes(b"{")
    fill(tmp_path, make_design())
    assert read_table(tmp_path).num_rows == 36


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text"])
def test_a_damaged_part_is_named_and_trained_again_when_deleted(damage, tmp_path) -> None:
    design = make_design()
    fill(tmp_path, design)
    whole = read_table(tmp_path)
    part = parts_of(tmp_path)[1]
    content = bytearray(part.read_bytes())
    # A flipped bit in the first page, where only its checksum can tell.
    content[20] ^= 1
    damaged = {"cut": content[:-100], "bit": content, "empty": b"", "text": b"no parquet at all"}
    part.write_bytes(damaged[damage])
    for read in (lambda: read_table(tmp_path), lambda: SweepStore(tmp_path, design)):
        with pytest.raises(SweepStoreError, match=r"part-000002\.parquet is damaged .* delete it"):
            read()
    part.unlink()
    with SweepStore(tmp_path, design) as store:
        assert store.missing() == [(0, 2), (1, 0)]
    fill(tmp_path, design)
    assert without_clock(read_table(tmp_path)).equals(without_clock(whole))


def test_a_part_of_another_sweep_is_refused(tmp_path) -> None:
    fill(tmp_path / "a", make_design())
    fill(tmp_path / "b", make_design(n_total_timesteps=6000))
    parts_of(tmp_path / "b")[0].replace(tmp_path / "a" / "parts" / "part-000099.parquet")
    with pytest.raises(SweepStoreError, match=r"part-000099\.parquet belongs to another sweep"):
        read_table(tmp_path / "a")


def test_one_training_in_two_parts_is_refused(tmp_path) -> None:
    design = make_design()
    fill(tmp_path, design)
    twice = tmp_path / "parts" / "part-000099.parquet"
    twice.write_bytes(parts_of(tmp_path)[0].read_bytes())
    with pytest.raises(SweepStoreError, match=r"hold the same training .* delete one"):
        SweepStore(tmp_path, design)


def test_a_newer_schema_is_refused(tmp_path) -> None:
    design = make_design()
    fill(tmp_path, design)
    part, newer = parts_of(tmp_path)[0], {b"schema_version": str(SCHEMA_VERSION + 1)}
    table = pq.read_table(part)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **newer}), part)
    with pytest.raises(SweepStoreError, match=r"part-000001.parquet has the schema 2.*newer"):
        read_table(tmp_path)
    content = json.loads((tmp_path / "design.json").read_text())
    content |= {"schema_version": SCHEMA_VERSION + 1, "colour": "blue"}
    (tmp_path / "design.json").write_text(json.dumps(content))
    with pytest.raises(SweepStoreError, match=r"design.json has the schema 2.*newer"):
        SweepStore(tmp_path, design)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema_version": 1}', '{"schema_version"'])
def test_a_damaged_design_is_named(content, tmp_path) -> None:
    fill(tmp_path, make_design())
    (tmp_path / "design.json").write_text(content)
    with pytest.raises(SweepStoreError, match=r"design\.json is damaged"):
        read_table(tmp_path)


def test_what_is_no_sweep_is_left_alone(tmp_path) -> None:
    with pytest.raises(SweepStoreError, match="no sweep in"):
        read_table(tmp_path)
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SweepStoreError, match="holds something that is no sweep"):
        SweepStore(tmp_path, make_design())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fake_training import make_design, result_of
from arlbench.errors import SweepStoreError
from arlbench.sweeps.store import SweepStore

design = make_design()
members = list(design.members)
store = SweepStore(Path(sys.argv[1]), design, members_a_part=1, seconds_a_part=0.0)
store.add(result_of(design, *members[0]))
# Beyond this many bytes a file cannot grow, as on a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for member in members[1:]:
    try:
        store.add(result_of(design, *member))
    except SweepStoreError as error:
        print(error)
"""


def test_a_full_disk_is_one_sentence_and_harms_no_part(tmp_path) -> None:
    words = [sys.executable, "-c", FILL_THE_DISK, str(tmp_path), str(Path(__file__).parents[1])]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ)
    sentence = done.stdout.splitlines()[0]
    assert f"{tmp_path}/parts cannot be written (File too large)" in sentence
    assert "make room" in sentence
    assert [path.name for path in parts_of(tmp_path)] == ["part-000001.parquet"]
    design = make_design()
    assert read_table(tmp_path).column("seed").to_pylist() == [7, 7, 7]
    fill(tmp_path, design)
    assert read_table(tmp_path).num_rows == 36


def test_an_error_beside_the_training_is_told_by_the_next_call(tmp_path) -> None:
    design = make_design()
    store = SweepStore(tmp_path, design, seconds_a_part=0.02)
    parts = tmp_path / "parts"
    parts.rmdir()
    store.add(result_of(design, 0, 0))
    time.sleep(0.5)
    with pytest.raises(SweepStoreError, match="cannot be written"):
        store.add(result_of(design, 0, 1))
    with pytest.raises(SweepStoreError, match="cannot be written"):
        store.close()
