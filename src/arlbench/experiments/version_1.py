"""Reads files that version 0.2 of this package wrote, in format version 1.

That version trained whole intervals between evaluations: the total was rounded up to a
multiple of ``n_eval_steps`` intervals. Work that it began is finished by that rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.experiments.experiment import Experiment

#: The format that this module reads.
FORMAT_VERSION = 1

# The fields that identified the design of a sweep.
_DECISIVE = ("env_spec", "configs", "seeds", "n_total_timesteps", "n_eval_steps",
             "n_eval_episodes", "eval_env_spec")  # fmt: skip


def enlarged_timesteps(problem: Problem, config: Mapping[str, Any]) -> int:
    """The number of environment steps after rounding up.

    With this number, and the exploration schedule of the requested number, the present rule trains
    the same iterations and evaluates after the same ones.
    """
    per_iteration = int(problem.make_algorithm(config).steps_per_iteration)
    n_evaluations = problem.n_eval_steps
    per_interval = -(-problem.n_total_timesteps // (per_iteration * n_evaluations))
    return per_interval * n_evaluations * per_iteration


def lengths(experiment: Experiment) -> tuple[Problem, list[int] | None]:
    """The problem to train, and the environment steps of each configuration if they differ.

    Args:
        experiment: An experiment of any format.
    """
    problem = experiment.problem
    if experiment.format_version > FORMAT_VERSION:
        return problem, None
    timesteps = [enlarged_timesteps(problem, config) for config in experiment.configs]
    return problem.replace(schedule_timesteps=problem.lengths.schedule_timesteps), timesteps


def problem_of_design(content: Mapping[str, Any]) -> Problem:
    """The problem of the sweep that a ``design.json`` describes."""
    eval_env_spec = content["eval_env_spec"]
    return Problem(
        env_spec=EnvSpec(**content["env_spec"]),
        eval_env_spec=EnvSpec(**eval_env_spec) if eval_env_spec else None,
        n_total_timesteps=content["n_total_timesteps"],
        n_eval_steps=content["n_eval_steps"],
        n_eval_episodes=content["n_eval_episodes"],
    )


def experiment_of_design(content: Mapping[str, Any]) -> Experiment:
    """The sweep that a ``design.json`` describes."""
    return Experiment(
        problem_of_design(content),
        configs=tuple(content["configs"]),
        seeds=tuple(content["seeds"]),
        origin=content["origin"],
        versions=content["versions"],
        format_version=FORMAT_VERSION,
    )


def design_fingerprint(content: Mapping[str, Any]) -> str:
    """The identity of the design in the parts of a sweep."""
    decisive = {name: content[name] for name in _DECISIVE}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
