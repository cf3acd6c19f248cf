"""DQN in JAX: one compiled program for a whole hyperparameter space."""

from arlbench.core.algorithms.dqn.dqn import (
    DQN,
    DQNMetrics,
    DQNRunnerState,
    DQNState,
    DQNTrainingResult,
    DQNTrainReturnT,
)

__all__ = [
    "DQN",
    "DQNMetrics",
    "DQNRunnerState",
    "DQNState",
    "DQNTrainReturnT",
    "DQNTrainingResult",
]
