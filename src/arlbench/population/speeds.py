"""Whether a population ends earlier on the cores or on accelerators, by arithmetic.

An accelerator takes almost as long for one member as for many, because it waits for its work; the
cores take as long as they have members. Both follow from three durations that are measured once on
each machine.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
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


class Resources(NamedTuple):
    """What can train a population.

    Attributes:
        cores: Cores that train.
        devices: Accelerators that train.
    """

    cores: int
    devices: int


class Workload(NamedTuple):
    """What a population has to do.

    Attributes:
        costs: The work of each member, in any unit: one sequence for each program of a batched
            population. The programs train one after the other.
        network_bytes: The mean size of a member's network.
    """

    costs: Sequence[Sequence[float]]
    network_bytes: float

    @property
    def n_members(self) -> int:
        """The size of the population."""
        return sum(map(len, self.costs))


def fitted(few: tuple[int, float], many: tuple[int, float]) -> tuple[float, float]:
    """The duration of any number of members, and of each in addition, by a straight line.

    Args:
        few: A number of members, and the duration of their iteration.
        many: The same for a larger number.
    """
    member = max((many[1] - few[1]) / (many[0] - few[0]), 0.0)
    return max(few[1] - few[0] * member, 0.0), member


def cores_are_faster(speeds: Speeds, workload: Workload, resources: Resources) -> bool:
    """Whether a population ends earlier on the cores than on accelerators.

    Larger networks take longer on a core and on an accelerator, but what an accelerator takes for
    any number of members stays the same. Smaller ones count as those that were measured.
    """
    larger = max(workload.network_bytes / speeds.network_bytes, 1.0)
    member = speeds.member * larger / resources.devices
    # All members of a batch take part until the last one has ended.
    batched = sum(
        max(of_one) * (speeds.overhead + len(of_one) * member) for of_one in workload.costs
    )
    return speeds.core * larger * _work_of_a_core(workload, resources.cores) < batched


def _work_of_a_core(workload: Workload, n_cores: int) -> float:
    """The work of the core that ends last, if each takes the longest member that waits."""
    members = sorted((cost for of_one in workload.costs for cost in of_one), reverse=True)
    cores = [0.0] * min(n_cores, max(len(members), 1))
    for cost in members:
        heapq.heapreplace(cores, cores[0] + cost)
    return max(cores)


def break_even(speeds: Speeds, resources: Resources) -> float:
    """From about how many members on accelerators are faster, for small ones of one program.

    They are of equal length and as many as keep all cores busy. The number is infinite if the cores
    are always faster.
    """
    # overhead + n * member == n * core / cores
    gained = speeds.core / resources.cores - speeds.member / resources.devices
    return math.ceil(speeds.overhead / gained) if gained > 0 else math.inf
