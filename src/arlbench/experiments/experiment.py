"""An experiment: a problem, its configurations and its seeds."""

from __future__ import annotations

import dataclasses
import functools
import json
import platform
from collections.abc import Mapping
from typing import Any

import jax

from arlbench.core.algorithms.declarations import differing_from_defaults
from arlbench.core.algorithms.harness.backend import recorded
from arlbench.core.checkpoints.manifest import package_versions
from arlbench.core.checks import SEED_LIMIT, positive_whole, seed_in_range
from arlbench.core.environments import EnvSpec, library_version, steps_in_python
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population.members import MemberId

#: Version of the files of experiments; increased when earlier versions cannot read a new file.
FORMAT_VERSION = 2

_MAX_SEEDS = 10_000


def _for_the_record(default: Any) -> Any:
    """A field that is ignored in comparisons of experiments, because no result depends on it."""
    return dataclasses.field(default_factory=default, compare=False)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A problem, trained with every configuration and every seed.

    The problem identifies the experiment; configurations and seeds may be added.

    Attributes:
        problem: The problem to train.
        configs: Complete configurations, as ``Problem.resolve`` returns them.
        seeds: Each configuration is trained once with each seed.
        origin: How the configurations were generated.
        versions: The versions of packages at the start; if empty, the present ones are taken.
        format_version: The version of the files at the start.
    """

    problem: Problem
    configs: tuple[Mapping[str, Any], ...]
    seeds: tuple[int, ...]
    origin: Mapping[str, Any] = _for_the_record(dict)
    versions: Mapping[str, str] = _for_the_record(dict)
    format_version: int = _for_the_record(lambda: FORMAT_VERSION)

    def __post_init__(self) -> None:
        """Checks the fields, and completes the configurations.

        Raises:
            ConfigurationError: If nothing is to be trained, a value is impossible, or a
                seed is given twice.
        """
        for field in ("configs", "seeds"):
            if len(getattr(self, field)) == 0:  # also of an array
                raise ConfigurationError(
                    f"The {field} of an experiment must not be empty; give at least one."
                )
        seeds = tuple(seed_in_range(seed) for seed in self.seeds)
        if len(set(seeds)) < len(seeds):
            raise ConfigurationError("A seed of the experiment is given twice; keep one of them.")
        configs = tuple(self.problem.resolve(config) for config in self.configs)
        versions = dict(self.versions) or versions_now(self.problem.env_spec)
        plain = {"seeds": seeds, "configs": configs, "versions": versions}
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @functools.cached_property
    def members(self) -> tuple[MemberId, ...]:
        """Every training run, in order."""
        configs, seeds = range(len(self.configs)), range(len(self.seeds))
        return tuple(MemberId(config, seed) for config in configs for seed in seeds)

    @property
    def n_members(self) -> int:
        """The number of training runs."""
        return len(self.configs) * len(self.seeds)

    def first_difference(self, other: Experiment) -> str:
        """The first difference between two problems in words; empty if they are equal."""
        if self.problem.fingerprint == other.problem.fingerprint:
            return ""
        there, here = decisive(self.problem), decisive(other.problem)
        for name in {**there, **here}:
            old, new = there.get(name), here.get(name)
            if old != new:
                return f"{name} is {short_text(old)} there and {short_text(new)} here"
        return "their problems differ"

    def grown_by(self, other: Experiment) -> Experiment:
        """The experiment, with the additional configurations and seeds of another experiment.

        Both must have the same problem. Configurations and seeds keep their indices; new ones
        follow.
        """
        known = {_key(config) for config in self.configs}
        configs = [config for config in other.configs if _key(config) not in known]
        seeds = [seed for seed in other.seeds if seed not in self.seeds]
        if not configs and not seeds:
            return self
        later = [*self.origin.get("later", ()), dict(other.origin)]
        return dataclasses.replace(
            self,
            configs=(*self.configs, *configs),
            seeds=(*self.seeds, *seeds),
            origin={**self.origin, "later": later},
        )

    def to_json(self) -> str:
        """The experiment as a JSON object, with one line for each configuration."""
        content = {
            "format_version": self.format_version,
            "problem": self.problem.to_mapping(),
            "seeds": self.seeds,
            "origin": self.origin,
            "versions": self.versions,
        }
        lines = ",\n  ".join(json.dumps(config) for config in self.configs)
        return f'{json.dumps(content, indent=1)[:-2]},\n "configs": [\n  {lines}\n ]\n}}\n'

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> Experiment:
        """The inverse of :meth:`to_json`, from the object that it writes."""
        return cls(
            **{
                **content,
                "problem": Problem.from_mapping(content["problem"]),
                "seeds": tuple(content["seeds"]),
                "configs": tuple(content["configs"]),
            }
        )


def seed_range(first: int, count: int) -> tuple[int, ...]:
    """The seeds from ``first`` on.

    Raises:
        ConfigurationError: If ``count`` is not positive or too large, or a seed is out of range.
    """
    count = positive_whole("seeds", count)
    if count > _MAX_SEEDS:
        raise ConfigurationError(f"seeds must be at most {_MAX_SEEDS}, not {count}.")
    if seed_in_range(first) > SEED_LIMIT - count:
        raise ConfigurationError(
            f"Seeds must be between 0 and 2**32 - 1; the first one cannot be {first}."
        )
    return tuple(range(first, first + count))


def versions_now(env_spec: EnvSpec) -> dict[str, str]:
    """The versions of packages, the device and its precision, on which results depend."""
    library = library_version(env_spec.framework)
    # Asking JAX for its devices would fix the number of threads before the network is known.
    in_python = steps_in_python(env_spec.framework)
    device = {"device": "cpu"} if in_python else recorded(jax.local_devices()[0])
    return {"python": platform.python_version(), **package_versions(), **library, **device}


def changed_versions(begun_with: Mapping[str, str], now: Mapping[str, str]) -> str:
    """A sentence about packages and devices that have changed; empty if none has."""
    changed = [
        f"{name} {version} (now {now.get(name, 'absent')})"
        for name, version in begun_with.items()
        if version != now.get(name)
    ]
    return f"Started with {', '.join(changed)}: results may differ." if changed else ""


def _key(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(config.values())


def decisive(problem: Problem) -> dict[str, Any]:
    """The values that identify a problem, by names for messages."""
    content = problem.to_mapping()
    specs = {"env_spec": content["env_spec"], "eval_env_spec": problem.evaluation_spec.to_mapping()}
    fixed = differing_from_defaults(problem.resolve(), problem.declarations)
    return {
        **{f"{name} of {spec}": value for spec in specs for name, value in specs[spec].items()},
        **{name: value for name, value in content.items() if name not in {*specs, "options"}},
        "schedule_timesteps": problem.lengths.schedule_timesteps,
        "hpo_config": {},
        "nas_config": {},
        **{f"option {name}": value for name, value in problem.options.items()},
        **{name: fixed.get(name, h.default) for name, h in problem.declarations.items()},
    }


def short_text(value: Any) -> str:
    """A value as text for a sentence, cut off if it is long."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:60]}…"
