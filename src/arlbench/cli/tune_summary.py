"""What ``arlbench tune --json`` prints."""

from __future__ import annotations

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
