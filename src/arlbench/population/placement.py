"""How members are spread over what computes."""

from __future__ import annotations

from typing import Literal

from arlbench.errors import ConfigurationError

#: What a caller may ask for.
Placement = Literal["auto", "sequential", "batched", "mapped"]

_PLACEMENTS = ("auto", "sequential", "batched", "mapped")


def choose_placement(asked: str, uses_host: bool, on_cpu: bool) -> Literal["sequential", "batched"]:
    """Whether members train one after another in each process, or many as one program.

    Args:
        asked: ``"sequential"`` (or ``"mapped"``, as it was called), ``"batched"``, or
            ``"auto"``, which batches on accelerators.
        uses_host: Whether an environment steps in Python.
        on_cpu: Whether the default device is a CPU.

    Raises:
        ConfigurationError: If it does not exist, or environments in Python were to be batched.
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
