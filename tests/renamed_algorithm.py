"""An algorithm that is registered at run time, by the name of this module."""

from __future__ import annotations

from arlbench.core.algorithms.dqn import DQN


class Renamed(DQN):
    """DQN with another name."""

    name = "renamed"
