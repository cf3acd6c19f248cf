"""Where methods that decide how long to train take new configurations from."""

from __future__ import annotations

import abc
from collections.abc import Sequence

from arlbench.tuning.sampling import Sampler
from arlbench.tuning.space import Config, Space
from arlbench.tuning.trials import Result


class Proposals(abc.ABC):
    """New configurations, which may follow from results.

    Attributes:
        learns: Whether results matter.
        note: A sentence for the user; empty if nothing needs to be said.
    """

    learns: bool = False
    note: str = ""

    @abc.abstractmethod
    def propose(self, n: int) -> list[Config]:
        """The next configurations, up to ``n``; fewer if these are all."""

    def learn(self, results: Sequence[Result]) -> None:  # noqa: B027
        """Takes the results of trials."""


class Sampled(Proposals):
    """Those of a sampler of sweeps, which learn from nothing.

    Args:
        name: The sampler.
        space: Where to search.
        seed: Of the sampler.
    """

    def __init__(self, name: str, space: Space, seed: int) -> None:
        self._sampler = Sampler(name, space, seed)

    def propose(self, n: int) -> list[Config]:
        return self._sampler.propose(n)
