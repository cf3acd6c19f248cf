"""The settings of an AutoRLEnv, each declared with its check."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from arlbench.core.algorithms.registry import DEFAULT_ALGORITHM
from arlbench.core.checks import (
    INT32_MAX,
    known_names,
    positive_whole,
    seed_in_range,
    true_or_false,
)
from arlbench.core.environments import EnvSpec, evaluation_spec
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError

_DIRECTIONS = ("upper", "lower")

# Settings of older configurations, with the way to express them now.
_RENAMED = {
    "grad_obs": "Gradients are a state feature: give state_features=['grad_info'].",
    "hp_config": "Hyperparameters are what step() takes; run_arlbench takes both.",
    "hpo_config": "Hyperparameters are what step() takes; run_arlbench takes both.",
}

# Takes the name and the value of a setting; returns the value, or raises a ConfigurationError.
_Check = Callable[[str, Any], Any]


def _setting(check: _Check, default: Any) -> Any:
    """A field with the check of its values."""
    metadata = {"check": check}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def _seed(_: str, value: Any) -> int:
    return seed_in_range(value)


def _positive_or_none(name: str, value: Any) -> int | None:
    return None if value is None else positive_whole(name, value)


def _text(name: str, value: Any) -> str:
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name} must be a name, not {value!r}.")
    return value


def _names(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise ConfigurationError(f"{name} must be a list of names, not {value!r}.")
    if len(set(value)) < len(value):
        raise ConfigurationError(f"{name} contains a name twice: {', '.join(value)}.")
    return tuple(value)


def _at_least_one_name(name: str, value: Any) -> tuple[str, ...]:
    names = _names(name, value)
    if not names:
        raise ConfigurationError(f"{name} is empty; give at least one.")
    return names


def _require_countable(n_steps: int, n_total_timesteps: int) -> None:
    """Raises if a learner would do more environment steps in a schedule than it can count."""
    whole = n_steps * n_total_timesteps
    if whole > INT32_MAX:
        raise ConfigurationError(
            f"A schedule of {n_steps} steps would have {whole} environment steps, but a learner's "
            f"counters have 32 bits and hold at most {INT32_MAX}; lower n_steps or "
            "n_total_timesteps."
        )


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} must be a mapping, not {value!r}.")
    return dict(value)


def _mapping_or_none(name: str, value: Any) -> dict[str, Any] | None:
    return None if value is None else _mapping(name, value)


def _direction(name: str, value: Any) -> str:
    if value not in _DIRECTIONS:
        raise ConfigurationError(f"{name} must be 'upper' or 'lower', not {value!r}.")
    return str(value)


def _wrappers(name: str, value: Any) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Pairs of a name and settings; the environment's spec checks the settings themselves."""
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{name} must be a list of pairs, not {value!r}.")
    for entry in value:
        is_pair = isinstance(entry, list | tuple) and len(entry) == 2
        if not is_pair or not isinstance(entry[0], str) or not isinstance(entry[1], Mapping):
            raise ConfigurationError(
                f"{name} must be a list of pairs of a name and its settings, such as "
                f"['frame_stack', {{'n_frames': 4}}]; {entry!r} is not one."
            )
    return tuple((wrapper, dict(settings)) for wrapper, settings in value)


@dataclasses.dataclass(frozen=True)
class AutoRLConfig:
    """What to train, for how long, and what a step returns.

    Attributes:
        seed: The seed of a run's random key.
        env_framework: The library of the environment.
        env_name: The name of the environment in this library.
        env_kwargs: Settings for the library.
        eval_env_kwargs: Settings for the library, for the environment of evaluations. None, the
            default, takes those of ``env_kwargs``.
        n_envs: Copies that step together.
        algorithm: The name of the algorithm.
        cnn_policy: Read observations with a convolutional network.
        deterministic_eval: Evaluate greedily.
        extended: Whether actions also have the hyperparameters of the extended space.
        nas_config: Architecture choices; the others have their defaults.
        checkpoint: Parts to save after each step; empty saves nothing. ``["all"]`` records
            steps and losses, and saves them and everything else; ``["state"]`` saves what an
            exact continuation needs; ``"loss"`` and ``"trajectories"`` are recorded if they
            are named.
        checkpoint_name: The folder of the checkpoints, in ``checkpoint_dir``.
        checkpoint_dir: The parent of that folder.
        objectives: Names of the objectives; see :mod:`arlbench.autorl.objectives`.
        optimize_objectives: Whether all of them are to be maximised, ``"upper"``, or
            minimised, ``"lower"``.
        state_features: Names of what an observation tells about the learner, besides its place
            in the schedule; see :mod:`arlbench.autorl.state_features`.
        n_steps: Number of configurations in a schedule.
        n_total_timesteps: Environment steps of *each* step of the schedule.
        n_eval_steps: Evaluations in each step.
        n_eval_episodes: Episodes of each evaluation.
        schedule_timesteps: Length of the exploration schedule in environment steps from the
            start of the run. None takes the length of one step, so that later steps explore
            with ``target_epsilon``. To let epsilon fall over the whole schedule, give
            ``n_steps * n_total_timesteps``. In the extended space, the learning rate and beta
            follow the same schedule.
        wrappers: Names and settings of wrappers around the environment, the first one
            innermost; evaluations leave out those that are meant for training only.
    """

    seed: int = _setting(_seed, 42)
    env_framework: str = _setting(_text, "gymnax")
    env_name: str = _setting(_text, "CartPole-v1")
    env_kwargs: Mapping[str, Any] = _setting(_mapping, dict)
    eval_env_kwargs: Mapping[str, Any] = _setting(_mapping_or_none, None)
    n_envs: int = _setting(positive_whole, 10)
    algorithm: str = _setting(_text, DEFAULT_ALGORITHM)
    cnn_policy: bool = _setting(true_or_false, False)
    deterministic_eval: bool = _setting(true_or_false, True)
    extended: bool = _setting(true_or_false, False)
    nas_config: Mapping[str, Any] = _setting(_mapping, dict)
    checkpoint: tuple[str, ...] = _setting(_names, ())
    checkpoint_name: str = _setting(_text, "default_checkpoint")
    checkpoint_dir: str = _setting(_text, "/tmp")
    objectives: tuple[str, ...] = _setting(_at_least_one_name, ("reward_mean",))
    optimize_objectives: Literal["upper", "lower"] = _setting(_direction, "upper")
    state_features: tuple[str, ...] = _setting(_names, ())
    n_steps: int = _setting(positive_whole, 10)
    n_total_timesteps: int = _setting(positive_whole, 100_000)
    n_eval_steps: int = _setting(positive_whole, 100)
    n_eval_episodes: int = _setting(positive_whole, 10)
    schedule_timesteps: int | None = _setting(_positive_or_none, None)
    wrappers: tuple[tuple[str, Mapping[str, Any]], ...] = _setting(_wrappers, ())

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if "check" not in field.metadata:
                raise TypeError(
                    f"The setting {field.name} has no check; declare it like the others."
                )
            value = field.metadata["check"](field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        if self.eval_env_kwargs is None:
            object.__setattr__(self, "eval_env_kwargs", self.env_kwargs)
        _require_countable(self.n_steps, self.n_total_timesteps)

    @classmethod
    def of(cls, given: Mapping[str, Any] | AutoRLConfig | None) -> AutoRLConfig:
        """The settings from a mapping, with defaults for the others.

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
        for name in settings.keys() & _RENAMED.keys():
            raise ConfigurationError(f"Unknown setting '{name}'. {_RENAMED[name]}")
        known_names(settings, [field.name for field in dataclasses.fields(cls)], "setting")
        return cls(**settings)

    @property
    def env_spec(self) -> EnvSpec:
        """The environment of the training."""
        return self._spec(self.env_kwargs)

    @property
    def eval_env_spec(self) -> EnvSpec:
        """The environment of evaluations."""
        return evaluation_spec(self._spec(self.eval_env_kwargs))

    @property
    def problem(self) -> Problem:
        """What each step trains; its hyperparameters come from the action.

        Raises:
            ConfigurationError: If the algorithm does not exist or lacks the option for a
                setting, or if an architecture choice is impossible.
        """
        problem = Problem(
            self.env_spec,
            self.eval_env_spec,
            algorithm=self.algorithm,
            nas_config=self.nas_config,
            n_total_timesteps=self.n_total_timesteps,
            n_eval_steps=self.n_eval_steps,
            n_eval_episodes=self.n_eval_episodes,
            schedule_timesteps=self.schedule_timesteps,
        )
        return problem.replace(options=self._options(problem.algorithm_class.option_names()))

    def _options(self, known: Sequence[str]) -> dict[str, Any]:
        """Options of the algorithm, from settings with the same names."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        # cnn_policy is only checked here; it reaches the algorithm with the environment's spec.
        for name in ("cnn_policy", "deterministic_eval"):
            value = getattr(self, name)
            if value != defaults[name] and name not in known:
                raise ConfigurationError(
                    f"{self.algorithm} has no option {name}, so it cannot be {value}; leave it out."
                )
        wanted = {"deterministic_eval": self.deterministic_eval}
        return {name: value for name, value in wanted.items() if name in known}

    def _spec(self, env_kwargs: Mapping[str, Any]) -> EnvSpec:
        return EnvSpec(
            self.env_framework,
            self.env_name,
            self.n_envs,
            env_kwargs,
            self.cnn_policy,
            wrappers=self.wrappers,
        )


def _plain(value: Any) -> Any:
    """Converts containers of other libraries to dicts and lists."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(part) for part in value]
    return value
