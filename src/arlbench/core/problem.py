"""A problem describes a training run as one value that can be stored, compared and sent.

Runs, sweeps, populations, AutoRLEnv and checkpoints each hold one, to which they add
configurations.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.declarations import Declarations, differing_from_defaults, resolve
from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.algorithms.registry import DEFAULT_ALGORITHM, algorithm_class
from arlbench.core.checks import known_names
from arlbench.core.environments import Environment, EnvSpec, evaluation_spec, make_env_from_spec
from arlbench.core.environments.registry import meaning_of
from arlbench.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class Problem:
    """The description of a training run.

    Attributes:
        env_spec: The environment of the training.
        eval_env_spec: The environment of evaluations; None takes ``env_spec`` without the
            wrappers that are meant for training only.
        algorithm: The name of the algorithm.
        options: Options of its class, such as ``deterministic_eval``; JSON values only.
        hpo_config: Fixed hyperparameters; JSON values only.
        nas_config: Fixed architecture choices.
        n_total_timesteps: Environment steps of a training run.
        n_eval_steps: Number of evaluations in a training run.
        n_eval_episodes: Episodes of each evaluation.
        schedule_timesteps: Environment steps over which exploration schedules run; None
            takes ``n_total_timesteps``.
    """

    env_spec: EnvSpec
    eval_env_spec: EnvSpec | None = None
    algorithm: str = DEFAULT_ALGORITHM
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    hpo_config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    nas_config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    n_total_timesteps: int = 1_000_000
    n_eval_steps: int = 10
    n_eval_episodes: int = 10
    schedule_timesteps: int | None = None

    def __post_init__(self) -> None:
        """Checks the fields and copies them.

        Raises:
            ConfigurationError: If an environment, option, hyperparameter or length is impossible.
        """
        for spec in filter(None, (self.env_spec, self.eval_env_spec)):
            _check_spec(spec)
        known_names(self.options, self.algorithm_class.option_names(), "option")
        lengths = Lengths.checked(
            self.n_total_timesteps, self.n_eval_steps, self.n_eval_episodes, self.schedule_timesteps
        )
        own = dict(zip(Lengths._fields[:3], lengths[:3], strict=True))
        if self.schedule_timesteps is not None:
            own["schedule_timesteps"] = lengths.schedule_timesteps
        fixed = self._sorted({**self.hpo_config, **self.nas_config})
        plain: dict[str, Any] = {
            **own,
            "options": _plain("option", self.options),
            "hpo_config": _plain("hyperparameter", fixed[0]),
            "nas_config": _plain("architecture choice", fixed[1]),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @property
    def algorithm_class(self) -> type[Algorithm]:
        """The class of the algorithm."""
        return algorithm_class(self.algorithm)

    @functools.cached_property
    def evaluation_spec(self) -> EnvSpec:
        """The environment of evaluations."""
        return self.eval_env_spec or evaluation_spec(self.env_spec)

    @property
    def lengths(self) -> Lengths:
        """The lengths of a training run."""
        return Lengths.checked(
            self.n_total_timesteps, self.n_eval_steps, self.n_eval_episodes, self.schedule_timesteps
        )

    @property
    def declarations(self) -> Declarations:
        """The declarations of all hyperparameters and architecture choices."""
        cls = self.algorithm_class
        return {**cls.hyperparameters(), **cls.architecture_choices()}

    def resolve(self, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The complete configuration: given values, else fixed ones, else defaults.

        Inactive hyperparameters have their defaults, so two configurations with the same active
        values are equal.

        Args:
            config: Hyperparameters and architecture choices; None values are ignored.

        Raises:
            ConfigurationError: If a name is unknown or a value impossible.
        """
        given = {k: v for k, v in dict(config or {}).items() if v is not None}
        whole = {**self.hpo_config, **self.nas_config, **given}
        return resolve(whole, self.declarations, "hyperparameter")

    def make_algorithm(
        self,
        config: Mapping[str, Any] | None = None,
        environments: tuple[Environment, Environment] | None = None,
        **options: Any,
    ) -> Algorithm:
        """The algorithm, bound to its own environments, or to shared ones if they can be compiled.

        Args:
            config: Hyperparameters and architecture choices besides the fixed ones.
            environments: The environments to learn in and to evaluate in, such as those of another
                algorithm of this problem; None makes them.
            **options: Options of its class, which take precedence over those of the problem.

        Raises:
            ArlbenchError: If an environment or the algorithm cannot be made.
        """
        hpo_config, nas_config = self._sorted(config or {})
        cls = self.algorithm_class
        # If an environment keeps images, a convolutional network is meant to read them.
        images = {"cnn_policy": True} if self.env_spec.cnn_policy else {}
        of_env = {name: value for name, value in images.items() if name in cls.option_names()}
        return cls(
            {**self.hpo_config, **hpo_config},
            *(environments or self._environments()),
            nas_config={**self.nas_config, **nas_config},
            **{**of_env, **self.options, **options},
        )

    def replace(self, **changes: Any) -> Problem:
        """The problem with some fields replaced."""
        return dataclasses.replace(self, **changes)

    def to_mapping(self) -> dict[str, Any]:
        """The problem as JSON values."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        eval_env_spec = self.eval_env_spec and self.eval_env_spec.to_mapping()
        return {**content, "env_spec": self.env_spec.to_mapping(), "eval_env_spec": eval_env_spec}

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> Problem:
        """The inverse of :meth:`to_mapping`."""
        eval_env_spec = content.get("eval_env_spec")
        specs = {
            "env_spec": EnvSpec(**content["env_spec"]),
            "eval_env_spec": EnvSpec(**eval_env_spec) if eval_env_spec else None,
        }
        return cls(**{**content, **specs})

    @functools.cached_property
    def fingerprint(self) -> str:
        """A checksum of everything that results depend on. Defaults are left out, so it stays the
        same when a hyperparameter or an option is added."""
        fixed = self.resolve()
        content = {
            **self.to_mapping(),
            "eval_env_spec": self.evaluation_spec.to_mapping(),
            "schedule_timesteps": self.lengths.schedule_timesteps,
            "config": differing_from_defaults(fixed, self.declarations),
            "options": dict(sorted(self.options.items())),
        }
        del content["hpo_config"], content["nas_config"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        """Without cached values, which other processes make for themselves."""
        made = ("_known", "evaluation_spec")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    def _environments(self) -> tuple[Environment, Environment]:
        """The environments to learn in and to evaluate in.

        Environments that can be compiled have no state, so all algorithms share one pair.
        """
        specs = (self.env_spec, self.evaluation_spec)
        meaning = [meaning_of(spec) for spec in specs]
        known = self.__dict__.get("_known")
        if known is not None and known[0] == meaning:
            return cast(tuple[Environment, Environment], known[1])
        env, eval_env = (make_env_from_spec(spec) for spec in specs)
        if {env.kind, eval_env.kind} == {"traceable"}:
            self.__dict__["_known"] = (meaning, (env, eval_env))
        return env, eval_env

    def _sorted(self, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The hyperparameters and the architecture choices of a configuration."""
        known_names(config, self.declarations, "hyperparameter")
        choices = self.algorithm_class.architecture_choices()
        return (
            {name: value for name, value in config.items() if name not in choices},
            {name: value for name, value in config.items() if name in choices},
        )


def _check_spec(spec: Any) -> None:
    """Raises if an environment is described by something other than an ``EnvSpec``."""
    if not isinstance(spec, EnvSpec):
        raise ConfigurationError(
            "A Problem needs an EnvSpec, such as EnvSpec('gymnax', 'CartPole-v1', n_envs=8), not a "
            f"{type(spec).__name__}; an environment made by make_env has one as its 'spec'."
        )


def _plain(what: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON values."""
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
    for name, value in plain.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ConfigurationError(
                f"The {what} '{name}' is a {type(value).__name__} ({value!r}), which cannot be "
                "written to a file; use finite numbers, strings, lists and mappings."
            ) from None
    return plain
