"""The Parquet parts of an experiment's folder, each written once and never changed."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from arlbench.core import files
from arlbench.core.problem import Problem
from arlbench.errors import StorageError
from arlbench.experiments import version_1
from arlbench.experiments.experiment import FORMAT_VERSION, Experiment
from arlbench.experiments.table import RESULT_FIELDS, conformed, in_order, schema_of, table_of
from arlbench.population import MemberResult
from arlbench.population.members import MemberId

#: The folder of the parts.
FOLDER = "parts"

_NAME = re.compile(r"part-(\d{6,})\.parquet")
_RESULT_NAMES = frozenset(field.name for field in RESULT_FIELDS)


class Owner(NamedTuple):
    """The experiment that parts must belong to.

    Attributes:
        experiment: What is trained.
        design: Its identity in parts of format version 1; empty if it never had such parts.
    """

    experiment: Experiment
    design: str = ""

    def owns(self, version: int, metadata: dict[bytes, bytes]) -> bool:
        """Whether the metadata of a part, in its format version, name this experiment."""
        if version == version_1.FORMAT_VERSION:
            return metadata.get(b"design") == self.design.encode()
        return metadata.get(b"problem") == self.experiment.problem.fingerprint.encode()


def path_of(folder: Path, number: int) -> Path:
    """The path of a part in an experiment's folder."""
    return folder / FOLDER / f"part-{number:06d}.parquet"


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """The parts in an experiment's folder, in the order in which they were written."""
    entries = (folder / FOLDER).glob("part-*")
    matches = ((_NAME.fullmatch(entry.name), entry) for entry in entries)
    return sorted((int(match[1]), entry) for match, entry in matches if match)


def write(path: Path, experiment: Experiment, results: Sequence[MemberResult]) -> None:
    """Writes members that have ended.

    Raises:
        OSError: If it cannot be written; then the part does not exist.
    """
    buffer = io.BytesIO()
    pq.write_table(table_of(experiment, results), buffer, write_page_checksum=True)
    files.write(path, buffer.getvalue())


def read_all(listed: Iterable[tuple[int, Path]], owner: Owner) -> pa.Table:
    """The rows of parts in order, as :func:`numbered` lists the parts.

    Raises:
        StorageError: If one is damaged or does not belong here.
    """
    experiment = owner.experiment
    tables = [read(part, owner) for _, part in listed]
    return in_order(pa.concat_tables([schema_of(experiment).empty_table(), *tables]), experiment)


def read(part: Path, owner: Owner) -> pa.Table:
    """The rows of a part, with the columns of the present version.

    Raises:
        StorageError: If it is damaged, does not belong here, or a newer version wrote it.
    """
    try:
        table = pq.read_table(part, page_checksum_verification=True, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise StorageError(
            f"{part} is damaged ({_first_line(error)}); delete it: its training runs are "
            "repeated when the sweep continues."
        ) from error
    metadata = table.schema.metadata or {}
    version = int(metadata.get(b"format_version", metadata.get(b"schema_version", b"0")))
    check_version(part, version)
    if not (owner.owns(version, metadata) and _has_members(owner.experiment, table)):
        raise StorageError(f"{part} belongs to another sweep; move it out of the folder.")
    names = [name for name in table.column_names if name not in _RESULT_NAMES]
    check_names(part, names, owner.experiment.problem)
    return conformed(table, owner.experiment)


def _has_members(experiment: Experiment, table: pa.Table) -> bool:
    """Whether every row has a configuration and a seed of the experiment."""
    configs, seeds = (set(table.column(key).unique().to_pylist()) for key in ("config", "seed"))
    return configs <= set(range(len(experiment.configs))) and seeds <= set(experiment.seeds)


def kept_members(folder: Path, owner: Owner) -> set[MemberId]:
    """The members in all parts.

    Raises:
        StorageError: If a part is damaged, or two hold the same member.
    """
    seeds = owner.experiment.seeds
    index_of_seed = {seed: index for index, seed in enumerate(seeds)}
    part_of: dict[MemberId, Path] = {}
    for _, part in numbered(folder):
        keys = read(part, owner).select(["config", "seed"]).to_pylist()
        for member in {MemberId(row["config"], index_of_seed[row["seed"]]) for row in keys}:
            if member in part_of:
                raise StorageError(
                    f"{part} and {part_of[member].name} hold the same training run (configuration "
                    f"{member.config_index}, seed {seeds[member.seed_index]}); delete one of the "
                    "two files."
                )
            part_of[member] = part
    return set(part_of)


def check_version(file: Path, version: int) -> None:
    """Raises a StorageError if a newer version wrote a file."""
    if version > FORMAT_VERSION:
        raise StorageError(
            f"{file} has the format {version}, and this version of arlbench reads up to "
            f"{FORMAT_VERSION}; install a newer one."
        )


def check_names(file: Path, names: Iterable[str], problem: Problem) -> None:
    """Raises a StorageError if a file has a hyperparameter that does not exist yet."""
    for name in (name for name in names if name not in problem.declarations):
        raise StorageError(
            f"{file} has the hyperparameter '{name}', which this version of arlbench does not "
            "know; install a newer one."
        )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:200].rstrip(".")
