"""How members are distributed over processes and devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from arlbench.errors import ConfigurationError

#: The possible arguments of a caller.
Placement = Literal["auto", "sequential", "cores", "batched", "mapped"]

#: The possible decisions. ``"cores"`` is for machines with an accelerator: one member after
#: another, but only in worker processes, because this process would train on the accelerator.
Placed = Literal["sequential", "cores", "batched"]

_PLACEMENTS = ("auto", "sequential", "cores", "batched", "mapped")


def choose_placement(
    asked: str, uses_host: bool, on_cpu: bool, prefers_cores: Callable[[], bool]
) -> Placed:
    """Whether members train one after another in each process, or many in one program.

    ``"sequential"`` uses the default device even if it is an accelerator, because members then
    equal single runs on it, bit for bit.

    Args:
        asked: ``"sequential"`` (or its old name ``"mapped"``), ``"cores"``, ``"batched"``, or
            ``"auto"``, which chooses what is faster.
        uses_host: Whether an environment steps in Python.
        on_cpu: Whether the default device is a CPU.
        prefers_cores: Whether members are faster on the cores than batched on an accelerator;
            only called if the placement depends on it.

    Raises:
        ConfigurationError: If the placement does not exist, or if environments in Python would
            be batched.
    """
    if asked not in _PLACEMENTS:
        raise ConfigurationError(
            f"placement must be 'auto', 'sequential', 'cores' or 'batched', not {asked!r}."
        )
    if asked == "batched" and uses_host:
        raise ConfigurationError(
            "Members cannot be batched if an environment steps in Python; leave placement out."
        )
    if asked == "batched":
        return "batched"
    if on_cpu or asked in {"sequential", "mapped"}:
        return "sequential"
    if asked == "cores" or uses_host or prefers_cores():
        return "cores"
    return "batched"
