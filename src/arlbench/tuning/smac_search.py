"""SMAC3 as proposals, and conversions of our spaces to ConfigSpace."""

from __future__ import annotations

import importlib
import math
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ConfigSpace import (
    Categorical,
    Configuration,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    Integer,
)

from arlbench.core.checks import as_python
from arlbench.errors import MissingExtraError
from arlbench.experiments.space import Choices, Range
from arlbench.tuning.proposals import Proposals
from arlbench.tuning.space import Config, Space, key_of
from arlbench.tuning.trials import Result

# A number of trials that is never reached, because the study ends the search.
_NO_LIMIT = 1_000_000


def import_smac() -> Any:
    """The package SMAC3.

    Raises:
        MissingExtraError: If it, or a package that it needs, is not installed.
    """
    try:
        return importlib.import_module("smac")
    except ImportError as error:
        raise MissingExtraError(
            "This tuner needs SMAC3, which is not installed or is incompatible with the installed "
            "scikit-learn; install it with: pip install 'arlbench[smac]'."
        ) from error


def config_space_of(space: Space, seed: int = 0) -> ConfigurationSpace:
    """The varied hyperparameters, with their conditions, as a space of ConfigSpace."""
    found = ConfigurationSpace(name="study", seed=seed)
    entries = {name: _entry(name, where) for name, where in space.varied.items()}
    conditions = [
        EqualsCondition(entries[name], entries[parent], value)
        for name, (parent, value) in space.conditions.items()
    ]
    found.add(*entries.values(), *conditions)
    return found


def configuration_of(space: Space, found: ConfigurationSpace, config: Config) -> Configuration:
    """A whole configuration as one of ConfigSpace."""
    return Configuration(found, values=space.choice(config))


def config_of(space: Space, configuration: Mapping[str, Any]) -> Config:
    """The inverse of :func:`configuration_of`."""
    plain = {name: as_python(value) for name, value in dict(configuration).items()}
    return space.complete({name: _within(space.varied[name], v) for name, v in plain.items()})


def _entry(name: str, where: Choices | Range) -> Any:
    if isinstance(where, Choices):
        return Categorical(name, list(where.values))
    bounds: Any = (where.low, where.high)
    return (Integer if where.is_whole else Float)(name, bounds, log=where.log)


def _within(where: Choices | Range, value: Any) -> Any:
    """The value, kept within its range, because ConfigSpace may round a number out of it."""
    if isinstance(where, Choices):
        return where.values[where.values.index(value)]
    return min(max(value, where.low), where.high)


def make_facade(
    name: str,
    space: Space,
    seed: int,
    n_initial: int,
    intensifier: Mapping[str, Any],
    **budgets: float,
) -> Any:
    """A facade of SMAC3, which is only asked and told.

    Args:
        name: The name of its class.
        space: Where to search.
        seed: The seed of its random numbers.
        n_initial: Configurations before the model begins to propose them.
        intensifier: The settings of its intensifier.
        **budgets: The smallest and the largest budget, if it has any.
    """
    smac = import_smac()
    folder = tempfile.mkdtemp(prefix="arlbench-smac-")
    scenario = smac.Scenario(
        config_space_of(space, seed),
        deterministic=True,
        n_trials=_NO_LIMIT,
        seed=seed,
        output_directory=Path(folder),
        **budgets,
    )
    kind = getattr(smac, name)
    made = kind(
        scenario,
        acquisition_maximizer=ordered_maximizer(kind, scenario),
        overwrite=True,
        logging_level=False,
        intensifier=kind.get_intensifier(scenario, **intensifier),
        initial_design=kind.get_initial_design(scenario, n_configs=n_initial),
    )
    # The files that SMAC3 writes are not used, and are removed together with the facade.
    weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
    return made


def ordered_maximizer(facade: Any, scenario: Any) -> Any:
    """The acquisition maximizer of a facade's class, with the same order in every process.

    SMAC3 collects the starting points of its local search in a set, whose order depends on the
    hash seed of the process. A study that continues in another process would propose other
    configurations.
    """
    maximizer = facade.get_acquisition_maximizer(scenario)
    local_search = maximizer._local_search
    unordered = local_search._get_init_points_from_previous_configs

    def ordered(*args: Any, **kwargs: Any) -> list[Any]:
        return sorted(unordered(*args, **kwargs), key=repr)

    local_search._get_init_points_from_previous_configs = ordered
    return maximizer


class Search:
    """A facade of SMAC3 that is asked for trials and told scores.

    Args:
        facade: The facade; see :func:`make_facade`.
    """

    def __init__(self, facade: Any) -> None:
        history = importlib.import_module("smac.runhistory.dataclasses")
        exceptions = importlib.import_module("smac.main.exceptions")
        # Threads take longer to start than ten small trees take to grow, and disturb training.
        joblib = importlib.import_module("joblib")
        self._in_one_thread = lambda: joblib.parallel_config(backend="sequential")
        self._value, self._info = history.TrialValue, history.TrialInfo
        self._at_the_end = (StopIteration, exceptions.ConfigurationSpaceExhaustedException)
        self._diverged: list[Any] = []
        self._worst = -math.inf
        self.facade = facade

    def ask(self) -> Any:
        """The next trial of SMAC3; None if the whole space has been tried."""
        try:
            with self._in_one_thread(), warnings.catch_warnings():
                # SMAC3 averages the times of a local search even if it found no neighbours.
                warnings.filterwarnings("ignore", "Mean of empty slice")
                warnings.filterwarnings("ignore", "invalid value encountered in scalar divide")
                return self.facade.ask()
        except self._at_the_end:
            return None

    def tell(self, info: Any, score: float) -> None:
        """Tells SMAC3 the score of a trial that it proposed; ``-inf`` if the trial diverged.

        SMAC3 minimises, and cannot handle infinity. It is therefore told that a trial that diverged
        costs as much as the worst one that did not, and is told again if that cost rises.
        """
        if not math.isfinite(score):
            self._diverged.append(info)
            self._tell(info, self._worst if math.isfinite(self._worst) else 0.0)
            return
        self._tell(info, -score)
        if -score > self._worst:
            self._worst = -score
            for diverged in self._diverged:
                self._tell(diverged, self._worst)

    def info_of(self, space: Space, config: Config, seed: int) -> Any:
        """A trial that SMAC3 did not propose, as one of its own."""
        found = self.facade.scenario.configspace
        return self._info(config=configuration_of(space, found, config), seed=seed)

    def _tell(self, info: Any, cost: float) -> None:
        self.facade.tell(info, self._value(cost=cost), save=False)


class Smac(Proposals):
    """SMAC3's facade for hyperparameters (Lindauer et al. 2022), with a random forest.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        n_initial: Configurations of a Sobol design before the model begins to propose them.
    """

    learns = True

    def __init__(self, space: Space, seed: int, n_initial: int = 10) -> None:
        self._space = space
        once = {"max_config_calls": 1}
        name = "HyperparameterOptimizationFacade"
        self._search = Search(make_facade(name, space, seed, n_initial, once))
        # The seed of all its trials: that of the first one that it proposed or was told of.
        self._seed = 0
        self._asked: dict[tuple[Any, ...], list[Any]] = {}

    def propose(self, n: int) -> list[Config]:
        configs: list[Config] = []
        while len(configs) < n and (info := self._search.ask()) is not None:
            config, self._seed = config_of(self._space, info.config), info.seed
            self._asked.setdefault(key_of(config), []).append(info)
            configs.append(config)
        return configs

    def learn(self, results: Sequence[Result]) -> None:
        for result in results:
            waiting = self._asked.get(key_of(result.trial.config), [])
            info = waiting.pop(0) if waiting else self._info_of(result)
            self._search.tell(info, result.score)

    def _info_of(self, result: Result) -> Any:
        """A trial that SMAC3 did not propose, as one of its own."""
        # With another seed than all others, SMAC3 would want to try it again.
        return self._search.info_of(self._space, dict(result.trial.config), self._seed)
