"""Messages between workers and this process, besides tasks, progress and results."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from arlbench.core.algorithms.registry import register_algorithm, registered_algorithms
from arlbench.core.environments.registry import (
    Framework,
    adopt_frameworks,
    registered_frameworks,
)
from arlbench.core.problem import Problem
from arlbench.population.members import MemberProgress, MemberResult
from arlbench.population.sending import SentEnvironment, sent_environments

# The folder in which compiled programs are kept.
_CACHE = "jax_compilation_cache_dir"

# The JAX settings on which results depend, and the folder of compiled programs.
_JAX_SETTINGS = (
    _CACHE,
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_enable_x64",
    "jax_random_seed_offset",
    "jax_threefry_partitionable",
)


class Setup(NamedTuple):
    """To a worker, with each task: settings that must equal those of the process that started it.

    Attributes:
        frameworks: Frameworks of environments by name.
        algorithms: Module and attribute of algorithms by name.
        jax_settings: JAX settings by name.
        environments: Environments that the task needs and that are not in any module.
    """

    frameworks: Mapping[str, Framework]
    algorithms: Mapping[str, tuple[str, str]]
    jax_settings: Mapping[str, Any]
    environments: tuple[SentEnvironment, ...]

    @classmethod
    def of_this_process(cls, problem: Problem) -> Setup:
        """The settings that a worker needs for a member of this problem."""
        settings = {name: getattr(jax.config, name) for name in _JAX_SETTINGS}
        sent = sent_environments(problem)
        return cls(registered_frameworks(), registered_algorithms(), settings, sent)

    def elsewhere(self) -> Setup:
        """The settings for a process on another machine, which has its own folders."""
        settings = {name: value for name, value in self.jax_settings.items() if name != _CACHE}
        return self._replace(jax_settings=settings)

    def apply(self) -> None:
        """Applies the settings of the other process to this one."""
        adopt_frameworks(self.frameworks)
        for name, (module, attribute) in self.algorithms.items():
            register_algorithm(name, module, attribute)
        for name, value in self.jax_settings.items():
            if getattr(jax.config, name) != value:
                jax.config.update(name, value)
        for environment in self.environments:
            environment.adopt()


class Ready(NamedTuple):
    """From a worker: it has started."""


class Notice(NamedTuple):
    """From a worker: a sentence for the user about the current member."""

    sentence: str


class Failed(NamedTuple):
    """From a worker: the member's error as text, because not every error can be sent."""

    kind: str
    message: str
    traceback: str

    @classmethod
    def of(cls, error: Exception) -> Failed:
        """An error that is being handled."""
        return cls(type(error).__name__, str(error), traceback.format_exc())


class Stop(NamedTuple):
    """To a worker: the current member should stop, after saving itself if it has ``saving``."""


#: The last message of a worker about a member; None if the member was stopped.
Answer = MemberResult | Failed | None

#: The messages before that.
Report = MemberProgress | Notice
