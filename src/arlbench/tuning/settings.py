"""What a study is: everything that its trials and their results depend on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from arlbench.core.checks import positive_whole, seed_in_range
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.experiment import Experiment, versions_now
from arlbench.tuning.objectives import check_objective

#: Of the files of studies; raised when an earlier reader could not read what is written.
FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class StudySettings:
    """What a study is.

    Attributes:
        problem: What is trained.
        words: Where to search; see :class:`arlbench.tuning.Space`.
        tuner: Its name, or ``MODULE:CLASS``.
        tuner_seed: Of its random numbers.
        tuner_settings: Those that differ from its defaults; JSON values.
        tuner_version: Of the tuner.
        seeds: With which each trial is trained.
        parallel: Trials in flight.
        objective: What of a trial's returns counts; see :mod:`arlbench.tuning.objectives`.
        minimise: Whether less of it is better.
        restart: Whether a trial that continues another is trained from step 0 instead.
        versions: Packages that results depend on; empty takes those of now.
        format_version: Of the files.
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
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)
    format_version: int = dataclasses.field(default=FORMAT_VERSION, compare=False)

    def __post_init__(self) -> None:
        """Checks what was given.

        Raises:
            ConfigurationError: If something is impossible.
        """
        seeds = tuple(seed_in_range(seed) for seed in self.seeds)
        if not seeds or len(set(seeds)) < len(seeds):
            raise ConfigurationError("A study needs one tuning seed or more, each of them once.")
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
        """Environment steps of a whole training, which the schedules of all trials run over."""
        return self.problem.lengths.schedule_timesteps

    def first_difference(self, other: StudySettings) -> str:
        """In what it differs from another study, in words; empty if they are one."""
        problems = (Experiment(of.problem, ({},), (0,)) for of in (self, other))
        here, there = problems
        if difference := here.first_difference(there):
            return difference
        for field in dataclasses.fields(self):
            old, new = getattr(self, field.name), getattr(other, field.name)
            if field.compare and field.name != "problem" and old != new:
                return f"{field.name} is {_text(old)} there and {_text(new)} here"
        return ""

    def to_mapping(self) -> dict[str, Any]:
        """The study as JSON values."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**content, "problem": self.problem.to_mapping(), "seeds": list(self.seeds)}

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> StudySettings:
        """The inverse of :meth:`to_mapping`."""
        own = {
            "problem": Problem.from_mapping(content["problem"]),
            "seeds": tuple(content["seeds"]),
        }
        return cls(**{**content, **own})


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
