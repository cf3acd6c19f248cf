"""The command that trains a configuration of a study, so that its agent can be kept."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arlbench.cli.options import DEFAULT_MEMORY_LIMIT
from arlbench.core.algorithms.declarations import differing_from_defaults
from arlbench.core.algorithms.registry import DEFAULT_ALGORITHM
from arlbench.core.text_values import text_of

if TYPE_CHECKING:
    from arlbench.core.environments import EnvSpec
    from arlbench.core.problem import Problem
    from arlbench.tuning.reading import LoadedStudy


def of_best(study: LoadedStudy) -> str | None:
    """The command that trains the best trial of a study again with its tuning seeds.

    None if no trial has ended without diverging, or if a single command cannot train the best one:
    it changed its configuration while it learnt, its seeds are not consecutive, or its problem has
    its own exploration schedule or evaluation environment.
    """
    from arlbench.tuning.incumbents import schedule_of
    from arlbench.tuning.space import Space

    if not study.incumbents:
        return None
    best, problem, seeds = study.incumbents[-1], study.settings.problem, study.settings.seeds
    changes = len(schedule_of(best, study.results)) > 1
    is_range = tuple(seeds) == tuple(range(seeds[0], seeds[0] + len(seeds)))
    has_own = problem.schedule_timesteps is not None or problem.eval_env_spec is not None
    if changes or not is_range or has_own:
        return None
    whole = Space(problem, study.settings.words).complete(best.trial.config)
    return of(problem, whole, seeds[0], len(seeds), study.budget.memory_limit_gib)


def of(
    problem: Problem,
    config: Mapping[str, Any],
    first_seed: int,
    n_seeds: int,
    memory_limit_gib: float,
) -> str:
    """The command that trains a configuration of a problem.

    Args:
        problem: The problem.
        config: Hyperparameters and architecture choices besides those that the problem fixes.
        first_seed: The first seed.
        n_seeds: How many seeds.
        memory_limit_gib: The memory limit.
    """
    values = differing_from_defaults(problem.resolve(config), problem.declarations)
    lengths = problem.lengths
    options: dict[str, float | str] = {
        "--n-envs": problem.env_spec.n_envs,
        "--timesteps": lengths.n_total_timesteps,
        "--evaluations": lengths.n_eval_steps,
        "--eval-episodes": lengths.n_eval_episodes,
        "--seed": first_seed,
        "--seeds": n_seeds,
    }
    if memory_limit_gib != DEFAULT_MEMORY_LIMIT:
        options["--memory-limit"] = memory_limit_gib
    if problem.algorithm != DEFAULT_ALGORITHM:
        options["--algorithm"] = problem.algorithm
    if problem.options:
        options["--algorithm-options"] = json.dumps(dict(problem.options))
    words = ["arlbench", "train", problem.env_spec.name, "--defaults"]
    words += [f"{name}={text_of(value)}" for name, value in values.items()]
    words += [str(word) for option in options.items() for word in option]
    return shlex.join([*words, *_of_environment(problem.env_spec)])


def _of_environment(spec: EnvSpec) -> list[str]:
    words = ["--framework", spec.framework]
    if spec.env_kwargs:
        words += ["--env-kwargs", json.dumps(dict(spec.env_kwargs))]
    for name, settings in spec.wrappers:
        # The command line has no word for None, with which the wrapper is made anyway.
        given = {key: value for key, value in settings.items() if value is not None}
        pairs = ",".join(f"{key}={text_of(value)}" for key, value in given.items())
        words += ["--wrap", f"{name}:{pairs}" if pairs else name]
    return [*words, "--cnn-policy"] if spec.cnn_policy else words
