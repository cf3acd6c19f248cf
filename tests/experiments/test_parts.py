"""Parts are read only if they are intact, belong to the experiment and have a known format."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arlbench.errors import StorageError
from arlbench.experiments.experiment import FORMAT_VERSION
from arlbench.experiments.folder import SweepFolder, read_rows
from fake_training import fill, make_experiment


def without_clock(table: pa.Table) -> pa.Table:
    return table.drop(["train_seconds"])


def parts_of(path: Path) -> list[Path]:
    return sorted((path / "parts").glob("part-*"))


def test_a_hyperparameter_that_did_not_exist_stands_for_its_default(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment, members_a_part=100)
    whole = read_rows(tmp_path)
    (part,) = parts_of(tmp_path)
    pq.write_table(pq.read_table(part).drop(["gamma", "activation"]), part)
    content = json.loads((tmp_path / "design.json").read_text())
    for config in content["configs"]:
        del config["gamma"], config["activation"]
    (tmp_path / "design.json").write_text(json.dumps(content))
    assert read_rows(tmp_path).equals(whole, check_metadata=True)
    with SweepFolder(tmp_path, experiment) as store:
        assert store.missing() == []
        assert store.notes == []


def test_a_hyperparameter_of_a_newer_version_is_refused(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment, members_a_part=100)
    (part,) = parts_of(tmp_path)
    table = pq.read_table(part)
    pq.write_table(table.append_column("colour", table["gamma"]), part)
    refused = r"part-000001\.parquet has the hyperparameter 'colour'.*install a newer one"
    with pytest.raises(StorageError, match=refused):
        read_rows(tmp_path)
    content = json.loads((tmp_path / "design.json").read_text())
    content["configs"][2]["colour"] = 0.5
    (tmp_path / "design.json").write_text(json.dumps(content))
    refused = r"design\.json has the hyperparameter 'colour'.*install a newer one"
    with pytest.raises(StorageError, match=refused):
        SweepFolder(tmp_path, experiment)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text"])
def test_a_damaged_part_is_named_and_trained_again_when_deleted(damage, tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment)
    whole = read_rows(tmp_path)
    part = parts_of(tmp_path)[1]
    content = bytearray(part.read_bytes())
    # A flipped bit in the first page, which only the checksum can detect.
    content[20] ^= 1
    damaged = {"cut": content[:-100], "bit": content, "empty": b"", "text": b"no parquet at all"}
    part.write_bytes(damaged[damage])
    for read in (lambda: read_rows(tmp_path), lambda: SweepFolder(tmp_path, experiment)):
        with pytest.raises(StorageError, match=r"part-000002\.parquet is damaged .* delete it"):
            read()
    part.unlink()
    with SweepFolder(tmp_path, experiment) as store:
        assert store.missing() == [(0, 2), (1, 0)]
    fill(tmp_path, experiment)
    assert without_clock(read_rows(tmp_path)).equals(without_clock(whole))


def test_a_part_of_another_sweep_is_refused(tmp_path) -> None:
    fill(tmp_path / "a", make_experiment())
    fill(tmp_path / "b", make_experiment(n_total_timesteps=6000))
    parts_of(tmp_path / "b")[0].replace(tmp_path / "a" / "parts" / "part-000099.parquet")
    with pytest.raises(StorageError, match=r"part-000099\.parquet belongs to another sweep"):
        read_rows(tmp_path / "a")


def test_a_part_of_members_that_the_design_lacks_is_refused(tmp_path) -> None:
    fill(tmp_path / "a", make_experiment(n_seeds=2))
    fill(tmp_path / "b", make_experiment(n_seeds=3), [(0, 2)])
    parts_of(tmp_path / "b")[0].replace(tmp_path / "a" / "parts" / "part-000099.parquet")
    with pytest.raises(StorageError, match=r"part-000099\.parquet belongs to another sweep"):
        read_rows(tmp_path / "a")


def test_one_training_in_two_parts_is_refused(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment)
    twice = tmp_path / "parts" / "part-000099.parquet"
    twice.write_bytes(parts_of(tmp_path)[0].read_bytes())
    with pytest.raises(StorageError, match=r"hold the same training run .* delete one"):
        SweepFolder(tmp_path, experiment)


def test_a_newer_format_is_refused(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment)
    part, newer = parts_of(tmp_path)[0], {b"format_version": str(FORMAT_VERSION + 1)}
    table = pq.read_table(part)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **newer}), part)
    with pytest.raises(StorageError, match=r"part-000001.parquet has the format 3.*newer"):
        read_rows(tmp_path)
    content = json.loads((tmp_path / "design.json").read_text())
    content |= {"format_version": FORMAT_VERSION + 1, "colour": "blue"}
    (tmp_path / "design.json").write_text(json.dumps(content))
    with pytest.raises(StorageError, match=r"design.json has the format 3.*newer"):
        SweepFolder(tmp_path, experiment)
