"""From configurations and seeds to members, grouped by what shapes their programs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.checkpointing import BUFFER
from arlbench.core.algorithms.registry import algorithm_class
from arlbench.core.checks import known_names
from arlbench.core.environments import EnvSpec
from arlbench.errors import ConfigurationError
from arlbench.population.members import MemberId, MemberTask, Recipe, Schedule

# What a population may set of its algorithm, beside the configuration.
_OPTIONS = (
    "batch_sizes",
    "cnn_policy",
    "deterministic_eval",
    "eval_eps",
    "memory_limit_gib",
    "track_statistics",
)


class Population(NamedTuple):
    """The members to train.

    Attributes:
        tasks: One a member.
        n_groups: Compiled training programs that they need.
        capacity: Rows of each member's replay buffer.
        uses_host: Whether an environment steps in Python.
    """

    tasks: tuple[MemberTask, ...]
    n_groups: int
    capacity: int
    uses_host: bool


class Request(NamedTuple):
    """What ``train_population`` was asked for, beside configurations and seeds."""

    algorithm: str
    env_spec: EnvSpec
    eval_env_spec: EnvSpec
    nas_config: Mapping[str, Any]
    options: Mapping[str, Any]
    n_eval_steps: int
    n_eval_episodes: int
    schedule_timesteps: int | None
    members: Collection[MemberId] | None
    parts: Mapping[MemberId, Mapping[str, Any]]
    capacity: int | None
    keep_params: bool
    keep_state: bool
    share_programs: bool


def plan(
    configs: Sequence[Mapping[str, Any]],
    seeds: Sequence[Sequence[int]],
    n_total_timesteps: Sequence[int],
    request: Request,
) -> Population:
    """Every member to train.

    Args:
        configs: Hyperparameters, and architecture choices where they vary, by name.
        seeds: Numbers from 0 to 2**32 - 1, ``[n_configs, n_seeds]``.
        n_total_timesteps: Environment steps for each configuration, ``[n_configs]``.
        request: The rest.

    Raises:
        ArlbenchError: If a configuration, a seed or the environment is impossible.
    """
    _check_members(len(configs), len(seeds[0]), request)
    recipes = [_recipe(index, config, request) for index, config in enumerate(configs)]
    algorithms = [_make(index, recipe) for index, recipe in enumerate(recipes)]
    if request.share_programs:
        recipes = _sharing(recipes, algorithms)
        algorithms = [recipe.make() for recipe in recipes]
    groups = {structure: i for i, structure in enumerate({a.structure: None for a in algorithms})}
    planned = [
        algorithm.forecast.evaluation_interval(timesteps, request.n_eval_steps)
        * request.n_eval_steps
        for algorithm, timesteps in zip(algorithms, n_total_timesteps, strict=True)
    ]
    begun = _rows_filled(request)
    rows = max(
        min(algorithm.hpo_config["buffer_size"], steps + begun)
        for algorithm, steps in zip(algorithms, planned, strict=True)
    )
    given = None if request.capacity is None else max(request.capacity, rows)
    capacity = algorithms[0].forecast.rows(given, size=rows)
    tasks = [
        MemberTask(
            id=MemberId(i, j),
            seed=seed,
            recipe=recipes[i],
            schedule=Schedule(
                n_total_timesteps[i],
                request.n_eval_steps,
                request.n_eval_episodes,
                request.schedule_timesteps,
            ),
            group=groups[algorithm.structure],
            cost=algorithm.forecast.cost(planned[i]),
            total_timesteps=planned[i],
            capacity=capacity,
            parts=request.parts.get(MemberId(i, j)),
            keep_params=request.keep_params,
            keep_state=request.keep_state,
        )
        for i, algorithm in enumerate(algorithms)
        for j, seed in enumerate(seeds[i])
        if request.members is None or (i, j) in request.members
    ]
    n_groups = len({task.group for task in tasks})
    return Population(tuple(tasks), n_groups, capacity, algorithms[0].uses_host)


def _check_members(n_configs: int, n_seeds: int, request: Request) -> None:
    for i, j in (*(request.members or ()), *request.parts):
        if not (0 <= i < n_configs and 0 <= j < n_seeds):
            raise ConfigurationError(
                f"There is no member {(i, j)}: there are {n_configs} configurations and {n_seeds} "
                "seeds, counted from 0."
            )
    known_names(request.options, _OPTIONS, "option")


def _rows_filled(request: Request) -> int:
    """The most rows that a member which goes on has written."""
    return max((int(parts[BUFFER].running_index) for parts in request.parts.values()), default=0)


@functools.cache
def _names(algorithm: str) -> tuple[list[str], list[str]]:
    """Hyperparameters and architecture choices; making a space is slow."""
    cls = algorithm_class(algorithm)
    return list(cls.get_hpo_config_space()), list(cls.get_nas_config_space())


def _recipe(index: int, config: Mapping[str, Any], request: Request) -> Recipe:
    hpo_names, nas_names = _names(request.algorithm)
    known_names(config, [*hpo_names, *nas_names], f"entry of configuration {index}")
    nas_config = {name: config[name] for name in nas_names if name in config}
    return Recipe(
        algorithm=algorithm_class(request.algorithm),
        env_spec=request.env_spec,
        eval_env_spec=request.eval_env_spec,
        hpo_config={name: value for name, value in config.items() if name not in nas_names},
        nas_config={**request.nas_config, **nas_config},
        options=request.options,
    )


def _sharing(recipes: Sequence[Recipe], algorithms: Sequence[Algorithm]) -> list[Recipe]:
    """The recipes for the same algorithms, with as few programs as these can do with."""
    shared = recipes[0].algorithm.options_to_share(algorithms)
    return [
        # What was asked for goes before.
        dataclasses.replace(recipe, options={**options, **recipe.options})
        for recipe, options in zip(recipes, shared, strict=True)
    ]


def _make(index: int, recipe: Recipe) -> Algorithm:
    try:
        return recipe.make()
    except ConfigurationError as error:
        raise ConfigurationError(f"Configuration {index}: {error}") from None
