"""The configurations that a study tries first: from a table, or from another study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from arlbench.core.checks import positive_whole
from arlbench.errors import ConfigurationError
from arlbench.experiments.samplers.file import File
from arlbench.tuning.incumbents import ranked
from arlbench.tuning.reading import load
from arlbench.tuning.space import Config, Space, key_of

#: A table or the folder of a study; or configurations.
Source = str | Path | Sequence[Mapping[str, Any]]

#: How many configurations of another study are taken, unless the caller says how many.
BEST_OF_STUDY = 8


class Start(NamedTuple):
    """What a study starts from.

    Attributes:
        configs: Whole configurations within the space, all different.
        note: A sentence for the user about the table; empty if nothing needs to be said.
    """

    configs: tuple[Config, ...] = ()
    note: str = ""


def read_start(source: Source | None, space: Space, count: int | None = None) -> Start:
    """The configurations to start from.

    Args:
        source: A table as ``arlbench sweep --sampler file`` reads it, the folder of a study, whose
            best configurations are taken, or configurations; None means nothing.
        space: Where the new study searches.
        count: The number of configurations at most; None takes all of a table and the best
            eight of a study.

    Raises:
        ConfigurationError: If a configuration lies outside the space, or there are none.
        StorageError: If the folder cannot be read.
    """
    if source is None:
        if count is not None:
            raise ConfigurationError(
                "start_count limits the configurations to start from; give start_from as well."
            )
        return Start()
    limit = None if count is None else positive_whole("start_count", count)
    note = ""
    named: Iterator[tuple[str, Mapping[str, Any]]]
    if not isinstance(source, str | Path):
        _check_kind(source)
        named = ((f"start_from, configuration {i}", config) for i, config in enumerate(source))
    elif Path(source).is_dir():
        named, limit = _of_study(Path(source), space), limit or BEST_OF_STUDY
    else:
        named, note = _of_table(Path(source), space)
    configs = _within(space, named, limit)
    if not configs:
        raise ConfigurationError(
            f"{source or 'start_from'} has no configuration to start from; leave it out, or give "
            "another table or study."
        )
    return Start(configs, note)


def _check_kind(source: Any) -> None:
    """Raises if configurations are something else."""
    if isinstance(source, Iterable) and not isinstance(source, Mapping):
        return
    cure = "put it in a list" if isinstance(source, Mapping) else "give one of these"
    raise ConfigurationError(
        "start_from must be a table, the folder of a study or a list of configurations, not "
        f"{source!r}; {cure}."
    )


def _of_table(path: Path, space: Space) -> tuple[Iterator[tuple[str, Mapping[str, Any]]], str]:
    """The rows of a table, each with words that say where it is, and the table's note."""
    # Hyperparameters that the table does not have get the values of the study.
    problem = space.problem.replace(hpo_config=space.complete({}), nas_config={})
    table = File(problem, {}, file=path)
    rows = zip(table.rows, table.ask(table.n_trials), strict=True)
    named = ((f"{path}, configuration {row}", dict(trial.config)) for row, trial in rows)
    return named, table.note


def _of_study(path: Path, space: Space) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The configurations of the trials of a study, the best first."""
    study = load(path)
    theirs = Space(study.settings.problem, study.settings.words)
    searched = {*theirs.varied, *space.varied}
    for result in ranked(study.results.values()):
        whole = theirs.complete(result.trial.config)
        # Hyperparameters that neither study searches may differ.
        config = {name: value for name, value in whole.items() if name in searched}
        yield f"{path}, trial {result.number}", config


def _within(
    space: Space, named: Iterable[tuple[str, Mapping[str, Any]]], limit: int | None
) -> tuple[Config, ...]:
    """The first configurations that differ in effect, completed."""
    found: dict[tuple[Any, ...], Config] = {}
    for where, config in named:
        if limit is not None and len(found) == limit:
            break
        if not isinstance(config, Mapping):
            raise ConfigurationError(f"{where} is {config!r}; give values by name.")
        try:
            whole = space.require(config)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{where}: {str(error).rstrip('.')}; change this configuration, leave it out, "
                "or widen the space."
            ) from None
        found.setdefault(key_of(whole), whole)
    return tuple(found.values())
