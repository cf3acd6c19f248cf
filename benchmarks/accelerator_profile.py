"""Counts an accelerator's kernels and copies, read from a profile."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.profiler import ProfileData


class Event(NamedTuple):
    """A kernel or copy on a stream of an accelerator; times in nanoseconds."""

    name: str
    begin: float
    end: float


def profile(call: Callable[[], object], n_iterations: int) -> dict[str, float] | None:
    """Counts for one iteration, from a call that makes ``n_iterations`` and waits for them.

    Returns:
        The result of :func:`counts`; None if no accelerator did anything.
    """
    with tempfile.TemporaryDirectory() as folder:
        jax.profiler.start_trace(folder)
        try:
            call()
        finally:
            jax.profiler.stop_trace()
        files = list(Path(folder).rglob("*.xplane.pb"))
        found = list(events(ProfileData.from_file(str(files[0])))) if files else []
    return counts(found, n_iterations) if found else None


def events(data: ProfileData) -> Iterator[Event]:
    """Every kernel and copy of every stream."""
    for plane in data.planes:
        if "GPU" not in plane.name:
            continue
        for line in plane.lines:
            if "Stream" in line.name:
                for event in line.events:
                    yield Event(event.name, event.start_ns, event.start_ns + event.duration_ns)


def counts(found: Iterable[Event], n_iterations: int) -> dict[str, Any]:
    """The content of an iteration, and the share of time for which at least one stream is busy."""
    found = sorted(found, key=lambda event: event.begin)
    to_host = sum("d2h" in event.name.lower() for event in found)
    span = max(event.end for event in found) - found[0].begin
    return {
        "kernels_and_copies": len(found) / n_iterations,
        "copies_to_host": to_host / n_iterations,
        "busy_share": _covered(found) / span,
        "microseconds": span / 1e3 / n_iterations,
    }


def _covered(found: Iterable[Event]) -> float:
    """Nanoseconds that at least one event covers; events are in the order of their beginnings."""
    covered, until = 0.0, float("-inf")
    for event in found:
        covered += max(0.0, event.end - max(event.begin, until))
        until = max(until, event.end)
    return covered
