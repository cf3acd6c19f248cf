"""Deep Q-Learning as a compiled, tunable program."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from arlbench import runtime

if TYPE_CHECKING:
    from arlbench.core.algorithms.dqn import DQN
    from arlbench.core.environments import Environment, EnvSpec, make_env

runtime.configure()

__version__ = "0.2.0"

__all__ = ["DQN", "EnvSpec", "Environment", "make_env"]

_HOMES = {
    "DQN": "arlbench.core.algorithms.dqn",
    "EnvSpec": "arlbench.core.environments",
    "Environment": "arlbench.core.environments",
    "make_env": "arlbench.core.environments",
}


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use, so that importing arlbench costs little."""
    if name not in _HOMES:
        raise AttributeError(f"module 'arlbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
