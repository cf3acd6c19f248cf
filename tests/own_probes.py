"""Environments as users write them: correct ones, and some with a single fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

#: The space of a correct observation.
SPACE = spaces.Box(-1.0, 1.0, (3,), np.float32)

OBS = np.array([0.1, 0.2, 0.3], np.float32)


def giving(
    reset: Callable[[], Any] = lambda: (OBS, {}),
    step: Callable[[int], Any] = lambda n: (OBS, 1.0, False, False, {}),
    space: spaces.Space = SPACE,
) -> type[gymnasium.Env]:
    """A class whose methods return what these functions do.

    Args:
        reset: Makes the result of ``reset``.
        step: Makes the result of ``step``, from the number of earlier steps of the instance.
        space: The space of its observations.
    """

    class Given(gymnasium.Env):
        observation_space = space
        action_space = spaces.Discrete(2)

        def __init__(self) -> None:
            self.n_steps = -1

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            return reset()

        def step(self, action: Any) -> Any:
            self.n_steps += 1
            return step(self.n_steps)

    return Given


def with_observation(obs: Any, space: spaces.Space = SPACE, after: int = -1) -> type[gymnasium.Env]:
    """A class that returns this observation after this many steps; -1 means always.

    Before that it returns zeros.
    """
    right = np.zeros(space.shape or (), space.dtype) if isinstance(space, spaces.Box) else 0
    return giving(
        lambda: (obs if after < 0 else right, {}),
        lambda n: (obs if n >= after else right, 0.0, False, False, {}),
        space,
    )


def with_reward(reward: Any, after: int = 0) -> type[gymnasium.Env]:
    """A class that returns this reward after this many steps, and 1.0 before."""
    return giving(step=lambda n: (OBS, reward if n >= after else 1.0, False, False, {}))


class Counting(gymnasium.Env):
    """Counts its instances; an episode has four steps with a reward of ``amount``."""

    observation_space = SPACE
    action_space = spaces.Discrete(2)
    made = 0
    ports: list[int] = []  # noqa: RUF012

    def __init__(self, amount: float = 1.0, port: int = 0) -> None:
        type(self).made += 1
        type(self).ports.append(port)
        self.amount, self.port, self.n_steps = amount, port, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.n_steps = 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.n_steps += 1
        return self._obs(), self.amount, self.n_steps == 4, False, {}

    def _obs(self) -> np.ndarray:
        return np.array([self.n_steps / 4, self.np_random.random(), self.port / 10], np.float32)


def made_by_a_function(amount: float = 1.0) -> gymnasium.Env:
    """A factory of environments."""
    return gymnasium.wrappers.TimeLimit(Counting(amount), 3)
