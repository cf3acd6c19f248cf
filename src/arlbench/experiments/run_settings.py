"""Everything that determines a run, resolved and checked before anything is compiled."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.algorithms.registry import DEFAULT_ALGORITHM
from arlbench.core.checks import positive_whole
from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments import version_1
from arlbench.experiments.experiment import (
    FORMAT_VERSION,
    Experiment,
    changed_versions,
    seed_range,
    versions_now,
)
from arlbench.experiments.presets import Tuned, named_agent, tuned_for
from arlbench.experiments.space import why_ignored, with_options_of
from arlbench.population.variables import check_variables

# Settings in the file that do not belong to the problem.
_OF_THE_RUN = ("format_version", "seeds", "memory_limit_gib", "versions")


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What a run trains, in which environment, and for how long.

    Attributes:
        experiment: One configuration, which the problem fixes completely, with some seeds.
        memory_limit_gib: Training that would need more is refused.
    """

    experiment: Experiment
    memory_limit_gib: float = 4.0

    @property
    def problem(self) -> Problem:
        """The problem, with every hyperparameter fixed."""
        return self.experiment.problem

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds; each is one training run."""
        return self.experiment.seeds

    @property
    def lengths(self) -> Lengths:
        """The lengths of a seed's training run, by the rule of the format with which it began."""
        problem, timesteps = version_1.lengths(self.experiment)
        return (problem.replace(n_total_timesteps=timesteps[0]) if timesteps else problem).lengths

    def make_algorithm(self) -> Algorithm:
        """The algorithm, bound to newly made environments."""
        return self.problem.make_algorithm(memory_limit_gib=self.memory_limit_gib)

    def versions_note(self) -> str:
        """A sentence if the run began with other versions of packages; empty if it did not."""
        return changed_versions(self.experiment.versions, versions_now(self.problem.env_spec))

    def to_json(self) -> str:
        """The settings as a JSON object, for people and programs."""
        experiment = self.experiment
        content = {
            "format_version": experiment.format_version,
            **self.problem.to_mapping(),
            "seeds": experiment.seeds,
            "memory_limit_gib": self.memory_limit_gib,
            "versions": experiment.versions,
        }
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> RunSettings:
        """The settings from the object that :meth:`to_json` or version 1 has written.

        Raises:
            ConfigurationError: If a newer version has written it, or a value is impossible.
        """
        format_version = content.get("format_version", version_1.FORMAT_VERSION)
        if format_version > FORMAT_VERSION:
            raise ConfigurationError(
                f"it has the format {format_version}, and this version of arlbench reads up to "
                f"{FORMAT_VERSION}; install a newer one"
            )
        of_problem = {k: v for k, v in content.items() if k not in _OF_THE_RUN}
        whole = {**of_problem["hpo_config"], **of_problem["nas_config"]}
        problem = Problem.from_mapping({**of_problem, "hpo_config": {}, "nas_config": {}})
        if unknown := sorted(whole.keys() - problem.declarations.keys()):
            raise ConfigurationError(
                f"this version of arlbench does not know {', '.join(unknown)}; install a newer one"
            )
        experiment = Experiment(
            _with_all_fixed(problem, whole),
            configs=({},),
            seeds=tuple(content["seeds"]),
            versions=content["versions"],
            format_version=format_version,
        )
        return cls(experiment, content["memory_limit_gib"])


def resolve(
    env_spec: EnvSpec,
    overrides: Mapping[str, Any],
    *,
    algorithm: str = DEFAULT_ALGORITHM,
    options: Mapping[str, Any] | None = None,
    first_seed: int = 0,
    n_seeds: int = 1,
    n_total_timesteps: int | float = 100_000,
    n_eval_steps: int = 20,
    n_eval_episodes: int = 32,
    memory_limit_gib: float = 4.0,
    tuned: bool = True,
    cnn_policy: bool | None = None,
    agent: str | None = None,
) -> RunSettings:
    """Settings of a run, with every default filled in.

    Args:
        env_spec: The environment.
        overrides: Hyperparameters and architecture choices by name.
        algorithm: The name of the algorithm.
        options: Options of the algorithm's class, such as ``deterministic_eval``.
        first_seed: The first seed; the others follow it.
        n_seeds: Number of seeds.
        n_total_timesteps: Environment steps of each training run.
        n_eval_steps: Evaluations of each training run.
        n_eval_episodes: Episodes of each evaluation.
        memory_limit_gib: Training that would need more is refused.
        tuned: Start from the choices in ``TUNED``, which exist for the default algorithm in
            some environments.
        cnn_policy: Whether a convolutional network reads the observations; if it is None, the
            tuned choice decides, and otherwise ``env_spec``.
        agent: The name of a configuration of the algorithm, which takes precedence over ``tuned``.

    Raises:
        ArlbenchError: If a name is unknown or a value impossible, if the environment
            cannot be made, if nothing would be learnt, if there would be more steps than the
            agent can count, or if an environment variable has a wrong value.
    """
    check_variables()
    known = tuned_for(env_spec.name, algorithm) if tuned else Tuned({})
    if cnn_policy is None:
        cnn_policy = known.cnn_policy or env_spec.cnn_policy
    problem = Problem(
        dataclasses.replace(env_spec, cnn_policy=cnn_policy),
        algorithm=algorithm,
        options=options or {},
        n_total_timesteps=positive_whole("timesteps", n_total_timesteps),
        n_eval_steps=positive_whole("evaluations", n_eval_steps),
        n_eval_episodes=positive_whole("eval_episodes", n_eval_episodes),
    )
    named = named_agent(agent, algorithm)
    problem = _with_all_fixed(problem, {**known.hyperparameters, **named, **overrides})
    problem = with_options_of(problem, [problem.resolve()])
    experiment = Experiment(problem, configs=({},), seeds=seed_range(first_seed, n_seeds))
    settings = RunSettings(experiment, memory_limit_gib)
    learner = settings.make_algorithm()
    learner.check_length(problem.n_total_timesteps)
    learner.plan(settings.lengths)
    learner.init_options(problem.n_total_timesteps)
    return settings


def notes_on_ignored(settings: RunSettings, names: Collection[str]) -> list[str]:
    """A sentence for each hyperparameter with one of these names that has no effect in a run."""
    declarations, values = settings.problem.declarations, settings.problem.resolve()
    conditions = {name: declarations[name].effect_if for name in names}
    return [
        f"{why_ignored(name, condition)}."
        for name, condition in conditions.items()
        if condition is not None and values[condition.name] != condition.value
    ]


def _with_all_fixed(problem: Problem, config: Mapping[str, Any]) -> Problem:
    """The problem with a value for every hyperparameter and architecture choice."""
    # The problem knows which names are hyperparameters and which are architecture choices.
    return problem.replace(hpo_config=problem.resolve(config), nas_config={})
