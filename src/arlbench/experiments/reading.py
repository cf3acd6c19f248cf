"""Reads rows of configurations from files in several formats."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from arlbench.core.text_values import parse_value
from arlbench.core.yaml_text import parse_yaml
from arlbench.errors import ConfigurationError

Row = Mapping[str, Any]

_SEPARATORS = ",;\t"

# How tables write a missing value.
_NOTHING = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>"})

# A number with a decimal comma, as in some tables with semicolons between cells.
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, with None for missing values.

    Args:
        path: Its name ends in .yaml, .yml, .json, .csv, .tsv or .parquet.

    Raises:
        ConfigurationError: If it cannot be read or has other content.
    """
    readers = {
        ".parquet": _read_parquet,
        ".csv": _read_table,
        ".tsv": _read_table,
        ".json": _read_json,
        ".yaml": _read_yaml,
        ".yml": _read_yaml,
    }
    if path.suffix.lower() not in readers:
        if not path.exists():
            raise ConfigurationError(f"{path} does not exist.")
        raise ConfigurationError(
            f"{path} is not a file of configurations; its name must end in .yaml, .json, .csv "
            "or .parquet."
        )
    rows = readers[path.suffix.lower()](path)
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise ConfigurationError(
            f"{path} must contain a list of mappings from hyperparameters to values."
        )
    return [_flat(row) for row in rows]


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error, "it is not text") from None


def _unreadable(path: Path, error: Exception, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be read ({getattr(error, 'strerror', None) or reason}); give a YAML, JSON, "
        "CSV or Parquet file."
    )


def _read_parquet(path: Path) -> list[Row]:
    try:
        with path.open("rb") as file:
            rows: list[Row] = parquet.read_table(file).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error, "it is not a Parquet file") from None
    return rows


def _read_table(path: Path) -> list[Row]:
    text = _text_of(path)
    first_line = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first_line.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    header = [name.strip() for name in reader.fieldnames or ()]
    for name in header:
        if header.count(name) > 1:
            raise ConfigurationError(f"{path} has two columns called '{name}'; remove one.")
    reader.fieldnames = header
    rows: list[Row] = []
    for row in reader:
        if None in row or None in row.values():
            raise ConfigurationError(
                f"{path}, line {reader.line_num}: the number of cells differs from the header; "
                "fix the line, or separate all cells by commas, by semicolons or by tabs."
            )
        rows.append({name: _cell(text, separator) for name, text in row.items()})
    return rows


def _cell(text: str, separator: str) -> Any:
    text = text.strip()
    if text.casefold() in _NOTHING:
        return None
    if separator != "," and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    return parse_value(text)


def _read_json(path: Path) -> Any:
    text = _text_of(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{path} is not valid JSON ({error.msg}, line {error.lineno}); fix it there."
        ) from None


def _read_yaml(path: Path) -> Any:
    rows = parse_yaml(_text_of(path), path)
    if not isinstance(rows, list):
        return rows
    return [_with_numbers(row) if isinstance(row, Mapping) else row for row in rows]


def _with_numbers(row: Mapping[Any, Any]) -> dict[Any, Any]:
    # YAML 1.1 reads 1e-3 as text, because it lacks a decimal point.
    return {name: _with_number(value) for name, value in row.items()}


def _with_number(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _with_numbers(value)
    return parse_value(value) if isinstance(value, str) else value


def _flat(row: Row) -> Row:
    """The row with nested mappings as dotted names, and None for NaN."""
    flat: dict[Any, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": within for inner, within in _flat(value).items()}
        else:
            flat[name] = None if value != value else value  # noqa: PLR0124  (NaN is not itself)
    return flat
