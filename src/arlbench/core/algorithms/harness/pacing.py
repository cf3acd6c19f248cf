"""Cutting a long run into calls that are short enough to look up between them."""

from __future__ import annotations

#: A call of the compiled program should not keep the host waiting longer, in seconds.
SEGMENT_SECONDS = 0.25

_FIRST_SEGMENT = 8
_LARGEST_GROWTH = 8


class Pacer:
    """Chooses how many iterations the next segment has, from how long the last took.

    Results do not depend on how a run is cut, so it may follow the clock.
    """

    def __init__(self, seconds: float = SEGMENT_SECONDS) -> None:
        self._seconds = seconds
        self._next = _FIRST_SEGMENT

    def next_segment(self, remaining: int) -> int:
        """Iterations of the next segment, at least 1 and at most ``remaining``."""
        return min(remaining, self._next)

    def took(self, iterations: int, seconds: float) -> None:
        """Learns from a segment; the growth is bounded, for a first one may be odd."""
        fitting = int(self._seconds * iterations / max(seconds, 1e-9))
        self._next = max(1, min(fitting, _LARGEST_GROWTH * max(iterations, _FIRST_SEGMENT)))
