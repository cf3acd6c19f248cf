"""Lives in Atari games: losing one ends an episode for the learner, while the game continues."""

from __future__ import annotations

import numpy as np


class Lives:
    """The lives that copies of a game have left."""

    def __init__(self) -> None:
        self._left = np.zeros(0, np.int64)

    def begin(self, lives: np.ndarray) -> None:
        """Stores the lives after a reset, ``[n_envs]``."""
        self._left = np.array(lives)

    def lost(self, lives: np.ndarray, done: np.ndarray) -> np.ndarray:
        """Which copies have lost a life, but not the last one, bool ``[n_envs]``.

        Some games, such as Qbert, show a count of 0 for some frames before they end.

        Args:
            lives: The lives after a step, and after the reset of copies whose game ended.
            done: Which copies' games have ended.
        """
        before, self._left = self._left, np.array(lives)
        return (self._left < before) & (self._left > 0) & ~done
