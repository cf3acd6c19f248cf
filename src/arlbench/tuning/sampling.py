"""Proposals that do not learn: those of the samplers of sweeps, each proposed once."""

from __future__ import annotations

from arlbench.errors import ConfigurationError
from arlbench.experiments.samplers import sampler_class
from arlbench.tuning.space import Config, Space, key_of


class Sampler:
    """The configurations of a sweep's sampler, one after another.

    Args:
        name: The sampler.
        space: Where to search.
        seed: The seed of the sampler.
    """

    def __init__(self, name: str, space: Space, seed: int) -> None:
        self._space = space
        self._sampler = sampler_class(name)(space.problem, space.words, seed=seed)
        self._ahead: list[Config] = []
        self._seen: set[tuple[object, ...]] = set()
        self._exhausted = False

    def propose(self, n: int) -> list[Config]:
        """The next ``n`` configurations that differ in effect, or fewer if no more are left."""
        while len(self._ahead) < n and not self._exhausted:
            self._look_ahead(n - len(self._ahead))
        taken, self._ahead = self._ahead[:n], self._ahead[n:]
        return taken

    def _look_ahead(self, n: int) -> None:
        # A sampler draws from its beginning each time, so it is asked rarely.
        for size in (max(n, len(self._seen)), n, 1):
            try:
                trials = self._sampler.ask(size)
                break
            except ConfigurationError:
                continue
        else:
            self._exhausted = True
            return
        for trial in trials:
            # A sampler also draws hyperparameters that never have an effect in this space.
            drawn = trial.config.items()
            config = self._space.complete({k: v for k, v in drawn if k in self._space.varied})
            key = key_of(config)
            if key not in self._seen:
                self._seen.add(key)
                self._ahead.append(config)
