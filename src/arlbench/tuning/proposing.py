"""Tuners that take their configurations from proposals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from arlbench.tuning.proposals import Proposals, Sampled, Started
from arlbench.tuning.space import Space
from arlbench.tuning.trials import Result, Trial
from arlbench.tuning.tuner import Tuner


class FromProposals(Tuner):
    """A tuner whose new configurations come from proposals.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        proposals: Where new configurations come from.
    """

    def __init__(self, space: Space, proposals: Proposals, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._proposals = proposals
        self.note = proposals.note

    def start_from(self, configs: Sequence[Mapping[str, Any]]) -> bool:
        self._proposals = Started([dict(config) for config in configs], self._proposals)
        return True


class Proposing(FromProposals):
    """A tuner that trains every trial to its end."""

    def ask(self, n: int) -> Sequence[Trial]:
        return [Trial(config) for config in self._proposals.propose(n)]

    def tell(self, results: Sequence[Result]) -> None:
        self._proposals.learn(results)


class Sampling(Proposing):
    """A tuner that proposes the configurations of a sampler of sweeps."""

    #: The sampler.
    sampler: ClassVar[str]
    # It does not learn, so waiting for results would gain nothing.
    parallel: ClassVar[int] = 64

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, Sampled(self.sampler, space, seed), seed=seed)
