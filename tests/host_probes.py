"""Environments that step in Python, registered with gymnasium under this module's name."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from arlbench.core.environments import EnvSpec

#: The top of the stairs.
TOP = 3

#: The time limit of the stairs.
LIMIT = 5

NAME = "host_probes:Stairs-v0"


class Stairs(gymnasium.Env):
    """Starts on a random step below the top; action 1 goes one step up, action 0 stays.

    An action on step ``p`` earns ``p + 1``; the top ends the task. Observations are the step and
    a random number, with 64 bits each. The step after ``breaks_after`` steps raises an error.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = spaces.Box(-1.0, 10.0, (2,), np.float64)
    action_space = spaces.Discrete(2)

    def __init__(self, breaks_after: int = 10**9, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self._steps_left = breaks_after
        self.step_number = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.step_number = int(self.np_random.integers(TOP))
        return self._obs(), {}

    def step(self, action: int) -> tuple[Any, int, bool, bool, dict[str, Any]]:
        if self._steps_left == 0:
            raise ValueError("a step is broken")
        self._steps_left -= 1
        reward = self.step_number + 1
        self.step_number += action
        return self._obs(), reward, self.step_number == TOP, False, {}

    def render(self) -> np.ndarray:
        return np.full((2, 2, 3), self.step_number, np.uint8)

    def _obs(self) -> np.ndarray:
        return np.array([self.step_number, self.np_random.random()])


class Parts(gymnasium.Env):
    """All kinds of spaces that an observation can have, together; nothing ever changes."""

    observation_space = spaces.Dict(
        {
            "pair": spaces.Tuple([spaces.Discrete(4, start=2), spaces.MultiBinary(3)]),
            "counts": spaces.MultiDiscrete([3, 5]),
            "bytes": spaces.Box(0, 255, (2, 2), np.uint8),
            "far": spaces.Box(-5, 2**31 - 1, (1,), np.int64),
        }
    )
    action_space = spaces.Discrete(2, start=5)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return self._obs(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self._obs(), float(action), False, False, {}

    def _obs(self) -> dict[str, Any]:
        return {
            "far": np.array([7]),
            "pair": (3, np.array([1, 0, 1], np.int8)),
            "bytes": np.full((2, 2), 9, np.uint8),
            "counts": np.array([2, 4]),
        }


class Words(gymnasium.Env):
    """Observations that networks cannot read."""

    observation_space = spaces.Text(3)
    action_space = spaces.Discrete(2)


class Steering(gymnasium.Env):
    """Actions are two real numbers of 64 bits. It observes the previous one, and earns the sum."""

    observation_space = spaces.Box(-3.0, 3.0, (2,), np.float64)
    action_space: spaces.Space = spaces.Box(-3.0, 3.0, (2,), np.float64)
    before: Any = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.before = np.zeros(2)
        return self.before, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        obs, self.before = self.before, action
        return obs, float(action.sum()), False, False, {}


class Levers(Steering):
    """The same with two choices."""

    action_space = spaces.MultiDiscrete([2, 3])


class Bits(Steering):
    """The same with two bits."""

    action_space = spaces.MultiBinary(2)


class Nested(Steering):
    """Actions that are not an array."""

    action_space = spaces.Tuple([spaces.Discrete(2)])


gymnasium.register("Stairs-v0", Stairs, max_episode_steps=LIMIT)
for cls in (Parts, Words, Steering, Levers, Bits, Nested):
    gymnasium.register(f"{cls.__name__}-v0", cls)


def stairs(n_envs: int = 2, seed: int | None = None, **env_kwargs: int) -> EnvSpec:
    """The spec of the stairs."""
    return EnvSpec("gymnasium", NAME, n_envs, env_kwargs, seed=seed)
