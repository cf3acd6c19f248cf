"""What ``arlbench tune --repeat`` does and shows: one study with several seeds of its tuner."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arlbench.cli import display, results, tables, tune_display, tune_summary
from arlbench.cli.stopping import StoppableWork
from arlbench.cli.tune_objective import without_result
from arlbench.core.text_values import count
from arlbench.report.numbers import finite_or_none, together, written
from arlbench.report.statistics import MeanInterval, spread, spread_name
from arlbench.tuning.best import Best, best_of_each, lost_in_test

if TYPE_CHECKING:
    from arlbench.tuning.preparing_repeats import OpenRepeats
    from arlbench.tuning.reading import LoadedStudy
    from arlbench.tuning.repeats import RepeatedOutcome


def work(
    study: OpenRepeats, quiet: bool, talkative: bool
) -> tuple[RepeatedOutcome | None, StoppableWork[RepeatedOutcome]]:
    """Runs in a thread and shows progress; the outcome is None if the thread did not stop."""
    from arlbench.tuning.loop import Callbacks

    place = [0]
    n = study.prepared.n_repeats
    with tune_display.progress_bar(talkative, lambda: f"repeat {place[0] + 1}/{n}, ") as show:
        calls = Callbacks(
            lambda progress: show(progress) or running.wants_to_stop(),
            None if quiet else display.notice,
        )
        running = StoppableWork(lambda: study.run(calls, lambda i: place.__setitem__(0, i)))
        running.start()
        outcome = running.finish()
    return outcome, running


def close(outcome: RepeatedOutcome, talkative: bool) -> dict[str, Any]:
    """Draws the pictures, prints the table over repeats, and returns both as JSON values."""
    from arlbench.cli import tune_pictures
    from arlbench.tuning.repeating import load_repeats

    repeats = load_repeats(outcome.folder).repeats
    pictures = tune_pictures.draw_repeats(repeats, outcome.folder)
    best = best_of_each(repeats)
    if talkative:
        said = [*sentences(repeats, best), *_about_lost(repeats), *ends(repeats, outcome)]
        shown = (
            table(best, repeats[0].settings.objective_text) if best else [without_result(repeats)]
        )
        lines = [*shown, *said, f"saved in {outcome.folder}"]
        results.say([*lines, *(f"drawn: {picture.name}" for picture in pictures)])
    return _summarise(outcome.folder, outcome.status, repeats, best)


def summarise_kept(folder: Path) -> dict[str, Any] | None:
    """What is kept of repeats that were stopped, as JSON values; None if no trial has ended."""
    from arlbench.tuning.repeating import load_repeats
    from arlbench.tuning.repeats import folder_of, is_repeated

    if not is_repeated(folder):
        return None
    read = load_repeats(folder)
    # The status of a single repeat is not kept.
    found = [tune_summary.summarise_kept(folder_of(folder, i), None) for i in range(read.n_repeats)]
    repeats = [each for each in found if each is not None]
    if not repeats:
        return None
    whole = _summarise(folder, "interrupted", read.repeats, best_of_each(read.repeats))
    return {**whole, "repeats": repeats}


def _summarise(
    folder: Path, status: str, repeats: Sequence[LoadedStudy], best: Sequence[Best]
) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "status": status,
        "objective": repeats[0].settings.objective,
        "minimise": repeats[0].settings.minimise,
        "tuning_objective": _as_json([each.objective for each in best]),
        "tuning_return": _as_json([each.tuning for each in best]),
        "test_return": _as_json([each.test for each in best]),
    }


def table(best: Sequence[Best], objective: str = "") -> list[str]:
    """Lines with the best trial of each repeat, then their mean and its spread.

    Args:
        best: The best trials.
        objective: The objective in words; empty if it is the final return, maximised.
    """
    shown = {f"objective ({objective})": [each.objective for each in best]} if objective else {}
    shown |= {"tuning return": [each.tuning for each in best]}
    shown |= {"test return": [each.test for each in best]}
    columns = [[value for value in each if not math.isnan(value)] for each in shown.values()]
    means = [_spread(values) for values in columns]
    rows: list[tuple[str, ...]] = [
        ("repeat", "tuner seed", "best trial", *shown, "total steps"),
        *(
            (str(each.repeat), str(each.tuner_seed), str(each.number), *map(_text, values),
             f"{each.timesteps:,}")
            for each, *values in zip(best, *shown.values(), strict=True)
        ),
    ]  # fmt: skip
    if len(best) > 1:
        rows += [
            ("mean", "", "", *(_text(mean.mean) for mean in means), ""),
            (_name_of_spreads(columns), "", "", *(_ends(mean) for mean in means), ""),
        ]
    return tables.lines(rows, range(1, len(rows[0])))


def sentences(repeats: Sequence[LoadedStudy], best: Sequence[Best]) -> list[str]:
    """Sentences about what the table does not show."""
    said = []
    if 0 < len(best) < len(repeats):
        missing = len(repeats) - len(best)
        said.append(f"in {missing} of {len(repeats)} repeats, no trial ended without diverging")
    gaps = [each.tuning - each.test for each in best if not math.isnan(each.test)]
    if gaps:
        gap, *_ = together(np.mean(gaps), *(each.tuning for each in best))
        said.append(f"the gap between tuning and test return is {gap} on average")
    return said


def _about_lost(repeats: Sequence[LoadedStudy]) -> list[str]:
    """A sentence about training runs of the test that diverged, if there are any."""
    lost, n = map(sum, zip(*map(lost_in_test, repeats), strict=True))
    if not lost:
        return []
    return [f"the test return leaves out {lost} of {n} training runs, because learning diverged"]


def ends(repeats: Sequence[LoadedStudy], outcome: RepeatedOutcome) -> list[str]:
    """A sentence for each of the different ends that the searches of the repeats had."""
    found = Counter(
        tune_display.end_of_search(study, each.ended_by)
        for study, each in zip(repeats, outcome.outcomes, strict=True)
        if each.ended_by is not None
    )
    if len(found) == 1:
        return [f"the search of every repeat was ended by {end}" for end in found]
    return [f"the search of {count(n, 'repeat')} was ended by {end}" for end, n in found.items()]


def _spread(values: Sequence[float]) -> MeanInterval:
    if not values:
        nothing = np.array(np.nan)
        return MeanInterval(nothing, nothing, nothing)
    return spread(np.array(values))


def _name_of_spreads(columns: Sequence[Sequence[float]]) -> str:
    """The name of the spreads in a row, of which those of few values are ranges."""
    names = {spread_name(len(values), "repeats") for values in columns if len(values) > 1}
    return names.pop() if len(names) == 1 else "interval or range of repeats"


def _text(value: float | np.ndarray) -> str:
    return "-" if np.isnan(value) else written(value)


def _ends(mean: MeanInterval) -> str:
    return "-" if np.isnan(mean.low) else " to ".join(together(mean.low, mean.high))


def _as_json(values: Sequence[float]) -> dict[str, Any]:
    known = [value for value in values if not math.isnan(value)]
    named = dict(zip(("mean", "low", "high"), map(finite_or_none, _spread(known)), strict=True))
    return {**named, "spread": spread_name(len(known), "repeats")}
