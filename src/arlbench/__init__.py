"""Deep Q-Learning as a compiled, tunable program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arlbench import runtime
from arlbench.core.lazy_imports import public_names

if TYPE_CHECKING:
    from arlbench.arlbench import run_arlbench
    from arlbench.autorl import AutoRLEnv, AutoRLVectorEnv
    from arlbench.core.algorithms.dqn import DQN
    from arlbench.core.environments import Environment, EnvSpec, make_env
    from arlbench.core.problem import Problem

runtime.configure()

__version__ = "0.3.0.dev0"

__all__ = [
    "DQN",
    "AutoRLEnv",
    "AutoRLVectorEnv",
    "EnvSpec",
    "Environment",
    "Problem",
    "make_env",
    "run_arlbench",
]

# Imported when first used, so that importing arlbench is fast.
__getattr__ = public_names(
    __name__,
    {
        "AutoRLEnv": "arlbench.autorl",
        "AutoRLVectorEnv": "arlbench.autorl",
        "DQN": "arlbench.core.algorithms.dqn",
        "EnvSpec": "arlbench.core.environments",
        "Environment": "arlbench.core.environments",
        "Problem": "arlbench.core.problem",
        "make_env": "arlbench.core.environments",
        "run_arlbench": "arlbench.arlbench",
    },
)
