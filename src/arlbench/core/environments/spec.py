"""A serialisable description of an environment."""

from __future__ import annotations

import dataclasses
import json
import numbers
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
        is_whole = isinstance(self.n_envs, numbers.Integral) and not isinstance(self.n_envs, bool)
        if not is_whole or self.n_envs < 1:
            raise ConfigurationError(
                f"n_envs must be a whole number of at least 1, not {self.n_envs!r}."
            )
        if not isinstance(self.env_kwargs, Mapping):
            raise ConfigurationError(
                f"env_kwargs must be a mapping, not a {type(self.env_kwargs).__name__}."
            )
        object.__setattr__(self, "n_envs", int(self.n_envs))
        object.__setattr__(self, "env_kwargs", dict(self.env_kwargs))
        for key, value in self.env_kwargs.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError):
                raise ConfigurationError(
                    f"The environment setting {key!r} is a {type(value).__name__} ({value!r}), "
                    "which cannot be written to a file; use finite numbers, strings, lists and "
                    "mappings."
                ) from None
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        # Kept, so that a later change of env_kwargs cannot change what this spec equals.
        object.__setattr__(self, "_json", text)

    def to_json(self) -> str:
        """The spec as a JSON object with sorted keys; equal specs give equal text."""
        return str(self.__dict__["_json"])

    @classmethod
    def from_json(cls, text: str) -> EnvSpec:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvSpec) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())
