"""The settings of an AutoRLEnv."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from arlbench.core.checks import known_names, positive_whole, seed_in_range
from arlbench.core.environments import EnvSpec, evaluation_spec
from arlbench.errors import ConfigurationError

_DIRECTIONS = ("upper", "lower")


@dataclasses.dataclass(frozen=True)
class AutoRLConfig:
    """What is trained, for how long, and what is told of it.

    Attributes:
        seed: What a run's random key is made of.
        env_framework: The library of the environment.
        env_name: Its name there.
        env_kwargs: Settings for the library.
        eval_env_kwargs: The same where it is evaluated.
        n_envs: Copies that step together.
        algorithm: What learns.
        cnn_policy: Learn from images.
        deterministic_eval: Evaluate greedily.
        nas_config: Architecture choices; the rest take their defaults.
        checkpoint: Parts to save after each step, such as ``["all"]``; empty saves none.
        checkpoint_name: The folder of the checkpoints, in ``checkpoint_dir``.
        checkpoint_dir: Where that folder is.
        objectives: What a step returns, by name; see :mod:`arlbench.autorl.objectives`.
        optimize_objectives: Whether all of them are to be maximised, ``"upper"``, or
            minimised, ``"lower"``.
        state_features: What a step tells of the learner beside its place in the
            schedule; see :mod:`arlbench.autorl.state_features`.
        n_steps: Configurations in a schedule.
        n_total_timesteps: Environment steps of *each* step of the schedule.
        n_eval_steps: Evaluations in each step.
        n_eval_episodes: Episodes of each evaluation.
        schedule_timesteps: Environment steps, counted from the run's beginning, over
            which the exploration schedule runs; None takes those of a step, so that
            later steps explore with ``target_epsilon``. For one fall of epsilon over
            the whole schedule give ``n_steps * n_total_timesteps``.
        wrappers: Names and settings of wrappers around the environment, the first
            innermost; evaluations leave out those that are for training only.
    """

    seed: int = 42
    env_framework: str = "gymnax"
    env_name: str = "CartPole-v1"
    env_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    eval_env_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    n_envs: int = 10
    algorithm: str = "dqn"
    cnn_policy: bool = False
    deterministic_eval: bool = True
    nas_config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    checkpoint: tuple[str, ...] = ()
    checkpoint_name: str = "default_checkpoint"
    checkpoint_dir: str = "/tmp"
    objectives: tuple[str, ...] = ("reward_mean",)
    optimize_objectives: Literal["upper", "lower"] = "upper"
    state_features: tuple[str, ...] = ()
    n_steps: int = 10
    n_total_timesteps: int = 100_000
    n_eval_steps: int = 100
    n_eval_episodes: int = 10
    schedule_timesteps: int | None = None
    wrappers: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def __post_init__(self) -> None:
        checked = {
            "seed": seed_in_range(self.seed),
            **{name: positive_whole(name, getattr(self, name)) for name in _POSITIVE},
            **{name: _flag(name, getattr(self, name)) for name in _FLAGS},
            **{name: _text(name, getattr(self, name)) for name in _TEXTS},
            **{name: _names(name, getattr(self, name)) for name in _LISTS},
            **{name: _mapping(name, getattr(self, name)) for name in _MAPPINGS},
        }
        if self.schedule_timesteps is not None:
            checked["schedule_timesteps"] = positive_whole(
                "schedule_timesteps", self.schedule_timesteps
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.optimize_objectives not in _DIRECTIONS:
            raise ConfigurationError(
                f"optimize_objectives must be 'upper' or 'lower', not {self.optimize_objectives!r}."
            )
        if not self.objectives:
            raise ConfigurationError("objectives is empty; give at least one.")

    @classmethod
    def of(cls, given: Mapping[str, Any] | AutoRLConfig | None) -> AutoRLConfig:
        """The settings that a mapping gives, and defaults for the rest.

        Raises:
            ConfigurationError: If a name is unknown or a value impossible.
        """
        if isinstance(given, cls):
            return given
        if given is not None and not isinstance(given, Mapping):
            raise ConfigurationError(
                f"The configuration must be a mapping, not a {type(given).__name__}."
            )
        settings = _plain(given or {})
        known_names(settings, [field.name for field in dataclasses.fields(cls)], "setting")
        return cls(**settings)

    @property
    def env_spec(self) -> EnvSpec:
        """Where it learns."""
        return self._spec(self.env_kwargs)

    @property
    def eval_env_spec(self) -> EnvSpec:
        """Where it is evaluated."""
        return evaluation_spec(self._spec(self.eval_env_kwargs))

    def _spec(self, env_kwargs: Mapping[str, Any]) -> EnvSpec:
        return EnvSpec(
            self.env_framework,
            self.env_name,
            self.n_envs,
            env_kwargs,
            self.cnn_policy,
            wrappers=self.wrappers,
        )


_POSITIVE = ("n_envs", "n_steps", "n_total_timesteps", "n_eval_steps", "n_eval_episodes")
_FLAGS = ("cnn_policy", "deterministic_eval")
_TEXTS = ("env_framework", "env_name", "algorithm", "checkpoint_name", "checkpoint_dir")
_LISTS = ("checkpoint", "objectives", "state_features")
_MAPPINGS = ("env_kwargs", "eval_env_kwargs", "nas_config")


def _plain(value: Any) -> Any:
    """Containers of other libraries as dicts and lists."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(part) for part in value]
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, not {value!r}.")
    return value


def _text(name: str, value: Any) -> str:
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name} must be a name, not {value!r}.")
    return value


def _names(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise ConfigurationError(f"{name} must be a list of names, not {value!r}.")
    if len(set(value)) < len(value):
        raise ConfigurationError(f"{name} names something twice: {', '.join(value)}.")
    return tuple(value)


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} must be a mapping, not {value!r}.")
    return dict(value)
