"""Optuna's samplers as proposals, and conversions between its distributions and our dimensions.

Optuna keeps its data only in memory here; the journal of the study is permanent.
"""

from __future__ import annotations

import abc
import contextlib
import importlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arlbench.errors import MissingExtraError
from arlbench.experiments.drawing import value_at
from arlbench.experiments.space import Choices, Range
from arlbench.tuning.proposals import Proposals, note_on_independent
from arlbench.tuning.space import Config, Space, key_of
from arlbench.tuning.trials import Result


def import_optuna() -> Any:
    """The package Optuna.

    Raises:
        MissingExtraError: If it, or a package that its samplers need, is not installed.
    """
    try:
        importlib.import_module("cmaes")
        return importlib.import_module("optuna")
    except ImportError as error:
        raise MissingExtraError(
            "Optuna, or its package cmaes, is not installed; install both with: "
            "pip install 'arlbench[optuna]'."
        ) from error


def import_torch() -> Any:
    """The package torch, with which Optuna fits Gaussian processes.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise MissingExtraError(
            "The tuner gp needs torch, which is not installed; install it with: "
            "pip install 'arlbench[optuna-gp]'."
        ) from error


def distribution_of(where: Choices | Range) -> Any:
    """A dimension of ours as a distribution of Optuna."""
    distributions = import_optuna().distributions
    if isinstance(where, Choices):
        return distributions.CategoricalDistribution(where.values)
    kind = distributions.IntDistribution if where.is_whole else distributions.FloatDistribution
    return kind(where.low, where.high, log=where.log)


def distributions_of(space: Space) -> dict[str, Any]:
    """The varied hyperparameters of a space as distributions, by name."""
    return {name: distribution_of(where) for name, where in space.varied.items()}


def suggested(trial: Any, name: str, distribution: Any) -> Any:
    """The value that a trial of Optuna has for a hyperparameter."""
    distributions = import_optuna().distributions
    if isinstance(distribution, distributions.CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    is_whole = isinstance(distribution, distributions.IntDistribution)
    suggest = trial.suggest_int if is_whole else trial.suggest_float
    return suggest(name, distribution.low, distribution.high, log=distribution.log)


class OptunaProposals(Proposals):
    """Proposals of an Optuna sampler, with one Optuna study for each fidelity.

    It proposes from the largest fidelity that has enough results, as BOHB does (Falkner et
    al. 2018). With only one fidelity it always proposes from that one.

    Args:
        space: Where to search.
        seed: The seed of the sampler.
        enough: How many results a fidelity needs to be preferred to smaller ones.
    """

    learns = True

    #: Whether only active hyperparameters are asked for. Otherwise all are, because a
    #: hyperparameter that is missing in some trials would be drawn independently in all.
    follows_conditions = False

    def __init__(self, space: Space, seed: int, enough: int = 10) -> None:
        self._optuna = import_optuna()
        self._space = space
        self._seed = seed
        self._enough = enough
        self._distributions = distributions_of(space)
        self._studies: dict[int, Any] = {}
        self._n_results: dict[int, int] = {}
        # Optuna's trials that have not been told yet, with their fidelity, by configuration.
        self._open: dict[tuple[Any, ...], list[tuple[int, Any]]] = {}
        self._whole = space.problem.n_total_timesteps
        self.note = self.note_on_space()

    @abc.abstractmethod
    def sampler(self, optuna: Any, seed: int) -> Any:
        """A new sampler of Optuna."""

    def note_on_space(self) -> str:
        """A sentence that names hyperparameters that the sampler does not model jointly."""
        return ""

    def propose(self, n: int) -> list[Config]:
        return [self._propose() for _ in range(n)]

    def _propose(self) -> Config:
        fidelity = self._fidelity()
        with quietly(self._optuna):
            trial = self._study(fidelity).ask()
            values = self._suggested(trial)
        config = self._space.complete(values)
        self._open.setdefault(key_of(config), []).append((fidelity, trial))
        return config

    def _suggested(self, trial: Any) -> Config:
        """The values of a new trial; hyperparameters come after those that they depend on."""
        values: Config = {}
        for name, distribution in self._distributions.items():
            condition = self._space.conditions.get(name)
            follows = self.follows_conditions and condition is not None
            if not follows or values.get(condition.name) == condition.value:  # type: ignore[union-attr]
                values[name] = suggested(trial, name, distribution)
        return values

    def _fidelity(self) -> int:
        """The fidelity from whose results to propose."""
        enough = [f for f, n in self._n_results.items() if n >= self._enough]
        return max(enough or self._n_results, default=self._whole)

    def _study(self, fidelity: int) -> Any:
        if fidelity not in self._studies:
            # Each needs another seed, or all fidelities would begin with the same configurations.
            seed = (self._seed + len(self._studies)) % 2**32
            self._studies[fidelity] = self._optuna.create_study(
                direction="maximize", sampler=self.sampler(self._optuna, seed)
            )
        return self._studies[fidelity]

    def learn(self, results: Sequence[Result]) -> None:
        with quietly(self._optuna):
            for result in results:
                self._learn(result)

    def _learn(self, result: Result) -> None:
        fidelity = result.trial.fidelity or self._whole
        self._n_results[fidelity] = self._n_results.get(fidelity, 0) + 1
        waiting = self._open.get(key_of(result.trial.config), [])
        asked_for, trial = waiting.pop(0) if waiting else (None, None)
        if asked_for == fidelity:
            self._studies[fidelity].tell(trial, result.score)
            return
        if trial is not None and asked_for is not None:
            # For Optuna the trial has failed, because it has no result of that fidelity.
            failed = self._optuna.trial.TrialState.FAIL
            self._studies[asked_for].tell(trial, state=failed)
        self._study(fidelity).add_trial(self._completed(result))

    def _completed(self, result: Result) -> Any:
        """A result that was not asked for at its fidelity, as a trial of Optuna."""
        values: Mapping[str, Any] = result.trial.config
        values = self._space.choice(values) if self.follows_conditions else self._inside(values)
        contains = self._space.contains
        known = {name: values[name] for name in values if contains(name, values[name])}
        return self._optuna.trial.create_trial(
            params=known,
            distributions={name: self._distributions[name] for name in known},
            value=result.score,
        )

    def _inside(self, config: Mapping[str, Any]) -> Config:
        """A whole configuration whose inactive values are the nearest ones in the space."""
        point = self._space.point_of(config)
        nearest = {
            name: config[name]
            if self._space.contains(name, config[name])
            else value_at(where, float(u))
            for (name, where), u in zip(self._space.varied.items(), point, strict=True)
        }
        return {**config, **nearest}


@contextlib.contextmanager
def quietly(optuna: Any) -> Iterator[None]:
    """Suppresses Optuna's warnings about intended uses, and its message for each new study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # A trial that diverged counts as the worst, which is what this warning says.
            warnings.filterwarnings("ignore", "Clip non-finite values")
            yield
    finally:
        optuna.logging.set_verbosity(before)


class Tpe(OptunaProposals):
    """Tree-structured Parzen estimators (Bergstra et al. 2011), jointly for each group of
    hyperparameters that are active together.

    Args:
        space: Where to search.
        seed: The seed of the sampler.
        n_startup_trials: The number of random trials before it begins to learn from results.
    """

    follows_conditions = True

    def __init__(self, space: Space, seed: int, n_startup_trials: int = 10) -> None:
        self._n_startup_trials = n_startup_trials
        super().__init__(space, seed, enough=n_startup_trials)

    def note_on_space(self) -> str:
        groups: dict[Any, list[str]] = {}
        for name, condition in self._space.conditions.items():
            groups.setdefault(condition, []).append(name)
        if not groups:
            return ""
        named = "; ".join(", ".join(names) for names in groups.values())
        return f"This tuner models some hyperparameters separately from all others: {named}."

    def sampler(self, optuna: Any, seed: int) -> Any:
        return optuna.samplers.TPESampler(
            n_startup_trials=self._n_startup_trials,
            multivariate=True,
            group=True,
            constant_liar=True,
            seed=seed,
        )


class Gp(OptunaProposals):
    """A Gaussian process over all hyperparameters, those that have no effect included.

    Args:
        space: Where to search.
        seed: The seed of the sampler.
        n_startup_trials: The number of random trials before it begins to learn from results.
    """

    def __init__(self, space: Space, seed: int, n_startup_trials: int = 10) -> None:
        import_optuna()
        self._torch = import_torch()
        self._n_startup_trials = n_startup_trials
        super().__init__(space, seed, enough=n_startup_trials)

    def sampler(self, optuna: Any, seed: int) -> Any:
        return optuna.samplers.GPSampler(
            n_startup_trials=self._n_startup_trials, seed=seed, warn_independent_sampling=False
        )

    def _propose(self) -> Config:
        # With one thread, sums do not depend on the number of cores.
        before = self._torch.get_num_threads()
        self._torch.set_num_threads(1)
        try:
            return super()._propose()
        finally:
            self._torch.set_num_threads(before)


class CmaEs(OptunaProposals):
    """CMA-ES (Hansen and Ostermeier 2001) over all numeric hyperparameters."""

    def note_on_space(self) -> str:
        return note_on_independent(_choices(self._space))

    def sampler(self, optuna: Any, seed: int) -> Any:
        return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)


class Qmc(OptunaProposals):
    """Points of Sobol's sequence, as Optuna scrambles them; the first is drawn independently."""

    learns = False

    def sampler(self, optuna: Any, seed: int) -> Any:
        return optuna.samplers.QMCSampler(
            scramble=True,
            seed=seed,
            warn_asynchronous_seeding=False,
            warn_independent_sampling=False,
        )


def _choices(space: Space) -> tuple[str, ...]:
    return tuple(name for name, where in space.varied.items() if isinstance(where, Choices))
