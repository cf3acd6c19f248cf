"""Population-based training (Jaderberg et al. 2017)."""

from __future__ import annotations

from arlbench.core.checks import finite
from arlbench.errors import ConfigurationError
from arlbench.tuning.evolving import Evolving, perturbed
from arlbench.tuning.space import Config, Space
from arlbench.tuning.trials import Result


class Pbt(Evolving):
    """Copies of good members whose hyperparameters are changed a little, or drawn again.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        n_members: The number of members in the population.
        n_steps: The number of generations; None means one for each evaluation of the problem.
        exploit: What a copy takes from a better member: its ``"state"`` or its ``"network"``.
        quantile: The share of members that is replaced, and the share that is copied from.
        perturb: The share by which numbers become smaller or larger.
        resample: The probability that a hyperparameter is drawn again instead.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        n_members: int = 16,
        n_steps: int | None = None,
        exploit: str = "state",
        quantile: float = 0.25,
        perturb: float = 0.2,
        resample: float = 0.25,
    ) -> None:
        super().__init__(
            space,
            seed=seed,
            n_members=n_members,
            n_steps=n_steps,
            exploit=exploit,
            quantile=quantile,
        )
        for name, value in {"perturb": perturb, "resample": resample}.items():
            if not 0 <= finite(name, value) <= 1:
                raise ConfigurationError(f"{name} must lie in 0 to 1, not be {value}.")
        self._factors = (1 - perturb, 1 + perturb)
        self._resample = resample

    def explored(self, source: Result) -> Config:
        return perturbed(self.space, source.trial.config, self.rng, self._factors, self._resample)
