"""Sources of new configurations, for methods that decide how long to train."""

from __future__ import annotations

import abc
from collections.abc import Sequence

from arlbench.tuning.sampling import Sampler
from arlbench.tuning.space import Config, Space, key_of
from arlbench.tuning.trials import Result


class Proposals(abc.ABC):
    """A source of new configurations, which may learn from results.

    Attributes:
        learns: Whether it learns from results.
        note: A sentence for the user; empty if nothing needs to be said.
    """

    learns: bool = False
    note: str = ""

    @abc.abstractmethod
    def propose(self, n: int) -> list[Config]:
        """The next ``n`` configurations, or fewer if no more are left."""

    def learn(self, results: Sequence[Result]) -> None:  # noqa: B027
        """Takes the results of trials."""


def note_on_independent(names: Sequence[str]) -> str:
    """A sentence about hyperparameters that a method draws independently; may be empty."""
    if not names:
        return ""
    return f"This tuner draws some hyperparameters independently: {', '.join(names)}."


class Started(Proposals):
    """Proposals that begin with given configurations.

    The proposals after them learn from their results, if they learn at all.

    Args:
        configs: Whole configurations.
        others: The proposals after them.
    """

    def __init__(self, configs: Sequence[Config], others: Proposals) -> None:
        self.learns, self.note = others.learns, others.note
        self._waiting = [dict(config) for config in configs]
        self._given = {key_of(config) for config in configs}
        self._others = others

    def propose(self, n: int) -> list[Config]:
        taken, self._waiting = self._waiting[:n], self._waiting[n:]
        while len(taken) < n and (more := self._others.propose(n - len(taken))):
            # Proposals that learn may have a reason to repeat a configuration.
            taken += [c for c in more if self.learns or key_of(c) not in self._given]
        return taken

    def learn(self, results: Sequence[Result]) -> None:
        self._others.learn(results)


class Sampled(Proposals):
    """Proposals of a sampler of sweeps, which do not learn.

    Args:
        name: The sampler.
        space: Where to search.
        seed: The seed of the sampler.
    """

    def __init__(self, name: str, space: Space, seed: int) -> None:
        self._sampler = Sampler(name, space, seed)

    def propose(self, n: int) -> list[Config]:
        return self._sampler.propose(n)
