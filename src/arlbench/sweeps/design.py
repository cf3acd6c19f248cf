"""What a sweep trains, decided before it begins and never changed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from typing import Any

from arlbench.core.checkpoints.manifest import package_versions
from arlbench.core.checks import positive_whole
from arlbench.core.environments import EnvSpec, library_version
from arlbench.errors import ConfigurationError
from arlbench.sweeps.space import complete

#: Raised when a reader of today could not read what is written.
SCHEMA_VERSION = 1

_MAX_SEEDS = 10_000


def _versions(env_spec: EnvSpec) -> dict[str, str]:
    library = library_version(env_spec.framework)
    return {"python": platform.python_version(), **package_versions(), **library}


def _for_the_record(default: Any) -> Any:
    """A field that two equal designs may differ in, because no result depends on it."""
    return dataclasses.field(default_factory=default, compare=False)


@dataclasses.dataclass(frozen=True)
class SweepDesign:
    """Every configuration with every seed. Designs are equal where their results must be.

    Attributes:
        env_spec: Where it learns.
        configs: Whole configurations: every hyperparameter and architecture choice.
        seeds: One training of each configuration for each.
        n_total_timesteps: Environment steps of each training.
        n_eval_steps: Evaluations of each training.
        n_eval_episodes: Episodes of each evaluation.
        eval_env_spec: Where it is evaluated; None for ``evaluation_spec(env_spec)``.
        origin: How the configurations were found.
        versions: The packages that the sweep was begun with; those of now where empty.
        schema_version: Of the folder's files.
    """

    env_spec: EnvSpec
    configs: tuple[Mapping[str, Any], ...]
    seeds: tuple[int, ...]
    n_total_timesteps: int
    n_eval_steps: int
    n_eval_episodes: int
    eval_env_spec: EnvSpec | None = None
    origin: Mapping[str, Any] = _for_the_record(dict)
    versions: Mapping[str, str] = _for_the_record(dict)
    schema_version: int = _for_the_record(lambda: SCHEMA_VERSION)

    def __post_init__(self) -> None:
        """Checks what was given, and completes the configurations.

        Raises:
            ConfigurationError: If there is nothing to train, or a value is impossible.
        """
        for field in ("n_total_timesteps", "n_eval_steps", "n_eval_episodes"):
            object.__setattr__(self, field, positive_whole(field, getattr(self, field)))
        for field in ("configs", "seeds"):
            if not getattr(self, field):
                raise ConfigurationError(f"A sweep needs at least one of its {field}; give some.")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigurationError("A sweep has one of its seeds twice; keep one of them.")
        object.__setattr__(self, "versions", self.versions or _versions(self.env_spec))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        object.__setattr__(self, "configs", tuple(complete(config) for config in self.configs))
        _require_an_update(self)

    @property
    def members(self) -> Iterator[tuple[int, int]]:
        """Every training: the index of its configuration and that of its seed."""
        return (
            (config, seed) for config in range(len(self.configs)) for seed in range(len(self.seeds))
        )

    @property
    def n_members(self) -> int:
        """How many trainings there are."""
        return len(self.configs) * len(self.seeds)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A checksum of all that results depend on."""
        return hashlib.sha256(json.dumps(self._decisive(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """The design as a JSON object, a configuration a line."""
        content = self._as_mapping()
        lines = ",\n  ".join(json.dumps(config) for config in content.pop("configs"))
        rest = json.dumps(content, indent=1)
        return f'{rest[:-2]},\n "configs": [\n  {lines}\n ]\n}}\n'

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> SweepDesign:
        """The inverse of :meth:`to_json`, from the object that it writes."""
        eval_env_spec = content["eval_env_spec"]
        return cls(
            **{
                **content,
                "env_spec": EnvSpec(**content["env_spec"]),
                "eval_env_spec": EnvSpec(**eval_env_spec) if eval_env_spec else None,
                "seeds": tuple(content["seeds"]),
                "configs": tuple(content["configs"]),
            }
        )

    def first_difference(self, other: SweepDesign) -> str:
        """What differs from another design, in words; empty where they are equal."""
        ours, theirs = self._decisive(), other._decisive()
        differing = [name for name in ours if ours[name] != theirs[name]]
        if not differing:
            return ""
        name = differing[0]
        if name != "configs":
            return f"{name} is {_short(ours[name])} there and {_short(theirs[name])} here"
        if len(self.configs) != len(other.configs):
            return f"it has {len(self.configs)} configurations and here are {len(other.configs)}"
        return _config_difference(ours["configs"], theirs["configs"])

    def _decisive(self) -> dict[str, Any]:
        fields = {field.name for field in dataclasses.fields(self) if field.compare}
        return {k: v for k, v in self._as_mapping().items() if k in fields}

    def _as_mapping(self) -> dict[str, Any]:
        eval_env_spec = self.eval_env_spec and self.eval_env_spec.to_mapping()
        specs = {"env_spec": self.env_spec.to_mapping(), "eval_env_spec": eval_env_spec}
        return {**dataclasses.asdict(self), **specs}


def seed_range(first: int, count: int) -> tuple[int, ...]:
    """The seeds from ``first`` on.

    Raises:
        ConfigurationError: If there are none or too many, or one is no seed.
    """
    if positive_whole("seeds", count) > _MAX_SEEDS:
        raise ConfigurationError(f"seeds must be at most {_MAX_SEEDS}, not {count}.")
    if not 0 <= first <= 2**32 - count:
        raise ConfigurationError(f"Seeds must lie in 0 to 2**32 - 1; {first} is out of it.")
    return tuple(range(first, first + count))


def _require_an_update(design: SweepDesign) -> None:
    n_envs, timesteps = design.env_spec.n_envs, design.n_total_timesteps
    earliest = min(config["learning_starts"] for config in design.configs)
    if timesteps // n_envs <= earliest // n_envs:
        raise ConfigurationError(
            f"{timesteps} timesteps leave no update in any configuration, because learning starts "
            f"after {earliest} at the earliest; raise the timesteps or lower learning_starts."
        )


def _config_difference(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> str:
    for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        for name in our:
            if our[name] != their[name]:
                return (
                    f"{name} of configuration {index} is {our[name]} there and {their[name]} here"
                )
    return "their configurations differ"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:60]}…"
