"""The problem of a sweep or study, from the arguments of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arlbench.cli.arguments import parse_env_kwargs, parse_wrappers
from arlbench.errors import ConfigurationError

if TYPE_CHECKING:
    from arlbench.core.problem import Problem


def environment_and_lengths(
    given: Mapping[str, Any], env_name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of the environment's spec, and other fields of the problem, from options.

    Raises:
        ConfigurationError: If the environment's settings or wrappers cannot be read.
    """
    env = {
        "framework": given["framework"],
        "name": env_name,
        "n_envs": given["n_envs"],
        "env_kwargs": parse_env_kwargs(given["env_kwargs"], given["env_workers"]),
        "cnn_policy": given["cnn_policy"],
        "wrappers": parse_wrappers(given["wrap"] or []),
    }
    settings = {
        "n_total_timesteps": given["timesteps"],
        "n_eval_steps": given["evaluations"],
        "n_eval_episodes": given["eval_episodes"],
        **({"algorithm": given["algorithm"]} if given["algorithm"] else {}),
    }
    return env, settings


def with_fixed(problem: Problem, words: Mapping[str, str]) -> Problem:
    """The problem, with the hyperparameters fixed for which the words give a single value."""
    from arlbench.experiments.space import Choices, Range, parse_dimension

    parsed = {
        name: parse_dimension(name, text, problem.declarations) for name, text in words.items()
    }
    fixed = {k: value for k, value in parsed.items() if not isinstance(value, Choices | Range)}
    return problem.replace(hpo_config=problem.resolve(fixed)) if fixed else problem


def searched_problem(
    env: dict[str, Any],
    settings: dict[str, Any],
    only_named: bool,
    tuned: bool,
    agent: str | None = None,
) -> Problem:
    """The problem to train on.

    Args:
        env: Fields of the environment's spec; without a framework, it is found from the name.
        settings: Other fields of the problem.
        only_named: Whether the problem fixes every hyperparameter, so that only named ones vary.
        tuned: Whether to fix them at values that suit the environment, not at defaults.
        agent: The name of a configuration of the algorithm, whose values are fixed too.

    Raises:
        ConfigurationError: If defaults are asked for although nothing is fixed.
    """
    if not tuned and not only_named:
        raise ConfigurationError(
            "--defaults needs --only-named, which fixes the hyperparameters that you do not name; "
            "add --only-named, or leave --defaults out."
        )

    from arlbench.core.environments import EnvSpec, find_framework
    from arlbench.core.problem import Problem
    from arlbench.experiments.presets import Tuned, named_agent, tuned_for

    framework = env["framework"] or find_framework(env["name"])
    of_algorithm = {name: settings[name] for name in ("algorithm",) if name in settings}
    known = tuned_for(env["name"], **of_algorithm) if only_named and tuned else Tuned({})
    images = known.cnn_policy if env["cnn_policy"] is None else env["cnn_policy"]
    spec = EnvSpec(**{**env, "framework": framework, "cnn_policy": images})
    problem = Problem(spec, **settings)
    named = named_agent(agent, problem.algorithm)
    if not only_named:
        return problem.replace(hpo_config=named) if named else problem
    return problem.replace(hpo_config=problem.resolve({**known.hyperparameters, **named}))
