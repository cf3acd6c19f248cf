"""What workers and this process say to each other, beside tasks and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from arlbench.core.environments.registry import (
    Framework,
    adopt_frameworks,
    registered_frameworks,
)

# Settings of JAX that a result depends on, and where compiled programs are kept.
_JAX_SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_enable_x64",
    "jax_threefry_partitionable",
)


class Setup(NamedTuple):
    """To a worker, with each task: what must be in it as in the process that started it."""

    frameworks: Mapping[str, Framework]
    jax_settings: Mapping[str, Any]

    @classmethod
    def of_this_process(cls) -> Setup:
        settings = {name: getattr(jax.config, name) for name in _JAX_SETTINGS}
        return cls(registered_frameworks(), settings)

    def apply(self) -> None:
        """Makes this process like the other one."""
        adopt_frameworks(self.frameworks)
        for name, value in self.jax_settings.items():
            if getattr(jax.config, name) != value:
                jax.config.update(name, value)


class Ready(NamedTuple):
    """From a worker: it has started."""


class Steps(NamedTuple):
    """From a worker: environment steps that the member under way has done."""

    timesteps: int


class Failed(NamedTuple):
    """From a worker: the member raised an error, in words, for not every error can be sent."""

    kind: str
    message: str
    traceback: str


class Stop(NamedTuple):
    """To a worker: the member under way is no longer wanted."""
