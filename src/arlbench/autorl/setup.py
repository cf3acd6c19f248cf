"""Finds the objectives, state features and problem that the settings name.

:class:`AutoRLEnv` and :class:`AutoRLVectorEnv` share this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arlbench.autorl.config import AutoRLConfig
from arlbench.autorl.objectives import Objective, find_objectives
from arlbench.autorl.state_features import StateFeature, find_state_features
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.declarations import possible_values
from arlbench.core.algorithms.state_parts import ALL
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError


class Setup(NamedTuple):
    """The settings, and the objects that they name.

    Attributes:
        settings: Every setting.
        objectives: The objectives of a step.
        features: The state features of a step.
        problem: The problem that a step trains.
    """

    settings: AutoRLConfig
    objectives: tuple[Objective, ...]
    features: tuple[StateFeature, ...]
    problem: Problem

    @classmethod
    def of(cls, config: Mapping[str, Any] | AutoRLConfig | None) -> Setup:
        """Finds the objects that these settings name.

        Raises:
            ConfigurationError: If a setting is unknown or impossible.
            MissingExtraError: If an objective needs a package that is not installed.
        """
        settings = AutoRLConfig.of(config)
        objectives = find_objectives(settings.objectives)
        features = find_state_features(settings.state_features)
        problem = settings.problem
        extended = _of_extended_space(problem) if settings.extended else {}
        options = {**problem.options, **extended, **_tracking(problem, settings, features)}
        return cls(settings, objectives, features, problem.replace(options=options))

    def make_algorithm(self) -> Algorithm:
        """The learner, with default hyperparameters.

        Raises:
            ConfigurationError: If a setting is impossible, or a state feature needs statistics
                that the algorithm does not report.
            UnknownEnvironmentError: If the algorithm cannot learn in the environment.
        """
        algorithm = self.problem.make_algorithm()
        known = algorithm.structure.statistics
        for feature in self.features:
            missing = [name for name in feature.statistics_needed if name not in known]
            if missing:
                raise ConfigurationError(
                    f"The state feature '{feature.name}' needs the {missing[0]} of each update, "
                    f"which {algorithm.name} does not report; leave the feature out."
                )
        return algorithm


def _of_extended_space(problem: Problem) -> dict[str, Any]:
    """Options with which one program of the algorithm fits every action of the extended space."""
    cls = problem.algorithm_class
    return cls.options_for_space(possible_values(cls.hyperparameters()))


def _tracking(
    problem: Problem, settings: AutoRLConfig, features: tuple[StateFeature, ...]
) -> dict[str, bool]:
    """Options of the algorithm that record what features and checkpoints need."""
    cls = problem.algorithm_class
    options = [option for part, option in cls.tracked_parts.items() if part in settings.checkpoint]
    if ALL in settings.checkpoint:
        options += cls.tracked_by_all
    if any(feature.statistics for feature in features):
        options.append("track_statistics")
    return dict.fromkeys(options, True)
