"""From how many members on an accelerator is faster than the cores, by arithmetic.

An accelerator takes almost as long for one member as for many, because it waits for its work; the
cores take as long as they have members. Between the two is a number at which they are equally
fast. It follows from three durations that are measured once on each machine.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Speeds(NamedTuple):
    """How long an iteration of small members takes on a machine, in seconds.

    Attributes:
        overhead: On an accelerator, however many members train.
        member: On an accelerator, for each member in addition.
        core: On one core, for one member.
        network_bytes: The size of a member's network.
    """

    overhead: float
    member: float
    core: float
    network_bytes: float

    @property
    def plausible(self) -> bool:
        """Whether they can be durations and a size."""
        positive = self.core > 0 and self.network_bytes > 0
        return positive and min(self) >= 0 and all(map(math.isfinite, self))


class Amounts(NamedTuple):
    """What else the number of members depends on.

    Attributes:
        cores: Cores that train.
        devices: Accelerators that train.
        programs: Programs of a batched population, which train one after the other.
        network_bytes: The mean size of a member's network.
    """

    cores: int
    devices: int
    programs: int
    network_bytes: float


def fitted(few: tuple[int, float], many: tuple[int, float]) -> tuple[float, float]:
    """The duration of any number of members, and of each in addition, by a straight line.

    Args:
        few: A number of members, and the duration of their iteration.
        many: The same for a larger number.
    """
    member = max((many[1] - few[1]) / (many[0] - few[0]), 0.0)
    return max(few[1] - few[0] * member, 0.0), member


def break_even(speeds: Speeds, amounts: Amounts) -> float:
    """The smallest population such that it and all larger ones are no slower on accelerators.

    Larger networks take longer on a core and on an accelerator, but what an accelerator takes for
    any number of members stays the same. Smaller ones count as those that were measured. The
    number is infinite if the cores are always faster.
    """
    larger = max(amounts.network_bytes / speeds.network_bytes, 1.0)
    overhead = speeds.overhead * amounts.programs
    member = speeds.member * larger / amounts.devices
    core = speeds.core * larger
    # With as many members as cores, each takes the time of one.
    if overhead + amounts.cores * member <= core:
        return 1
    # With more, they share the cores: overhead + n * member == n * core / cores.
    gained = core / amounts.cores - member
    return math.ceil(overhead / gained) if gained > 0 else math.inf
