"""How members are distributed over processes and devices."""

from __future__ import annotations

from typing import Literal

from arlbench.errors import ConfigurationError

#: The possible arguments of a caller.
Placement = Literal["auto", "sequential", "batched", "mapped"]

_PLACEMENTS = ("auto", "sequential", "batched", "mapped")


def choose_placement(asked: str, uses_host: bool, on_cpu: bool) -> Literal["sequential", "batched"]:
    """Whether members train one after another in each process, or many in one program.

    Args:
        asked: ``"sequential"`` (or its old name ``"mapped"``), ``"batched"``, or
            ``"auto"``, which batches on accelerators.
        uses_host: Whether an environment steps in Python.
        on_cpu: Whether the default device is a CPU.

    Raises:
        ConfigurationError: If the placement does not exist, or if environments in Python would
            be batched.
    """
    if asked not in _PLACEMENTS:
        raise ConfigurationError(
            f"placement must be 'auto', 'sequential' or 'batched', not {asked!r}."
        )
    if asked == "batched" and uses_host:
        raise ConfigurationError(
            "Members cannot be batched if an environment steps in Python; leave placement out."
        )
    if asked == "batched" or (asked == "auto" and not on_cpu and not uses_host):
        return "batched"
    return "sequential"
