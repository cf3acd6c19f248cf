"""The algorithm that an AutoRLEnv configures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arlbench.autorl.config import AutoRLConfig
from arlbench.autorl.state_features import StateFeature
from arlbench.core.algorithms.registry import algorithm_class
from arlbench.core.environments import make_env_from_spec


def learner_options(settings: AutoRLConfig, features: Iterable[StateFeature]) -> dict[str, Any]:
    """Settings of the algorithm's class that follow from what is asked for."""
    return {
        # A program for the batch sizes of one step would be of no use in the next, which may
        # bring others.
        "batch_sizes": (),
        "cnn_policy": settings.cnn_policy,
        "deterministic_eval": settings.deterministic_eval,
        "track_statistics": any(feature.statistics for feature in features),
    }


def make_learner(settings: AutoRLConfig, features: Iterable[StateFeature]) -> Any:
    """The algorithm with its default hyperparameters.

    Raises:
        ConfigurationError: If there is no such algorithm, or a setting is impossible.
        UnknownEnvironmentError: If it cannot learn in the environment.
    """
    algorithm = algorithm_class(settings.algorithm)
    tracked = {
        setting: True
        for part, setting in algorithm.tracked_parts.items()
        if part in settings.checkpoint
    }
    return algorithm(
        None,  # type: ignore[call-arg]
        make_env_from_spec(settings.env_spec),
        eval_env=make_env_from_spec(settings.eval_env_spec),
        nas_config=settings.nas_config,
        **learner_options(settings, features),
        **tracked,
    )
