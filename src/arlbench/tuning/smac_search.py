"""SMAC3 as proposals, and our spaces as ConfigSpace's."""

from __future__ import annotations

import importlib
import math
import shutil
import tempfile
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

from arlbench.errors import MissingExtraError
from arlbench.experiments.space import Choices, Range
from arlbench.tuning.proposals import Proposals
from arlbench.tuning.space import Config, Space
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
            "The tuner smac needs SMAC3, which is missing or does not fit its scikit-learn; "
            "install it with: pip install 'arlbench[smac]'."
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
    plain = {
        name: value.item() if hasattr(value, "item") else value
        for name, value in dict(configuration).items()
    }
    return space.complete({name: _within(space.varied[name], v) for name, v in plain.items()})


def _entry(name: str, where: Choices | Range) -> Any:
    if isinstance(where, Choices):
        return Categorical(name, list(where.values))
    is_whole = isinstance(where.low, int) and isinstance(where.high, int)
    bounds: Any = (where.low, where.high)
    return (Integer if is_whole else Float)(name, bounds, log=where.log)


def _within(where: Choices | Range, value: Any) -> Any:
    """The value, kept within its range, because ConfigSpace may round a number out of it."""
    if isinstance(where, Choices):
        return where.values[where.values.index(value)]
    return min(max(value, where.low), where.high)


class Smac(Proposals):
    """SMAC3's facade for hyperparameters (Lindauer et al. 2022), with a random forest.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        n_initial: Configurations of a Sobol design before the first one that learns.
    """

    learns = True

    def __init__(self, space: Space, seed: int, n_initial: int = 10) -> None:
        smac = import_smac()
        history = importlib.import_module("smac.runhistory.dataclasses")
        self._space, self._value = space, history.TrialValue
        self._info = history.TrialInfo
        # The seed of all its trials: that of the first one that it proposed or was told of.
        self._seed = 0
        # The files that SMAC3 writes are not used, and are removed together with this object.
        folder = tempfile.mkdtemp(prefix="arlbench-smac-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        facade = smac.HyperparameterOptimizationFacade
        scenario = smac.Scenario(
            config_space_of(space, seed),
            deterministic=True,
            n_trials=_NO_LIMIT,
            seed=seed,
            output_directory=Path(folder),
        )
        self._facade = facade(
            scenario,
            _never_called,
            overwrite=True,
            logging_level=False,
            intensifier=facade.get_intensifier(scenario, max_config_calls=1),
            initial_design=facade.get_initial_design(scenario, n_configs=n_initial),
        )
        self._asked: dict[tuple[Any, ...], list[Any]] = {}
        self._worst = 0.0

    def propose(self, n: int) -> list[Config]:
        configs = []
        for _ in range(n):
            try:
                info = self._facade.ask()
            except StopIteration:
                break
            config, self._seed = config_of(self._space, info.config), info.seed
            self._asked.setdefault(tuple(config.values()), []).append(info)
            configs.append(config)
        return configs

    def learn(self, results: Sequence[Result]) -> None:
        for result in results:
            if math.isfinite(result.score):
                self._worst = max(self._worst, -result.score)
        for result in results:
            waiting = self._asked.get(tuple(result.trial.config.values()), [])
            info = waiting.pop(0) if waiting else self._info_of(result)
            # SMAC3 minimises, and cannot handle infinity.
            cost = -result.score if math.isfinite(result.score) else self._worst
            self._facade.tell(info, self._value(cost=cost), save=False)

    def _info_of(self, result: Result) -> Any:
        """A trial that SMAC3 did not propose, as one of its own."""
        found = self._facade.scenario.configspace
        config = configuration_of(self._space, found, dict(result.trial.config))
        # With another seed than all others, SMAC3 would want to try it again.
        return self._info(config=config, seed=self._seed)


def _never_called(config: Any, seed: int = 0) -> float:
    raise AssertionError("the study trains, not SMAC")
