"""Estimates whether a population finishes earlier on the cores or on accelerators.

An accelerator takes almost as long for one member as for many, because starting its kernels takes
most of the time; the time of the cores is proportional to the number of members. Both follow from
three durations that are measured once on each machine.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import NamedTuple

# A unit of Algorithm.cost on one core, for networks of at most this size (bytes).
_UNIT_SECONDS = 2e-6
_USUAL_NETWORK_BYTES = 2**15


class Speeds(NamedTuple):
    """How long an iteration of small members takes on a machine, in seconds.

    Attributes:
        overhead: On an accelerator, independent of the number of members.
        member: On an accelerator, additionally for each member.
        core: On one core, for one member, while all cores train.
        network_bytes: The size of the network of the members that were timed.
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
        costs: The work of each member, in the unit of ``Algorithm.cost``: one sequence for each
            program of a batched population. The programs train one after the other.
        network_bytes: The mean size of a member's network.
    """

    costs: Sequence[Sequence[float]]
    network_bytes: float

    @property
    def n_members(self) -> int:
        """The size of the population."""
        return sum(map(len, self.costs))


def fitted(few: tuple[int, float], many: tuple[int, float]) -> tuple[float, float]:
    """Fits a straight line: the duration without any member, and the duration for each member.

    Args:
        few: A number of members, and the duration of their iteration.
        many: The same for a larger number of members.
    """
    member = max((many[1] - few[1]) / (many[0] - few[0]), 0.0)
    return max(few[1] - few[0] * member, 0.0), member


def cores_are_faster(speeds: Speeds, workload: Workload, resources: Resources) -> bool:
    """Whether a population finishes earlier on the cores than on accelerators.

    For networks larger than the one that was timed, the durations for each member grow in
    proportion, but the overhead of an accelerator stays the same. Smaller networks count as if
    they had the size of that one.
    """
    larger = max(workload.network_bytes / speeds.network_bytes, 1.0)
    member = speeds.member * larger / resources.devices
    # All members of a batch take part until the last one has ended.
    batched = sum(
        max(of_one) * (speeds.overhead + len(of_one) * member) for of_one in workload.costs
    )
    return speeds.core * larger * _work_of_a_core(workload, resources.cores) < batched


def rough_seconds_on_cores(workload: Workload, resources: Resources) -> float:
    """How long a population takes on the cores, without any measurement; often wrong by half."""
    larger = max(workload.network_bytes / _USUAL_NETWORK_BYTES, 1.0)
    return _UNIT_SECONDS * larger * _work_of_a_core(workload, resources.cores)


def _work_of_a_core(workload: Workload, n_cores: int) -> float:
    """The work of the core that ends last, if each core takes the longest waiting member."""
    members = sorted((cost for of_one in workload.costs for cost in of_one), reverse=True)
    cores = [0.0] * min(n_cores, max(len(members), 1))
    for cost in members:
        heapq.heapreplace(cores, cores[0] + cost)
    return max(cores)


def break_even(speeds: Speeds, resources: Resources) -> float:
    """The approximate number of members from which accelerators are faster than the cores.

    It holds for small members of one program and equal length that keep all cores busy. It is
    infinite if the cores are always faster.
    """
    # overhead + n * member == n * core / cores
    gained = speeds.core / resources.cores - speeds.member / resources.devices
    return math.ceil(speeds.overhead / gained) if gained > 0 else math.inf
