"""The probe environments as a framework, so that an ``EnvSpec`` can name them."""

from __future__ import annotations

import probes
from arlbench.core.environments import Environment, EnvSpec
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.registry import Framework, adopt_frameworks

adopt_frameworks({"tiny": Framework("probe_framework", "tests", None)})


def make(spec: EnvSpec) -> Environment:
    env = getattr(probes, spec.name)(n_envs=spec.n_envs, **spec.env_kwargs)
    env.spec = spec
    return env


def list_environments() -> list[EnvListing]:
    return []


def walk(n_envs: int = 4, **env_kwargs: int) -> EnvSpec:
    """The spec of the ``Walk`` probe."""
    return EnvSpec("tiny", "Walk", n_envs, env_kwargs)
