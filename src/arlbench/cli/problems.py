"""The problem that a search is about, from the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arlbench.core.problem import Problem


def searched_problem(
    env: dict[str, Any], settings: dict[str, Any], only_named: bool, tuned: bool
) -> Problem:
    """What is to be trained.

    Args:
        env: Fields of the environment's spec; no framework finds it from the name.
        settings: Other fields of the problem.
        only_named: Whether it fixes every hyperparameter, so that only what is named varies.
        tuned: Whether to fix them at values that suit the environment, not at defaults.
    """
    from arlbench.core.environments import EnvSpec, find_framework
    from arlbench.core.problem import Problem
    from arlbench.experiments.presets import Tuned, tuned_for

    framework = env["framework"] or find_framework(env["name"])
    of_algorithm = {name: settings[name] for name in ("algorithm",) if name in settings}
    known = tuned_for(env["name"], **of_algorithm) if only_named and tuned else Tuned({})
    images = known.cnn_policy if env["cnn_policy"] is None else env["cnn_policy"]
    spec = EnvSpec(**{**env, "framework": framework, "cnn_policy": images})
    problem = Problem(spec, **settings)
    if not only_named:
        return problem
    return problem.replace(hpo_config=problem.resolve(known.hyperparameters))
