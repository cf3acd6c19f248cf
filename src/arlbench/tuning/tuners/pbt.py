"""Population-based training (Jaderberg et al. 2017)."""

from __future__ import annotations

from typing import Any

from arlbench.tuning.evolving import Evolving, perturbed, share
from arlbench.tuning.space import Config, Space
from arlbench.tuning.trials import Result


class Pbt(Evolving):
    """Copies of good members whose hyperparameters are changed a little, or drawn again.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        perturb: The fraction by which numbers become smaller or larger.
        **others: Settings of :class:`Evolving`; ``resample`` is for every hyperparameter.
    """

    def __init__(self, space: Space, *, seed: int = 0, perturb: float = 0.2, **others: Any) -> None:
        super().__init__(space, seed=seed, **others)
        self._factors = (1 - share("perturb", perturb), 1 + perturb)

    def explored(self, source: Result) -> Config:
        return perturbed(self.space, source.trial.config, self.rng, self._factors, self._resample)
