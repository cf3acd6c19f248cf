"""What ``arlbench tune`` says about the objective of a study, and about trials without one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arlbench.core.text_values import count
from arlbench.report.numbers import written
from arlbench.tuning.objectives import objective_text

if TYPE_CHECKING:
    from arlbench.tuning.reading import LoadedStudy
    from arlbench.tuning.trials import Result


def aim(arguments: Mapping[str, Any]) -> str:
    """What a study maximises or minimises; empty if it maximises the final return.

    Args:
        arguments: The arguments of the study.
    """
    objective, minimise = arguments.get("objective", "final"), arguments.get("minimise", False)
    verb = "minimises" if minimise else "maximises"
    return f", {verb} {objective}" if objective_text(objective, minimise) else ""


def row(study: LoadedStudy, shown: Sequence[Result]) -> list[tuple[str, ...]]:
    """The row of the objective in a table of trials; none if the final return is maximised."""
    text, minimise = study.settings.objective_text, study.settings.minimise
    values = (written(result.objective(minimise)) for result in shown)
    return [(f"objective ({text})", *values)] if text else []


def without_result(repeats: Iterable[LoadedStudy]) -> str:
    """A sentence about a study, or the repeats of one, none of whose trials can be the best."""
    every = [result for study in repeats for result in study.results.values()]
    n, diverged = len(every), sum(result.status == "diverged" for result in every)
    if not n:
        return "no trial was trained"
    if diverged == n:
        return f"{n} of {count(n, 'trial')} diverged, so none has a result"
    if not diverged:
        return f"the objective of {n} of {count(n, 'trial')} is not finite, so none has a result"
    return (
        f"{diverged} of {count(n, 'trial')} diverged, and the objective of the others is not "
        "finite, so none has a result"
    )
