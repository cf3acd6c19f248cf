"""What ``arlbench tune --json`` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from arlbench.report.numbers import finite_or_none

if TYPE_CHECKING:
    from arlbench.tuning.loop import StudyOutcome


def summarise(outcome: StudyOutcome) -> dict[str, Any]:
    """A study as JSON values."""
    from arlbench.tuning.reading import load

    study = load(outcome.folder)
    table = study.trials
    best = study.incumbents[-1] if study.incumbents else None
    incumbent = None
    if best is not None:
        row = table.loc[best.number]
        incumbent = {
            "number": best.number,
            "objective": finite_or_none(row["objective"]),
            "test_objective": finite_or_none(row["test_objective"]),
            "fidelity": best.trial.fidelity,
            "config": dict(best.trial.config),
        }
    return {
        "folder": str(outcome.folder),
        "status": outcome.status,
        "ended_by": outcome.ended_by,
        "objective": study.settings.objective,
        "minimise": study.settings.minimise,
        "n_trials": len(outcome.results),
        "diverged": sum(result.status == "diverged" for result in outcome.results),
        "restarted": sum(result.restarted for result in outcome.results),
        "trained_now": outcome.trained_now,
        "timesteps": outcome.timesteps,
        "timesteps_restarted": outcome.timesteps_restarted(len(study.settings.seeds)),
        "seconds": round(outcome.seconds, 3),
        "tuner_seconds": round(outcome.tuner_seconds, 3),
        "incumbent": incumbent,
    }


def summarise_kept(folder: Path, status: str | None) -> dict[str, Any] | None:
    """What is kept of a study that was left before it had an outcome; None if no trial has ended.

    Args:
        folder: The folder of the study.
        status: The status to report.
    """
    from arlbench.tuning.folder import is_study
    from arlbench.tuning.loop import StudyOutcome
    from arlbench.tuning.reading import load

    if not is_study(folder):
        return None
    study = load(folder)
    if not study.results:
        return None
    results, incumbents = tuple(study.results.values()), tuple(study.incumbents)
    kept = StudyOutcome(
        folder, "interrupted", results, incumbents, study.tests, study.seconds, 0.0, 0
    )
    # Only the work that was left knows these two.
    return {**summarise(kept), "status": status, "tuner_seconds": None, "trained_now": None}
