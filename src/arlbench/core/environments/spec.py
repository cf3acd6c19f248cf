"""A serialisable description of an environment."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from arlbench.errors import ConfigurationError


@dataclasses.dataclass(frozen=True, eq=False)
class EnvSpec:
    """What is needed to make an environment again, in another process or another year.

    Two specs are equal when they serialise equally, and environments made from equal
    specs are equal too, so they share their compiled programs.

    Attributes:
        framework: The library that provides the environment, such as ``"gymnax"``.
        name: Its name there, such as ``"CartPole-v1"``.
        n_envs: How many of them step together.
        env_kwargs: Settings for the library; JSON values only.
        cnn_policy: Whether observations are kept as images.
        seed: Only for environments that live on the host; traceable ones take keys.
    """

    framework: str
    name: str
    n_envs: int = 1
    env_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cnn_policy: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.n_envs, bool) or not isinstance(self.n_envs, int) or self.n_envs < 1:
            raise ConfigurationError(
                f"n_envs must be a whole number of at least 1, not {self.n_envs!r}."
            )
        for key, value in self.env_kwargs.items():
            try:
                json.dumps(value)
            except TypeError:
                raise ConfigurationError(
                    f"The environment setting {key!r} is a {type(value).__name__}, which cannot be "
                    "written to a file; use numbers, strings, lists and mappings."
                ) from None

    def to_json(self) -> str:
        """The spec as a JSON object with sorted keys; equal specs give equal text."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> EnvSpec:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvSpec) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())
