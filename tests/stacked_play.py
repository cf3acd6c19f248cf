"""Play with stacks of frames, as arrays: what environments could give to a replay buffer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

#: How an episode's first stack is made: its first frame repeated, after empty frames, after other
#: frames, or following the frames of the episode before.
BEGINNINGS = ("repeated", "empty", "different", "following")


class Row(NamedTuple):
    """A transition of each environment, leaves ``[n_envs, ...]``."""

    obs: Any
    action: Any
    next_obs: Any


class StackedPlay:
    """``n_envs`` environments with random frames and random ends of episodes.

    Args:
        n_envs: The number of environments.
        n_frames: The number of frames in a stack.
        frame: The shape of a frame.
        axis: The axis of an observation along which frames are joined.
        beginning: One of ``BEGINNINGS``, or ``"any"``.
        p_end: The probability that an episode ends with a step.
        n_values: How many values a pixel may have; with one, all frames are equal.
        seed: Determines everything.
    """

    def __init__(
        self,
        n_envs: int = 2,
        n_frames: int = 4,
        frame: tuple[int, ...] = (1, 6, 6),
        axis: int = 0,
        beginning: str = "repeated",
        p_end: float = 0.05,
        n_values: int = 256,
        seed: int = 0,
        dtype: Any = np.uint8,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._shape = (n_envs, *frame)
        self._n_frames, self._axis, self._dtype = n_frames, axis, dtype
        self._beginning, self._p_end, self._n_values = beginning, p_end, n_values
        #: Ends the next step's episodes.
        self.end_with_this_step = False
        self._stacks = [self._begun(env, None) for env in range(n_envs)]

    def _frame(self) -> np.ndarray:
        drawn = self._rng.integers(0, self._n_values, self._shape[1:])
        if np.issubdtype(self._dtype, np.floating):
            # Equal numbers with other bits, and a number that does not equal itself.
            drawn = np.choose(drawn % 4, [0.0, -0.0, np.nan, 1.5])
        return drawn.astype(self._dtype)

    def _begun(self, env: int, before: list[np.ndarray] | None) -> list[np.ndarray]:
        """The first stack of an episode after one that ended with the stack ``before``."""
        beginning, frame = self._beginning, self._frame()
        if beginning == "any":
            beginning = BEGINNINGS[self._rng.integers(len(BEGINNINGS))]
        if beginning == "following" and before is not None:
            return [*before[1:], frame]
        if beginning == "different":
            return [self._frame() for _ in range(self._n_frames - 1)] + [frame]
        other = np.zeros_like(frame) if beginning == "empty" else frame
        return [other] * (self._n_frames - 1) + [frame]

    def _joined(self, stacks: list[list[np.ndarray]]) -> np.ndarray:
        return np.stack([np.concatenate(stack, self._axis) for stack in stacks])

    def row(self) -> Row:
        """The next step of all environments."""
        obs = self._joined(self._stacks)
        after = [[*stack[1:], self._frame()] for stack in self._stacks]
        next_obs = self._joined(after)
        ends = (self._rng.random(len(after)) < self._p_end) | self.end_with_this_step
        self._stacks = [
            self._begun(env, stack) if ends[env] else stack for env, stack in enumerate(after)
        ]
        action = self._rng.integers(0, 9, len(after)).astype(np.int32)
        return Row(obs, action, next_obs)
