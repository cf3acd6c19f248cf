"""Environments: one interface, a registry of frameworks, one adapter for each."""

from arlbench.core.environments.environment import Environment, Timestep, example_observation
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.registry import (
    evaluation_spec,
    find_framework,
    library_version,
    list_environments,
    make_env,
    make_env_from_spec,
    missing_extra,
    register_framework,
    steps_in_python,
    with_copies,
)
from arlbench.core.environments.spec import EnvSpec
from arlbench.core.environments.vectorised import SingleStep, VectorisedEnvironment

__all__ = [
    "EnvListing",
    "EnvSpec",
    "Environment",
    "SingleStep",
    "Timestep",
    "VectorisedEnvironment",
    "evaluation_spec",
    "example_observation",
    "find_framework",
    "library_version",
    "list_environments",
    "make_env",
    "make_env_from_spec",
    "missing_extra",
    "register_framework",
    "steps_in_python",
    "with_copies",
]
