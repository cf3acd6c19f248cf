"""Algorithms: one interface, a registry, a folder for each algorithm, and the code they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arlbench.core.lazy_imports import public_names

if TYPE_CHECKING:
    from arlbench.core.algorithms.algorithm import Algorithm
    from arlbench.core.algorithms.dqn import (
        DQN,
        DQNMetrics,
        DQNRunnerState,
        DQNState,
        DQNTrainingResult,
        DQNTrainReturnT,
    )

__all__ = [
    "DQN",
    "Algorithm",
    "DQNMetrics",
    "DQNRunnerState",
    "DQNState",
    "DQNTrainReturnT",
    "DQNTrainingResult",
]

# Imported when first used, because every module in this package runs this one first.
__getattr__ = public_names(
    __name__,
    {
        "Algorithm": "arlbench.core.algorithms.algorithm",
        "DQN": "arlbench.core.algorithms.dqn",
        "DQNMetrics": "arlbench.core.algorithms.dqn",
        "DQNRunnerState": "arlbench.core.algorithms.dqn",
        "DQNState": "arlbench.core.algorithms.dqn",
        "DQNTrainReturnT": "arlbench.core.algorithms.dqn",
        "DQNTrainingResult": "arlbench.core.algorithms.dqn",
    },
)
