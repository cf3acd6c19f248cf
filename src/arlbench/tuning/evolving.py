"""The common part of populations that evolve: generations, copies of the best, changes to them."""

from __future__ import annotations

import abc
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from arlbench.core.checks import finite, one_of, positive_whole
from arlbench.core.problem import Problem
from arlbench.core.text_values import count
from arlbench.errors import ConfigurationError
from arlbench.experiments.drawing import value_at
from arlbench.experiments.space import Choices, Range
from arlbench.tuning.halving import best_of
from arlbench.tuning.sampling import Sampler
from arlbench.tuning.space import Config, Space
from arlbench.tuning.trials import Result, Trial, fidelity_after
from arlbench.tuning.tuner import Tuner

#: What a replaced member takes from a better one.
EXPLOITS = ("state", "network")


class Evolving(Tuner):
    """A population whose worst members become changed copies of its best.

    Every member trains until the generation ends. Then the worst members are replaced. Each
    takes from one of the best its whole state, with buffer, environment and random key
    (``exploit="state"``), or only the part that acts, and continues its own training with it
    (``"network"``). :meth:`explored` derives its hyperparameters from those of the better member;
    its architecture stays that of the state with which it continues. A member that diverged is
    always replaced, by a whole state.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        n_members: The number of members in the population.
        n_steps: The number of generations; None means one for each evaluation of the problem.
        exploit: What a replaced member takes from a better one.
        quantile: The fraction of members that is replaced, and the fraction that is copied.
        resample: The probability that a copied hyperparameter is drawn again instead.
    """

    parallel: ClassVar[int] = 64
    continues: ClassVar[bool] = True
    can_restart: ClassVar[bool] = False
    ends: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        n_members: int = 16,
        n_steps: int | None = None,
        exploit: str = "state",
        quantile: float = 0.25,
        resample: float = 0.25,
    ) -> None:
        super().__init__(space, seed=seed)
        self._n_members = positive_whole("n_members", n_members)
        self._exploit = one_of("exploit", exploit, EXPLOITS, "exploit")
        if not 0 < finite("quantile", quantile) <= 0.5:
            raise ConfigurationError(f"quantile must lie above 0 and up to 0.5, not {quantile}.")
        self._n_replaced = math.ceil(quantile * self._n_members)
        if self._n_members < 2:
            raise ConfigurationError(
                "n_members must be 2 or more, so that one can replace another."
            )
        self._resample = share("resample", resample)
        self._levels = step_ends(space.problem, n_steps)
        self._fresh = Sampler("random", space, seed)
        self._waiting = [Trial(config) for config in self._fresh.propose(self._n_members)]
        self._generation = 0
        self._asked = 0
        self._results: list[Result] = []

    @abc.abstractmethod
    def explored(self, source: Result) -> Config:
        """The hyperparameters of a copy of a member."""

    def start_from(self, configs: Sequence[Mapping[str, Any]]) -> bool:
        given = [Trial(dict(config)) for config in configs[: self._n_members]]
        self._waiting = [*given, *self._waiting][: self._n_members]
        if len(configs) > self._n_members:
            few = (
                f"Only the first {self._n_members} of {len(configs)} given configurations are "
                f"used, because the population has {self._n_members} members."
            )
            self.note = " ".join(filter(None, (self.note, few)))
        return True

    def note_on_limits(self, trials: int | None, timesteps: float | None, n_seeds: int) -> str:
        n_members, n_generations = self._n_members, len(self._levels)
        if trials is not None and trials < n_members * n_generations:
            return (
                f"The limit of {count(trials, 'trial')} ends the population in generation "
                f"{math.ceil(trials / n_members)} of {n_generations}, because each of its "
                f"{n_members} members is a new trial in every generation; all generations need "
                f"{n_members * n_generations} trials."
            )
        # The last generation begins if the others have needed fewer steps than the limit.
        others, whole = (level * n_members * n_seeds for level in (0, *self._levels)[-2:])
        if timesteps is None or others < timesteps:
            return ""
        return (
            f"The population needs about {whole:,} environment steps for its {n_generations} "
            f"generations, so the limit of {timesteps:,} ends it early."
        )

    def ask(self, n: int) -> Sequence[Trial]:
        if self._generation == len(self._levels):
            return []
        taken, self._waiting = self._waiting[:n], self._waiting[n:]
        fidelity = self._levels[self._generation]
        first, self._asked = self._asked, self._asked + len(taken)
        return [
            trial._replace(
                fidelity=fidelity, info={"generation": self._generation, "member": first + i}
            )
            for i, trial in enumerate(taken)
        ]

    def tell(self, results: Sequence[Result]) -> None:
        self._results += results
        if self._waiting or len(self._results) < self._asked:
            return
        self._generation += 1
        generation = sorted(self._results, key=lambda result: result.trial.info["member"])
        self._results, self._asked = [], 0
        if self._generation < len(self._levels):
            self.learn(generation)
            self._waiting = self._next(generation)

    def learn(self, generation: Sequence[Result]) -> None:
        """Takes the results of a whole generation, before the next one is made from it."""

    def _next(self, generation: Sequence[Result]) -> list[Trial]:
        ranked = best_of(generation, len(generation))
        best = ranked[: self._n_replaced]
        kept = {r.number for r in ranked[: max(len(generation) - self._n_replaced, len(best))]}
        return [
            Trial(result.trial.config, continues=result.number)
            if result.number in kept
            else self._replacement(result, best)
            for result in generation
        ]

    def _replacement(self, result: Result, best: Sequence[Result]) -> Trial:
        if not best:
            # All have diverged: begin another configuration from step 0.
            return Trial(self.space.draw(self.rng))
        source = best[int(self.rng.integers(len(best)))]
        config = self.explored(source)
        own_state = (
            self._exploit == "network"
            and math.isfinite(result.score)
            and _architecture(self.space, result) == _architecture(self.space, source)
        )
        if own_state:
            return Trial(config, continues=result.number, network_of=source.number)
        return Trial(config, continues=source.number)

    @property
    def continuable(self) -> Collection[int]:
        waiting = [n for trial in self._waiting for n in (trial.continues, trial.network_of)]
        return {*(n for n in waiting if n is not None), *(r.number for r in self._results)}

    @property
    def position(self) -> str:
        return f"generation {min(self._generation + 1, len(self._levels))} of {len(self._levels)}"


def share(name: str, value: float) -> float:
    """A setting that is a fraction or a probability.

    Raises:
        ConfigurationError: If it is not between 0 and 1.
    """
    if not 0 <= finite(name, value) <= 1:
        raise ConfigurationError(f"{name} must be between 0 and 1, not {value}.")
    return value


def step_ends(problem: Problem, n_steps: int | None) -> list[int]:
    """Environment steps, counted from step 0, at which the generations of a population end.

    Raises:
        ConfigurationError: If there are more steps than evaluations.
    """
    total, n_evaluations = problem.n_total_timesteps, problem.n_eval_steps
    n = n_evaluations if n_steps is None else positive_whole("n_steps", n_steps)
    if n > n_evaluations:
        raise ConfigurationError(
            f"n_steps is {n}, more than the {n_evaluations} evaluations of the problem, after "
            "which members are compared; evaluate more often, or lower n_steps."
        )
    counts = [(2 * k * n_evaluations + n) // (2 * n) for k in range(1, n + 1)]
    return [fidelity_after(count, total, n_evaluations) for count in counts]


def perturbed(
    space: Space,
    config: Mapping[str, Any],
    rng: np.random.Generator,
    factors: tuple[float, float],
    resample: float,
) -> Config:
    """A configuration near another one, within the space, with the same architecture.

    Each active hyperparameter is drawn again with probability ``resample``. Otherwise a number
    is multiplied by one of the factors (or replaced by the next choice up or down), and
    anything else keeps its value. A hyperparameter that becomes active is drawn.
    """
    kept = space.problem.algorithm_class.architecture_choices()
    was_active = set(space.active(config))
    values: Config = {}
    for name, where in space.varied.items():
        condition = space.conditions.get(name)
        if condition is not None and values.get(condition.name) != condition.value:
            continue
        again, up, drawn = rng.random() < resample, rng.random() < 0.5, rng.random()
        if name in kept:
            values[name] = config[name]
        elif again or name not in was_active:
            values[name] = value_at(where, drawn)
        else:
            values[name] = neighbour(where, config[name], factors[int(up)], up)
    return space.complete(values)


def neighbour(where: Choices | Range, value: Any, factor: float, up: bool) -> Any:
    """A value near another one: the number times a factor, or the next choice.

    A factor of 1 leaves the value as it is.
    """
    if factor == 1:
        return value
    if isinstance(where, Choices):
        if not all(type(v) in {int, float} for v in where.values) or value not in where.values:
            return value
        ordered = sorted(where.values)
        index = ordered.index(value) + (1 if up else -1)
        return ordered[min(max(index, 0), len(ordered) - 1)]
    moved = value * factor
    if where.is_whole:
        # Otherwise a small number would be rounded back to itself.
        step = 1 if up else -1
        moved = round(moved) if round(moved) != value else value + step
    return min(max(moved, where.low), where.high)


def _architecture(space: Space, result: Result) -> dict[str, Any]:
    choices = space.problem.algorithm_class.architecture_choices()
    return {name: result.trial.config[name] for name in choices}
