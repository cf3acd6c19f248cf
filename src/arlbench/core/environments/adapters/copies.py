"""Settings of an environment on the host that control how its copies are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import ConfigurationError

#: A setting that maps settings of the environment to lists with one value for each copy.
PER_COPY = "per_copy"

#: A setting: whether evaluations use the instances that train.
EVALUATE_IN_PLACE = "evaluate_in_place"

#: A setting: how many worker processes step the copies; 0 steps them in this process.
ENV_WORKERS = "env_workers"

#: A setting: the mode in which ``gymnasium.make_vec`` makes all copies as one vectorised
#: environment; None makes each copy separately.
VECTORIZATION_MODE = "vectorization_mode"


class Copies(NamedTuple):
    """How the copies of an environment are made.

    Attributes:
        settings: Settings of the environment that all copies share.
        per_copy: Other settings, with one value for each copy.
        evaluate_in_place: Whether evaluations use the instances that train, so that there are
            never more instances than copies.
        n_workers: How many worker processes step the copies; 0 means this process.
        vectorization_mode: The mode of ``gymnasium.make_vec``; None makes each copy separately.
    """

    settings: Mapping[str, Any]
    per_copy: Mapping[str, list[Any]]
    evaluate_in_place: bool
    n_workers: int
    vectorization_mode: str | None

    @classmethod
    def of(cls, spec: EnvSpec) -> Copies:
        """Reads the settings of a spec.

        Raises:
            ConfigurationError: If a setting is impossible.
        """
        settings = dict(spec.env_kwargs)
        in_place = settings.pop(EVALUATE_IN_PLACE, False)
        if not isinstance(in_place, bool):
            raise ConfigurationError(
                f"{EVALUATE_IN_PLACE} of {spec.name} must be true or false, not {in_place!r}."
            )
        n_workers = settings.pop(ENV_WORKERS, 0)
        mode = settings.pop(VECTORIZATION_MODE, None)
        per_copy = settings.pop(PER_COPY, {})
        _check_per_copy(spec, settings, per_copy)
        _check_workers(spec, n_workers, bool(in_place or mode))
        return cls(settings, per_copy, in_place, n_workers, mode)

    def settings_of(self, copy: int) -> dict[str, Any]:
        """All settings of one copy."""
        return {**self.settings, **{name: values[copy] for name, values in self.per_copy.items()}}


def _check_workers(spec: EnvSpec, n_workers: Any, makes_them_otherwise: bool) -> None:
    is_whole = isinstance(n_workers, int) and not isinstance(n_workers, bool)
    if not is_whole or not 0 <= n_workers <= spec.n_envs:
        raise ConfigurationError(
            f"{ENV_WORKERS} of {spec.name} must be a whole number from 0 to n_envs "
            f"({spec.n_envs}), not {n_workers!r}."
        )
    if n_workers and makes_them_otherwise:
        raise ConfigurationError(
            f"{ENV_WORKERS} of {spec.name} cannot be combined with {EVALUATE_IN_PLACE} or "
            f"{VECTORIZATION_MODE}; leave one of them out."
        )


def _check_per_copy(spec: EnvSpec, settings: Mapping[str, Any], per_copy: Any) -> None:
    is_mapping = isinstance(per_copy, Mapping)
    if not is_mapping or not all(isinstance(values, list | tuple) for values in per_copy.values()):
        raise ConfigurationError(
            f"{PER_COPY} of {spec.name} must map settings to lists with one value for each copy, "
            f'such as {{"port": [5000, 5001]}}, not {per_copy!r}.'
        )
    for name, values in per_copy.items():
        if name in settings:
            raise ConfigurationError(
                f"The setting {name!r} of {spec.name} is given both for all copies and in "
                f"{PER_COPY}; keep one of them."
            )
        if len(values) < spec.n_envs:
            raise ConfigurationError(
                f"{PER_COPY} of {spec.name} has {len(values)} values of {name!r} for {spec.n_envs} "
                "copies; give one for each, or a smaller n_envs."
            )
