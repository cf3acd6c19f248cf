"""What workers and this process say to each other, beside tasks and results."""

from __future__ import annotations

from typing import NamedTuple


class Steps(NamedTuple):
    """From a worker: environment steps that the member under way has done."""

    timesteps: int


class Failed(NamedTuple):
    """From a worker: the member raised an error, in words, for not every error can be sent."""

    error: str


class Stop(NamedTuple):
    """To a worker: the member under way is no longer wanted."""
