"""Configuring the learner while it learns, and checkpoints of whole runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arlbench.core.lazy_imports import public_names

if TYPE_CHECKING:
    from arlbench.autorl.autorl_env import AutoRLEnv
    from arlbench.autorl.autorl_vector_env import AutoRLVectorEnv
    from arlbench.autorl.config import AutoRLConfig
    from arlbench.autorl.objectives import register_objective
    from arlbench.autorl.state_features import register_state_feature
    from arlbench.autorl.step_result import StepResult
    from arlbench.core.algorithms.checkpointing import Checkpointer, LoadedCheckpoint

__all__ = [
    "AutoRLConfig",
    "AutoRLEnv",
    "AutoRLVectorEnv",
    "Checkpointer",
    "LoadedCheckpoint",
    "StepResult",
    "register_objective",
    "register_state_feature",
]

# Imported when first used: a run that only saves needs neither gymnasium nor pandas.
__getattr__ = public_names(
    __name__,
    {
        "AutoRLConfig": "arlbench.autorl.config",
        "AutoRLEnv": "arlbench.autorl.autorl_env",
        "AutoRLVectorEnv": "arlbench.autorl.autorl_vector_env",
        "Checkpointer": "arlbench.core.algorithms.checkpointing",
        "LoadedCheckpoint": "arlbench.core.algorithms.checkpointing",
        "StepResult": "arlbench.autorl.step_result",
        "register_objective": "arlbench.autorl.objectives",
        "register_state_feature": "arlbench.autorl.state_features",
    },
)
