"""Configurations from a file: a list in YAML or JSON, or the rows of a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError, did_you_mean
from arlbench.experiments.config_spaces import Where
from arlbench.experiments.reading import Row, read_rows
from arlbench.experiments.sampler import Sampler
from arlbench.experiments.space import Choices, Range, parse_dimension

# Prefixes of hyperparameters and architecture choices in published tables.
_PREFIX = re.compile(r"(hp|hpo|nas)_config\.")

# Columns that identify a configuration or hold its results; pandas' index has an empty name.
_RESULT = re.compile(
    r"|index|level_\d+|Unnamed: ?\d+"
    r"|run_id|config|config_id|budget|performance|seed|n_seeds"
    # Those of a sweep's own tables.
    r"|evaluation|timesteps|episode_returns|status|diverged_at|train_seconds"
    r"|return_(mean|std|median|min|max)(_at_\d+)?(_over_seeds)?"
)


class File(Sampler):
    """Configurations in the order of a file; empty cells and missing names mean defaults.

    The user's arguments give values for hyperparameters that the file does not have. The name
    of the file ends in .yaml, .yml, .json, .csv, .tsv or .parquet. Repeated configurations,
    perhaps with another seed or budget, count once.

    Attributes:
        rows: For each configuration, the first row that holds it, counted from 0.
    """

    reads_file = True

    def __init__(
        self, problem: Problem, words: Where, *, seed: int = 0, file: str | Path | None = None
    ) -> None:
        super().__init__(problem, words, seed=seed, file=file)
        if self.file is None:
            raise ConfigurationError("The sampler file needs a file of configurations; give one.")
        file = self.file
        rows = read_rows(file)
        if not rows:
            raise ConfigurationError(
                f"{file} does not contain any configurations; add at least one."
            )
        columns = dict.fromkeys(name for row in rows for name in row)
        kept = _check_columns(file, columns, problem)
        fixed = {k: self._fixed_value(k, text, kept.values()) for k, text in self.words.items()}
        named = [{kept[k]: v for k, v in row.items() if k in kept} for row in rows]
        every = [self._config(index, {**fixed, **row}) for index, row in enumerate(named)]
        first = {tuple(every[row].values()): row for row in reversed(range(len(every)))}
        self.rows = sorted(first.values())
        self._configs = [every[row] for row in self.rows]
        self.note = " ".join(self._notes(len(every), [k for k in columns if k not in kept]))

    @property
    def n_trials(self) -> int:
        return len(self._configs)

    def first(self, n: int) -> list[dict[str, Any]]:
        if n > self.n_trials:
            raise ConfigurationError(
                f"{self.file} contains {self.n_trials} different configurations, fewer than "
                f"{n}; lower n_configs."
            )
        return self._configs[:n]

    def _notes(self, n_rows: int, left_out: Sequence[Any]) -> Iterable[str]:
        """Sentences about the parts of the file that were not used."""
        if left_out:
            names = ", ".join(str(name) or "one without a name" for name in left_out)
            yield (f"Columns of {self.file} that are not hyperparameters were ignored: {names}.")
        n_merged = n_rows - len(self._configs)
        if n_merged:
            repeat, was = ("repeats", "was") if n_merged == 1 else ("repeat", "were")
            yield f"{n_merged} of {n_rows} rows {repeat} a configuration and {was} merged."

    def _fixed_value(self, name: str, text: str, columns: Iterable[str]) -> Any:
        value = parse_dimension(name, text, self.problem.declarations)
        if isinstance(value, (Choices, Range)):
            raise ConfigurationError(
                f"'{name}={text}' has several values, but with a file of configurations an "
                f"argument can only fix one value; write {name}=VALUE."
            )
        if name in columns:
            raise ConfigurationError(
                f"{name} is given twice, in {self.file} and as '{name}={text}'; keep one of them."
            )
        return value

    def _config(self, index: int, values: Row) -> dict[str, Any]:
        flags = {k: self._as_flag(k, value) for k, value in values.items()}
        try:
            return self.problem.resolve(flags)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.file}, configuration {index}: {error}") from None

    def _as_flag(self, name: str, value: Any) -> Any:
        """True or False instead of the 1 or 0 that numeric tables contain for a flag."""
        is_flag = self.problem.declarations[name].type is bool
        return bool(value) if is_flag and value in (0, 1) else value


def _check_columns(path: Path, columns: Iterable[Any], problem: Problem) -> dict[Any, str]:
    """The hyperparameters in a file's columns, by the names of the columns.

    In a table that marks hyperparameters by a prefix, all other columns are results.

    Raises:
        ConfigurationError: If a column is neither a hyperparameter nor a result.
    """
    columns, known = list(columns), problem.declarations
    marked = any(_PREFIX.match(str(column)) for column in columns)
    kept: dict[Any, str] = {}
    for column in columns:
        name = _PREFIX.sub("", str(column), count=1) if _PREFIX.match(str(column)) else column
        if name in known:
            if name in kept.values():
                raise ConfigurationError(f"{path} has two columns for '{name}'; remove one.")
            kept[column] = name
        elif name != column or not (marked or _RESULT.fullmatch(str(column))):
            hint = did_you_mean(str(name), known) or f" Known: {', '.join(known)}."
            raise ConfigurationError(
                f"{path} has the column '{column}', which is not a hyperparameter.{hint}"
            )
    return kept
