"""Divides a long run into short calls, so that the host can act between them."""

from __future__ import annotations

#: The time, in seconds, for which a call of the compiled program should keep the host waiting.
SEGMENT_SECONDS = 0.25

_FIRST_SEGMENT = 8
_LARGEST_GROWTH = 8


class Pacer:
    """Chooses how many iterations the next segment has, from the time of the last one.

    Results do not depend on how a run is divided, so the choice may depend on the clock.
    """

    def __init__(self, seconds: float = SEGMENT_SECONDS) -> None:
        self._seconds = seconds
        self._next = _FIRST_SEGMENT

    def next_segment(self, remaining: int) -> int:
        """Iterations of the next segment, at least 1 and at most ``remaining``."""
        return min(remaining, self._next)

    def took(self, iterations: int, seconds: float) -> None:
        """Notes a segment's time; growth is limited, because the first time may be unusual."""
        fitting = int(self._seconds * iterations / max(seconds, 1e-9))
        self._next = max(1, min(fitting, _LARGEST_GROWTH * max(iterations, _FIRST_SEGMENT)))
