"""The environments to measure, and how each is trained."""

from __future__ import annotations

from typing import NamedTuple

from arlbench.core.environments import EnvSpec
from arlbench.experiments.presets import tuned_for


class Task(NamedTuple):
    """An environment and the budget of its training.

    Attributes:
        framework: The library that provides it.
        name: Its name there.
        n_envs: Environments that step together.
        timesteps: Environment steps of a training run.
    """

    framework: str
    name: str
    n_envs: int = 8
    timesteps: int = 1_000_000

    @property
    def spec(self) -> EnvSpec:
        """The environment, read by the kind of network that was tuned for it."""
        cnn_policy = tuned_for(self.name).cnn_policy
        return EnvSpec(self.framework, self.name, self.n_envs, cnn_policy=cnn_policy)


#: The tasks of ``environment_learning.py``; the budgets of MiniGrid are the published ones.
LEARNT = (
    Task("xland", "MiniGrid-EmptyRandom-5x5", n_envs=4, timesteps=100_000),
    Task("xland", "MiniGrid-DoorKey-5x5", n_envs=4),
    Task("gymnax", "Breakout-MinAtar"),
    Task("gymnax", "Asterix-MinAtar"),
    Task("gymnax", "Freeway-MinAtar"),
    Task("gymnax", "SpaceInvaders-MinAtar"),
)

#: The tasks of ``environment_speed.py``.
TIMED = (
    Task("gymnax", "CartPole-v1"),
    Task("gymnax", "Acrobot-v1"),
    Task("gymnax", "MountainCar-v0"),
    Task("gymnax", "Breakout-MinAtar"),
    Task("gymnax", "Asterix-MinAtar"),
    Task("gymnax", "Freeway-MinAtar"),
    Task("gymnax", "SpaceInvaders-MinAtar"),
    Task("gymnax", "Seaquest-MinAtar"),
    Task("xland", "MiniGrid-EmptyRandom-5x5"),
    Task("xland", "MiniGrid-DoorKey-5x5"),
    Task("xland", "MiniGrid-FourRooms"),
    Task("xland", "MiniGrid-Unlock"),
    Task("navix", "Navix-Empty-5x5-v0"),
    Task("navix", "Navix-DoorKey-5x5-v0"),
    Task("jumanji", "Game2048-v1"),
    Task("jumanji", "Snake-v1"),
    Task("jumanji", "Maze-v0"),
    Task("craftax", "Craftax-Classic-Symbolic-v1"),
    Task("gymnasium", "LunarLander-v3"),
    Task("gymnasium", "Taxi-v4"),
)
