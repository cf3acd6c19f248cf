"""Configurations from a file: a list in YAML or JSON, or the rows of a CSV file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from arlbench.core.checks import positive_whole
from arlbench.core.problem import Problem
from arlbench.core.text_values import parse_value
from arlbench.errors import ConfigurationError, did_you_mean
from arlbench.experiments.space import Choices, Range, parse_dimension
from arlbench.experiments.tuner import Trial, Tuner

Row = Mapping[str, Any]

# Columns that say how a configuration ended, or which it was.
_RESULT = re.compile(
    r"run_id|config|config_id|n_seeds"
    r"|return_(mean|std|median|min|max)(_at_\d+)?(_over_seeds)?"
)


class File(Tuner):
    """Configurations in the order of a file; empty cells and missing names have defaults.

    Words give values for hyperparameters that the file does not have. The name of the file
    ends in .yaml, .yml, .json or .csv.
    """

    reads_file = True

    def __init__(
        self, problem: Problem, words: Mapping[str, str], *, seed: int = 0, file: Path | None = None
    ) -> None:
        super().__init__(problem, words, seed=seed, file=file)
        if file is None:
            raise ConfigurationError("There is no file to read configurations from; give one.")
        self._path = file
        self._rows = _read_rows(file)
        if not self._rows:
            raise ConfigurationError(f"{file} holds no configurations; add at least one.")
        self._n_asked = 0

    @property
    def n_trials(self) -> int:
        return len(self._rows)

    def ask(self, n: int) -> list[Trial]:
        begin, end = self._n_asked, self._n_asked + positive_whole("n_configs", n)
        if end > self.n_trials:
            raise ConfigurationError(
                f"{self._path} holds {self.n_trials} configurations, fewer than {end}; lower "
                "n_configs."
            )
        configs = self._first(end)
        self._n_asked = end
        return [Trial(config) for config in configs[begin:]]

    def _first(self, n: int) -> list[dict[str, Any]]:
        path, rows = self._path, self._rows[:n]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        left_out = _check_columns(path, columns, self.problem)
        if left_out:
            self.note = (
                f"Columns of {path} that are not hyperparameters were left out: "
                f"{', '.join(left_out)}."
            )
        fixed = {name: self._fixed_value(name, text, columns) for name, text in self.words.items()}
        kept = ({k: v for k, v in row.items() if k not in left_out} for row in rows)
        configs = [self._config(index, {**fixed, **row}) for index, row in enumerate(kept)]
        _refuse_duplicates(path, configs)
        return configs

    def _fixed_value(self, name: str, text: str, columns: Sequence[str]) -> Any:
        value = parse_dimension(name, text, self.problem.declarations)
        if isinstance(value, (Choices, Range)):
            raise ConfigurationError(
                f"'{name}={text}' has several values, and with a file of configurations a word can "
                f"only fix one; write {name}=VALUE."
            )
        if name in columns:
            raise ConfigurationError(
                f"{name} is given twice, in {self._path} and as '{name}={text}'; keep one of them."
            )
        return value

    def _config(self, index: int, values: Row) -> dict[str, Any]:
        try:
            return self.problem.resolve(values)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._path}, configuration {index}: {error}") from None


def _read_rows(path: Path) -> list[Row]:
    readers = {".csv": _read_csv, ".json": _read_json, ".yaml": _read_yaml, ".yml": _read_yaml}
    if path.suffix.lower() not in readers:
        raise ConfigurationError(
            f"{path} is not a file of configurations, whose name ends in .yaml, .json or .csv."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or 'it is not text'}); give "
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
                "fix the line."
            )
        rows.append({k: parse_value(v.strip()) if v.strip() else None for k, v in row.items()})
    return rows


def _read_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{path} is not JSON ({error.msg}, line {error.lineno}); fix it there."
        ) from None


def _read_yaml(path: Path, text: str) -> Any:
    try:
        rows = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"{path} is not YAML ({getattr(error, 'problem', None) or 'unreadable'}{place}); fix "
            "it there."
        ) from None
    if not isinstance(rows, list):
        return rows
    return [_with_numbers(row) if isinstance(row, Mapping) else row for row in rows]


def _with_numbers(row: Row) -> Row:
    # YAML 1.1 takes 1e-3 for text, because it has no point.
    return {k: parse_value(v) if isinstance(v, str) else v for k, v in row.items()}


def _check_columns(path: Path, columns: Iterable[Any], problem: Problem) -> list[str]:
    """The columns that are results; raises if one is neither that nor a hyperparameter."""
    known, left_out = problem.declarations, []
    for column in columns:
        if column in known:
            continue
        if not _RESULT.fullmatch(str(column)):
            hint = did_you_mean(str(column), known) or f" Known: {', '.join(known)}."
            raise ConfigurationError(
                f"{path} has the column '{column}', which is not a hyperparameter.{hint}"
            )
        left_out.append(column)
    return left_out


def _refuse_duplicates(path: Path, configs: Iterable[Mapping[str, Any]]) -> None:
    first_index: dict[tuple[Any, ...], int] = {}
    for index, config in enumerate(configs):
        earlier = first_index.setdefault(tuple(config.values()), index)
        if earlier != index:
            raise ConfigurationError(
                f"{path} holds one configuration twice, as number {earlier} and number {index} "
                "(counted from 0; what is inactive does not tell them apart); remove one."
            )
