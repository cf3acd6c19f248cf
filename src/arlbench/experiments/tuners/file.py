"""Configurations from a file: a list in YAML or JSON, or the rows of a CSV file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from arlbench.core.text_values import parse_value
from arlbench.errors import ConfigurationError, did_you_mean
from arlbench.sweeps.space import Choices, Range, complete, names, parse_dimension

Row = Mapping[str, Any]

# Columns that say what came of a configuration, or which it was.
_RESULT = re.compile(
    r"run_id|config|config_id|n_seeds"
    r"|return_(mean|std|median|min|max)(_at_\d+)?(_over_seeds)?"
)


class FileConfigs(NamedTuple):
    """The configurations of a file.

    Attributes:
        configs: In the order of the file, complete.
        note: A sentence about the columns that were left out; empty where none were.
    """

    configs: list[dict[str, Any]]
    note: str


def read_configs(path: Path, words: Mapping[str, str], n_configs: int | None) -> FileConfigs:
    """Reads configurations; empty cells and missing names have their defaults.

    Args:
        path: A file whose name ends in .yaml, .yml, .json or .csv.
        words: Values for hyperparameters that the file does not have.
        n_configs: Take only as many, from the beginning; None takes all.

    Raises:
        ConfigurationError: If the file cannot be read, a column is unknown, a value
            impossible, or two configurations are equal.
    """
    rows = _read_rows(path)
    if not rows:
        raise ConfigurationError(f"{path} holds no configurations; add at least one.")
    if n_configs is not None and n_configs > len(rows):
        raise ConfigurationError(
            f"{path} holds {len(rows)} configurations, fewer than {n_configs}; lower n_configs."
        )
    rows = rows[:n_configs]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    left_out = _check_columns(path, columns)
    fixed = {name: _fixed_value(name, text, columns, path) for name, text in words.items()}
    configs = [_config(path, i, row, fixed, left_out) for i, row in enumerate(rows)]
    _refuse_duplicates(path, configs)
    note = f"Columns of {path} that are no hyperparameters were left out: {', '.join(left_out)}."
    return FileConfigs(configs, note if left_out else "")


def _read_rows(path: Path) -> list[Row]:
    readers = {".csv": _read_csv, ".json": _read_json, ".yaml": _read_yaml, ".yml": _read_yaml}
    if path.suffix.lower() not in readers:
        raise ConfigurationError(
            f"{path} is no file of configurations, whose name ends in .yaml, .json or .csv."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or 'it is no text'}); give "
            "--file a YAML, JSON or CSV file."
        ) from None
    rows = readers[path.suffix.lower()](path, text)
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise ConfigurationError(
            f"{path} must hold a list of mappings from hyperparameters to values."
        )
    return rows


def _read_csv(path: Path, text: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = [name.strip() for name in reader.fieldnames or ()]
    for name in header:
        if header.count(name) > 1:
            raise ConfigurationError(f"{path} has two columns called '{name}'; remove one.")
    reader.fieldnames = header
    rows: list[Row] = []
    for row in reader:
        if None in row or None in row.values():
            raise ConfigurationError(
                f"{path}, line {reader.line_num}: the number of cells is not that of the header; "
                "mend the line."
            )
        rows.append({k: parse_value(v.strip()) if v.strip() else None for k, v in row.items()})
    return rows


def _read_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{path} is no JSON ({error.msg}, line {error.lineno}); mend it there."
        ) from None


def _read_yaml(path: Path, text: str) -> Any:
    try:
        rows = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"{path} is no YAML ({getattr(error, 'problem', None) or 'unreadable'}{where}); mend "
            "it there."
        ) from None
    if not isinstance(rows, list):
        return rows
    return [_with_numbers(row) if isinstance(row, Mapping) else row for row in rows]


def _with_numbers(row: Row) -> Row:
    # YAML 1.1 takes 1e-3 for text, because it has no point.
    return {k: parse_value(v) if isinstance(v, str) else v for k, v in row.items()}


def _check_columns(path: Path, columns: Iterable[Any]) -> list[str]:
    """The columns that are results; raises where one is neither that nor a hyperparameter."""
    left_out = []
    for column in columns:
        if column in names():
            continue
        if not _RESULT.fullmatch(str(column)):
            hint = did_you_mean(str(column), names()) or f" Known: {', '.join(names())}."
            raise ConfigurationError(
                f"{path} has the column '{column}', which is no hyperparameter.{hint}"
            )
        left_out.append(column)
    return left_out


def _fixed_value(name: str, text: str, columns: Sequence[str], path: Path) -> Any:
    value = parse_dimension(name, text)
    if isinstance(value, (Choices, Range)):
        raise ConfigurationError(
            f"'{name}={text}' has several values, and beside a file of configurations a word can "
            f"only fix one; write {name}=VALUE."
        )
    if name in columns:
        raise ConfigurationError(
            f"{name} is given twice, in {path} and as '{name}={text}'; keep one of them."
        )
    return value


def _config(
    path: Path, index: int, row: Row, fixed: Mapping[str, Any], left_out: Iterable[str]
) -> dict[str, Any]:
    try:
        return complete({**fixed, **{k: v for k, v in row.items() if k not in left_out}})
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}, configuration {index}: {error}") from None


def _refuse_duplicates(path: Path, configs: Iterable[Mapping[str, Any]]) -> None:
    first_index: dict[tuple[Any, ...], int] = {}
    for index, config in enumerate(configs):
        earlier = first_index.setdefault(tuple(config.values()), index)
        if earlier != index:
            raise ConfigurationError(
                f"{path} holds one configuration twice, as number {earlier} and number {index} "
                "(counted from 0; what is inactive does not tell them apart); remove one."
            )
