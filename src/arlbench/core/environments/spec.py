"""A serialisable description of an environment."""

from __future__ import annotations

import dataclasses
import json
import numbers
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arlbench.core.checks import seed_in_range, true_or_false
from arlbench.errors import ConfigurationError


@dataclasses.dataclass(frozen=True, eq=False)
class EnvSpec:
    """Everything that is needed to make an environment again, in another process or later.

    Two specs are equal if their serialised forms are equal. Environments made from equal specs
    are equal too, so they share their compiled programs.

    Attributes:
        framework: The library that provides the environment, such as ``"gymnax"``.
        name: Its name there, such as ``"CartPole-v1"``.
        n_envs: How many of them step together.
        env_kwargs: Settings for the library; JSON values only.
        cnn_policy: Whether observations are kept as images.
        seed: Added to the seeds of the episodes of environments that step in Python; compiled ones
            ignore it.
        wrappers: Its wrappers, the innermost first: pairs of a name and settings, such as
            ``(("frame_stack", {"n_frames": 4}),)``; JSON values only.
    """

    framework: str
    name: str
    n_envs: int = 1
    env_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cnn_policy: bool = False
    seed: int | None = None
    wrappers: Sequence[tuple[str, Mapping[str, Any]]] = ()

    def __post_init__(self) -> None:
        is_whole = isinstance(self.n_envs, numbers.Integral) and not isinstance(self.n_envs, bool)
        if not is_whole or self.n_envs < 1:
            raise ConfigurationError(
                f"n_envs must be a whole number of at least 1, not {self.n_envs!r}."
            )
        if not isinstance(self.framework, str):
            raise ConfigurationError(
                "The framework of an environment must be a string such as 'gymnax', not "
                f"{self.framework!r}."
            )
        if not isinstance(self.name, str):
            raise ConfigurationError(
                "The name of an environment must be a string such as 'my_module:MyEnv', not "
                f"{self.name!r}; make_env takes classes and functions."
            )
        if not isinstance(self.env_kwargs, Mapping):
            raise ConfigurationError(
                f"env_kwargs must be a mapping, not a {type(self.env_kwargs).__name__}."
            )
        object.__setattr__(self, "n_envs", int(self.n_envs))
        object.__setattr__(self, "env_kwargs", dict(self.env_kwargs))
        object.__setattr__(self, "cnn_policy", true_or_false("cnn_policy", self.cnn_policy))
        if self.seed is not None:
            seed = seed_in_range(self.seed, "The seed of an environment")
            object.__setattr__(self, "seed", seed)
        object.__setattr__(self, "wrappers", _entries(self.wrappers))
        _require_json("environment", self.env_kwargs)
        content = dataclasses.asdict(self)
        # Without wrappers, the text equals that of versions before wrappers existed.
        if not content["wrappers"]:
            del content["wrappers"]
        # Stored, so that a later change of env_kwargs cannot change what this spec equals.
        object.__setattr__(self, "_json", json.dumps(content, sort_keys=True))

    def to_json(self) -> str:
        """The spec as a JSON object with sorted keys; equal specs give equal text."""
        return str(self.__dict__["_json"])

    def to_mapping(self) -> dict[str, Any]:
        """The same object as JSON values; ``EnvSpec(**mapping)`` is the inverse."""
        return dict(json.loads(self.to_json()))

    @classmethod
    def from_json(cls, text: str) -> EnvSpec:
        """The inverse of :meth:`to_json`."""
        return cls(**json.loads(text))

    def wrapped(self, name: str, settings: Mapping[str, Any]) -> EnvSpec:
        """The spec of this environment in one more wrapper."""
        return dataclasses.replace(self, wrappers=(*self.wrappers, (name, settings)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvSpec) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())


def _entries(wrappers: Any) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Names and settings of wrappers; only their form is checked, not whether they exist."""
    is_list = isinstance(wrappers, Sequence) and not isinstance(wrappers, str)
    entries = list(wrappers) if is_list else [wrappers]
    for entry in entries:
        is_pair = isinstance(entry, list | tuple) and len(entry) == len(("name", "settings"))
        if not is_pair or not isinstance(entry[0], str) or not isinstance(entry[1], Mapping):
            raise ConfigurationError(
                "wrappers must be a list of pairs of a name and its settings, such as "
                f"('frame_stack', {{'n_frames': 4}}), not {entry!r}."
            )
        _require_json(f"'{entry[0]}'", entry[1])
    return tuple((name, dict(settings)) for name, settings in entries)


def _require_json(what: str, settings: Mapping[str, Any]) -> None:
    """Raises if settings cannot be written to a file, or would change there."""
    for key in _keys(settings):
        # JSON turns some other keys into strings, so a spec that was read again would differ.
        if not isinstance(key, str):
            raise ConfigurationError(
                f"The key {key!r} in the {what} settings is not a string, so it cannot be written "
                "to a file; use strings."
            )
    for key, value in settings.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ConfigurationError(
                f"The {what} setting {key!r} is a {type(value).__name__} ({value!r}), "
                "which cannot be written to a file; use finite numbers, strings, lists and "
                "mappings."
            ) from None


def _keys(value: Any) -> Iterator[Any]:
    """The keys of a mapping and of all mappings within it."""
    if isinstance(value, Mapping):
        yield from value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for entry in value:
            yield from _keys(entry)
