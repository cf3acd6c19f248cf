"""The definition of a study: everything that its trials and their results depend on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from arlbench.core.checks import positive_whole, seed_in_range
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.experiment import Experiment, versions_now
from arlbench.tuning.objectives import check_objective, objective_text

#: The version of the files of studies; increased when earlier versions could not read new files.
FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class StudySettings:
    """The definition of a study.

    Attributes:
        problem: The problem to train on.
        words: Where to search; see :class:`arlbench.tuning.Space`.
        tuner: The tuner's name, or ``MODULE:CLASS``.
        tuner_seed: The seed of the tuner's random numbers.
        tuner_settings: The tuner's settings that were given, JSON values. Giving a default is
            another study than leaving it out, because a later version may have another default.
        tuner_version: The version of the tuner.
        seeds: The seeds with which each trial is trained.
        parallel: The number of trials in flight.
        objective: The name of the objective, or ``MODULE:FUNCTION``; see
            :mod:`arlbench.tuning.objectives`.
        minimise: Whether smaller values of it are better.
        restart: Whether a trial that continues another is trained from step 0 instead.
        start_from: Configurations that are tried first: the values that vary and have an effect.
        versions: Versions of packages that results depend on; if empty, the present versions.
        format_version: The version of the files.
    """

    problem: Problem
    words: Mapping[str, str]
    tuner: str
    tuner_seed: int
    tuner_settings: Mapping[str, Any]
    tuner_version: int
    seeds: tuple[int, ...]
    parallel: int
    objective: str = "final"
    minimise: bool = False
    restart: bool = False
    start_from: tuple[Mapping[str, Any], ...] = ()
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)
    format_version: int = dataclasses.field(default=FORMAT_VERSION, compare=False)

    def __post_init__(self) -> None:
        """Checks the fields.

        Raises:
            ConfigurationError: If something is impossible.
        """
        seeds = tuple(seed_in_range(seed) for seed in self.seeds)
        if not seeds or len(set(seeds)) < len(seeds):
            raise ConfigurationError("A study needs one or more tuning seeds, all different.")
        own = {
            "seeds": seeds,
            "parallel": positive_whole("parallel", self.parallel),
            "objective": check_objective(self.objective),
            "versions": dict(self.versions) or versions_now(self.problem.env_spec),
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)

    @property
    def horizon(self) -> int:
        """Environment steps of a full-length trial, over which the schedules of all trials run."""
        return self.problem.lengths.schedule_timesteps

    @property
    def objective_text(self) -> str:
        """The objective in words; empty if it is the final return, maximised."""
        return objective_text(self.objective, self.minimise)

    def first_difference(self, other: StudySettings) -> str:
        """The first difference from another study, in words; empty if they are the same."""
        problems = (Experiment(of.problem, ({},), (0,)) for of in (self, other))
        here, there = problems
        if difference := here.first_difference(there):
            return difference
        for field in dataclasses.fields(self):
            old, new = getattr(self, field.name), getattr(other, field.name)
            if field.name == "start_from" and old != new:
                return f"it starts from {_given(old)} there and from {_given(new)} here"
            if field.compare and field.name != "problem" and old != new:
                return f"{field.name} is {_text(old)} there and {_text(new)} here"
        return ""

    def to_mapping(self) -> dict[str, Any]:
        """The study as JSON values."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        start = [dict(config) for config in self.start_from]
        own = {"problem": self.problem.to_mapping(), "seeds": list(self.seeds)}
        return {**content, **own, "start_from": start}

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> StudySettings:
        """The inverse of :meth:`to_mapping`."""
        own = {
            "problem": Problem.from_mapping(content["problem"]),
            "seeds": tuple(content["seeds"]),
            "start_from": tuple(content.get("start_from", ())),
        }
        return cls(**{**content, **own})


def _given(configs: Sequence[Mapping[str, Any]]) -> str:
    """Configurations to start from, in words: the first one, and how many more."""
    if not configs:
        return "none"
    rest = f" and {len(configs) - 1} more" if len(configs) > 1 else ""
    return f"{', '.join(f'{k}={v}' for k, v in configs[0].items())}{rest}"


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
