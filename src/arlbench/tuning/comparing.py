"""Several studies of the same problem, side by side: what each tuner found, and how soon."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arlbench.errors import ConfigurationError
from arlbench.report.courses import SAME_BUDGET, shared_course
from arlbench.report.numbers import together
from arlbench.report.statistics import spread, spread_name
from arlbench.tuning.alike import require_alike
from arlbench.tuning.best import Best, best_of_each, best_over_time, lost_in_test
from arlbench.tuning.reading import LoadedStudy
from arlbench.tuning.repeating import LoadedRepeats, load
from arlbench.tuning.tuners import short_name

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Several studies of the same problem.

    Attributes:
        table: One row for each study, by its name. ``objective`` is a column only if the
            objective is not the final return, maximised. ``repeats`` counts the repeats that have
            a best trial, ``tested`` those whose best trial was tested. ``trials`` and
            ``total_steps`` are means over repeats. ``tuning_return`` and ``test_return`` are means
            over repeats of the final return of the best trial. ``tuning_low`` and ``tuning_high``
            are the ends of the interval or range that ``tuning_spread`` names; the same holds for
            ``test_``. NaN where nothing is known.
        returns: The final return of the best trial so far: one row for each number of environment
            steps at which any repeat changes, one column for each study and repeat. NaN where not
            all repeats of a study have a best trial, or one ended over 5 % earlier.
        curves: The ``mean`` of each study's columns of ``returns``, and the ends ``low`` and
            ``high`` of its interval or range.
        title: The algorithm and the environment.
        notes: Sentences about what makes the comparison less fair than it looks.
    """

    table: pd.DataFrame
    returns: pd.DataFrame
    curves: pd.DataFrame
    title: str
    notes: tuple[str, ...]


def compare(folders: Iterable[str | Path]) -> Comparison:
    """Compares tuners by studies of the same problem, each repeated or not.

    Args:
        folders: The folder of each study. A study takes the name of its folder; ``"NAME=FOLDER"``
            gives it another name.

    Raises:
        ConfigurationError: If two studies have the same name or differ in more than tuner and
            space, or one has no trial that ended without diverging.
        StorageError: If a folder holds no study, or it cannot be read.
    """
    studies = {name: load(path) for name, path in named_folders(folders).items()}
    repeats = {name: _with_best(name, study) for name, study in studies.items()}
    notes = require_alike({name: found[0].settings for name, found in repeats.items()})
    table, returns = _table(repeats), _returns(studies)
    curves = _curves(returns)
    notes += [*_other_objective(repeats), *_incomplete(studies, table), *_lost(repeats)]
    notes += [*_running(repeats), *_short(repeats)]
    notes += [*_undrawn(curves), *_unequal(table, curves), *_unequal_tests(repeats)]
    problem = next(iter(repeats.values()))[0].settings.problem
    title = f"{problem.algorithm_class.title} on {problem.env_spec.name}"
    return Comparison(table, returns, curves, title, tuple(notes))


def named_folders(folders: Iterable[str | Path]) -> dict[str, Path]:
    """Folders by name, from ``FOLDER`` or ``NAME=FOLDER``.

    Raises:
        ConfigurationError: If there is none, one has another form, or a name is given twice.
    """
    if isinstance(folders, str | Path):
        raise ConfigurationError(f"Give a list of folders to compare, such as ['{folders}'].")
    found: dict[str, Path] = {}
    for text in folders:
        name, path = _named(text)
        if name in found:
            raise ConfigurationError(
                f"{found[name]} and {path} are both called '{name}'; give one of them another "
                f"name, such as {name}-2={path}."
            )
        found[name] = path
    if not found:
        raise ConfigurationError("Give the folder of one or more studies to compare.")
    return found


def _named(text: str | Path) -> tuple[str, Path]:
    path = Path(text)
    name, equals, rest = str(text).partition("=")
    # If a folder of this name exists, the sign is part of its name.
    if isinstance(text, Path) or not equals or path.is_dir():
        return path.resolve().name, path
    if not name or not rest:
        raise ConfigurationError(f"'{text}' is not of the form FOLDER or NAME=FOLDER.")
    return name, Path(rest)


def _with_best(name: str, study: LoadedStudy | LoadedRepeats) -> list[LoadedStudy]:
    """The repeats of a study that have a best trial; a single study counts as one repeat."""
    found = [repeat for repeat in _begun(study) if repeat.incumbents]
    if not found:
        raise ConfigurationError(
            f"{name} has no trial that ended without diverging; leave it out, or continue the "
            "study first."
        )
    return found


def _begun(study: LoadedStudy | LoadedRepeats) -> tuple[LoadedStudy, ...]:
    """The repeats of a study that were begun; a study that is not repeated has one."""
    return study.repeats if isinstance(study, LoadedRepeats) else (study,)


def _other_objective(repeats: Mapping[str, Sequence[LoadedStudy]]) -> Iterator[str]:
    """A sentence if what is compared is not the objective, which all studies have in common."""
    text = next(iter(repeats.values()))[0].settings.objective_text
    if text:
        yield (
            f"best trials are chosen by the objective ({text}), but their final returns are "
            "compared"
        )


def _incomplete(
    studies: Mapping[str, LoadedStudy | LoadedRepeats], table: pd.DataFrame
) -> Iterator[str]:
    """Sentences about repeats that are left out."""
    for name, study in studies.items():
        n, n_tested = int(table.loc[name, "repeats"]), int(table.loc[name, "tested"])
        planned = study.n_repeats if isinstance(study, LoadedRepeats) else 1
        if n < planned:
            yield f"{name} has a best trial in {n} of {planned} repeats; only these are counted"
        if 0 < n_tested < n:
            yield f"the test return of {name} is that of {n_tested} of {n} repeats"


def _lost(repeats: Mapping[str, Sequence[LoadedStudy]]) -> Iterator[str]:
    """Sentences about training runs of the test that diverged."""
    for name, found in repeats.items():
        lost, n = map(sum, zip(*map(lost_in_test, found), strict=True))
        if lost:
            yield (
                f"the test return of {name} leaves out {lost} of {n} training runs, because "
                "learning diverged"
            )


def _unequal_tests(repeats: Mapping[str, Sequence[LoadedStudy]]) -> Iterator[str]:
    """A sentence about tests of best trials, if they do not all have the same number of seeds."""
    numbers: dict[int, list[str]] = {}
    for name, found in repeats.items():
        for n in {n for _, n in map(lost_in_test, found) if n}:
            numbers.setdefault(n, []).append(name)
    if len(numbers) > 1:
        each = (f"{n} in {', '.join(names)}" for n, names in sorted(numbers.items()))
        yield f"the numbers of test seeds differ: {'; '.join(each)}"


def _running(repeats: Mapping[str, Sequence[LoadedStudy]]) -> Iterator[str]:
    """Sentences about studies with trials in flight."""
    for name, found in repeats.items():
        if any(len(study.results) < len(study.asked) for study in found):
            yield f"{name} has trials that have not ended"


def _short(repeats: Mapping[str, Sequence[LoadedStudy]]) -> Iterator[str]:
    """Sentences about best trials that are shorter than a full-length trial."""
    for name, found in repeats.items():
        full = found[0].settings.problem.n_total_timesteps
        n = sum(study.incumbents[-1].trial.fidelity != full for study in found)
        if n:
            yield f"the best trial of {name} ends before step {full:,} in {n} of its repeats"


def _undrawn(curves: pd.DataFrame) -> Iterator[str]:
    """Sentences about studies that are not in the picture."""
    for name in curves.columns.unique("study"):
        if curves[name]["mean"].isna().all():
            yield (
                f"{name} has no curve, because one of its repeats ended before each of them had "
                "a best trial"
            )


def _unequal(table: pd.DataFrame, curves: pd.DataFrame) -> Iterator[str]:
    """A sentence about budgets, if one study spent clearly more than another."""
    low, high = table["total_steps"].min(), table["total_steps"].max()
    means = curves.xs("mean", axis=1, level="statistic")
    shared = means.dropna()
    if high <= SAME_BUDGET * low:
        return
    said = f"the budgets differ, from {low:,.0f} to {high:,.0f} steps"
    if shared.empty:
        yield said
        return
    at = shared.iloc[-1]
    returns = ", ".join(map(" ".join, zip(at.index, together(*at), strict=True)))
    yield f"{said}; at {at.name:,} steps, which all have spent, the tuning returns are {returns}"


def _table(repeats: Mapping[str, Sequence[LoadedStudy]]) -> pd.DataFrame:
    import pandas as pd

    rows = {name: _row(found, best_of_each(found)) for name, found in repeats.items()}
    return pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name="study"))


def _row(repeats: Sequence[LoadedStudy], best: Sequence[Best]) -> dict[str, Any]:
    tested = [each.test for each in best if not math.isnan(each.test)]
    text = repeats[0].settings.objective_text
    return {
        "tuner": short_name(repeats[0].settings.tuner),
        **({"objective": text} if text else {}),
        "repeats": len(best),
        "trials": float(np.mean([len(study.results) for study in repeats])),
        "total_steps": float(np.mean([each.timesteps for each in best])),
        **_spread_of("tuning", [each.tuning for each in best]),
        "tested": len(tested),
        **_spread_of("test", tested),
    }


def _spread_of(what: str, values: Sequence[float]) -> dict[str, Any]:
    """The mean of values over repeats, the ends of its spread, and the name of this spread."""
    n = len(values)
    found = spread(np.array(values)) if n else [math.nan] * 3
    numbers = dict(zip(("return", "low", "high"), map(float, found), strict=True))
    named = {f"{what}_{name}": value for name, value in numbers.items()}
    return {**named, f"{what}_spread": spread_name(n, "repeats") if n > 1 else ""}


def _returns(studies: Mapping[str, LoadedStudy | LoadedRepeats]) -> pd.DataFrame:
    import pandas as pd

    drawn = {
        name: {i: best_over_time(each) for i, each in enumerate(_begun(study)) if each.incumbents}
        for name, study in studies.items()
    }
    every = [repeat for found in drawn.values() for repeat in found.values()]
    grid = np.unique(np.concatenate([np.append(repeat.spent, repeat.end) for repeat in every]))
    index = pd.Index(grid, name="total_steps")
    tables = {}
    for name, found in drawn.items():
        steps, each = shared_course(list(found.values()), grid)
        tables[name] = pd.DataFrame(each.T, index=steps, columns=list(found)).reindex(index)
    return pd.concat(tables, axis=1, names=["study", "repeat"])


def _curves(returns: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    names = returns.columns.unique("study")
    found = {name: spread(returns[name].to_numpy().T) for name in names}
    tables = {name: pd.DataFrame(each._asdict(), returns.index) for name, each in found.items()}
    return pd.concat(tables, axis=1, names=["study", "statistic"])
