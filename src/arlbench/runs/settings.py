"""Everything that determines a run, resolved and checked before anything is compiled."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.checks import known_names, positive_whole
from arlbench.core.environments import EnvSpec, evaluation_spec, make_env_from_spec
from arlbench.errors import ConfigurationError
from arlbench.runs.tuned import Tuned, tuned_for

_MAX_SEEDS = 10_000


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What a run trains, on what, and for how long.

    Attributes:
        env_spec: The environment.
        hpo_config: Every hyperparameter.
        nas_config: Every architecture choice.
        seeds: One training for each.
        n_total_timesteps: Environment steps of each training.
        n_eval_steps: Evaluations of each training.
        n_eval_episodes: Episodes of each evaluation.
        memory_limit_gib: Refuse trainings that would take more.
    """

    env_spec: EnvSpec
    hpo_config: Mapping[str, Any]
    nas_config: Mapping[str, Any]
    seeds: tuple[int, ...]
    n_total_timesteps: int
    n_eval_steps: int
    n_eval_episodes: int
    memory_limit_gib: float = 4.0

    @property
    def capacity(self) -> int:
        """Rows of the buffer to allocate: never more than a training can fill."""
        return min(self.hpo_config["buffer_size"], self.n_total_timesteps)

    def make_algorithm(self) -> DQN:
        """The algorithm, bound to newly made environments."""
        return DQN(
            self.hpo_config,
            make_env_from_spec(self.env_spec),
            make_env_from_spec(evaluation_spec(self.env_spec)),
            cnn_policy=self.env_spec.cnn_policy,
            nas_config=self.nas_config,
            memory_limit_gib=self.memory_limit_gib,
        )

    def to_json(self) -> str:
        """The settings as a JSON object, for people and programs."""
        content = {**dataclasses.asdict(self), "env_spec": self.env_spec.to_mapping()}
        return json.dumps(content, indent=2, sort_keys=True)

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> RunSettings:
        """The settings from the object that :meth:`to_json` writes."""
        env_spec, seeds = EnvSpec(**content["env_spec"]), tuple(content["seeds"])
        return cls(**{**content, "env_spec": env_spec, "seeds": seeds})


def resolve(
    env_spec: EnvSpec,
    overrides: Mapping[str, Any],
    *,
    first_seed: int = 0,
    n_seeds: int = 1,
    n_total_timesteps: int | float = 100_000,
    n_eval_steps: int = 20,
    n_eval_episodes: int = 32,
    memory_limit_gib: float = 4.0,
    tuned: bool = True,
    cnn_policy: bool | None = None,
) -> RunSettings:
    """Settings of a run, with every default filled in.

    Args:
        env_spec: The environment.
        overrides: Hyperparameters and architecture choices by name.
        first_seed: Seeds are counted from here.
        n_seeds: How many.
        n_total_timesteps: Environment steps of each training.
        n_eval_steps: Evaluations of each training.
        n_eval_episodes: Episodes of each evaluation.
        memory_limit_gib: Refuse trainings that would take more.
        tuned: Begin with the choices in ``TUNED``, where the environment has some.
        cnn_policy: Whether a convolutional network reads the observations; where None
            what is tuned decides, and then ``env_spec``.

    Raises:
        ArlbenchError: If a name is unknown or a value impossible, if the environment
            cannot be made, or if no update would ever be made.
    """
    hpo_names, nas_names = list(DQN.get_hpo_config_space()), list(DQN.get_nas_config_space())
    known_names(overrides, hpo_names + nas_names, "hyperparameter")
    known = tuned_for(env_spec.name) if tuned else Tuned({})
    chosen = {**known.hyperparameters, **overrides}
    if cnn_policy is None:
        cnn_policy = known.cnn_policy or env_spec.cnn_policy
    settings = RunSettings(
        env_spec=dataclasses.replace(env_spec, cnn_policy=cnn_policy),
        hpo_config={k: v for k, v in chosen.items() if k in hpo_names},
        nas_config={k: v for k, v in chosen.items() if k in nas_names},
        seeds=_seeds(first_seed, n_seeds),
        n_total_timesteps=positive_whole("timesteps", n_total_timesteps),
        n_eval_steps=positive_whole("evaluations", n_eval_steps),
        n_eval_episodes=positive_whole("eval_episodes", n_eval_episodes),
        memory_limit_gib=memory_limit_gib,
    )
    algorithm = settings.make_algorithm()
    settings = dataclasses.replace(
        settings, hpo_config=algorithm.hpo_config, nas_config=algorithm.nas_config
    )
    _require_an_update(settings)
    algorithm.forecast.rows(settings.capacity)
    return settings


def _seeds(first: int, count: int) -> tuple[int, ...]:
    if first < 0:
        raise ConfigurationError(f"The seed must be 0 or more, not {first}.")
    if positive_whole("seeds", count) > _MAX_SEEDS:
        raise ConfigurationError(f"seeds must be at most {_MAX_SEEDS}, not {count}.")
    if first + count > 2**32:
        raise ConfigurationError(f"Seeds must be below 2**32; choose a smaller one than {first}.")
    return tuple(range(first, first + count))


def _require_an_update(settings: RunSettings) -> None:
    n_envs, learning_starts = settings.env_spec.n_envs, settings.hpo_config["learning_starts"]
    if settings.n_total_timesteps // n_envs <= learning_starts // n_envs:
        raise ConfigurationError(
            f"{settings.n_total_timesteps} timesteps leave no update, because learning starts "
            f"after {learning_starts}; raise the timesteps or lower learning_starts."
        )
