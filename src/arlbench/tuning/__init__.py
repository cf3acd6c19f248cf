"""Studies: a problem, a tuner that learns from results, and a folder that keeps both.

A study asks its tuner for trials, trains those in flight as one population, and tells the
results. A journal records all of this in the order in which it happens. To continue a study,
the same is done again: the tuner is made from its seed, asked and told what the journal says,
and its answers are compared with those in the journal.

Who calls whom::

    tune -> StudyFolder (definition, journal, states)
         -> Asking (the tuner, its answers checked) -> Tuner.ask, Tuner.tell
         -> Training (trials become members)         -> train_population
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arlbench.core.lazy_imports import public_names

if TYPE_CHECKING:
    from arlbench.tuning.comparing import Comparison, compare
    from arlbench.tuning.repeating import load, resume_repeats, tune_repeats
    from arlbench.tuning.replaying import replay
    from arlbench.tuning.space import Space
    from arlbench.tuning.study import resume, tune
    from arlbench.tuning.trials import Result, Trial
    from arlbench.tuning.tuner import Tuner

__all__ = [
    "Comparison",
    "Result",
    "Space",
    "Trial",
    "Tuner",
    "compare",
    "load",
    "replay",
    "resume",
    "resume_repeats",
    "tune",
    "tune_repeats",
]

__getattr__ = public_names(
    __name__,
    {
        "Comparison": "arlbench.tuning.comparing",
        "Result": "arlbench.tuning.trials",
        "Space": "arlbench.tuning.space",
        "Trial": "arlbench.tuning.trials",
        "Tuner": "arlbench.tuning.tuner",
        "compare": "arlbench.tuning.comparing",
        "load": "arlbench.tuning.repeating",
        "replay": "arlbench.tuning.replaying",
        "resume": "arlbench.tuning.study",
        "resume_repeats": "arlbench.tuning.repeating",
        "tune": "arlbench.tuning.study",
        "tune_repeats": "arlbench.tuning.repeating",
    },
)
