"""The description of an algorithm in its checkpoints, and whether it fits another algorithm.

A description has a format version; version 1 did not write its own number. A hyperparameter or
an architecture choice that a description does not name did not exist when the description was
written, so its default is used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from arlbench.core import checkpoints
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.declarations import Declarations
from arlbench.errors import CheckpointError

#: Increased when earlier versions of arlbench cannot read the descriptions of this version.
FORMAT_VERSION = 2

# Keys that have existed since version 1.
_REQUIRED = frozenset({"algorithm", "hpo_config", "nas_config", "env_spec", "info"})

# Only of algorithms that have extensions; files of earlier versions lack it.
_EXTENSIONS = "extensions"


def describe(algorithm: Algorithm, info: Mapping[str, Any]) -> dict[str, Any]:
    """The description of an algorithm, as JSON values.

    Args:
        algorithm: The algorithm whose state is saved.
        info: Values that a caller saves with it.

    Raises:
        ConfigurationError: If ``info`` cannot be written as JSON.
    """
    env = algorithm.env
    without_spec = {"name": env.env_name, "n_envs": env.n_envs}
    description = {
        "format_version": FORMAT_VERSION,
        "algorithm": algorithm.name,
        "hpo_config": dict(algorithm.hpo_config),
        "nas_config": dict(algorithm.nas_config),
        "env_spec": without_spec if env.spec is None else env.spec.to_mapping(),
        "info": info,
    }
    if algorithm.extended_parts:
        description[_EXTENSIONS] = list(algorithm.extension_names)
    plain: dict[str, Any] = checkpoints.as_json(description)
    return plain


def read(checkpoint: Path) -> dict[str, Any]:
    """Reads the description of the algorithm whose state a checkpoint holds.

    Raises:
        CheckpointError: If it is damaged, holds something else, or a newer version wrote it.
    """
    saved = dict(checkpoints.read_manifest(checkpoint).info)
    _require_readable(checkpoint, saved)
    return saved


def require_fitting(checkpoint: Path, saved: Mapping[str, Any], algorithm: Algorithm) -> None:
    """Raises a CheckpointError unless the algorithm can continue from what was saved.

    Args:
        checkpoint: The path of the checkpoint, for errors.
        saved: The checkpoint's description.
        algorithm: The algorithm that should continue; its hyperparameters may differ.
    """
    _require_readable(checkpoint, saved)
    if saved["algorithm"] != algorithm.name:
        raise CheckpointError(
            f"{checkpoint} was saved by {saved['algorithm']}, but this is {algorithm.name}."
        )
    current = describe(algorithm, {})
    _require_equal(checkpoint, "environment", saved["env_spec"], current["env_spec"])
    choices = algorithm.architecture_choices()
    nas_config = with_defaults(checkpoint, saved["nas_config"], choices)
    _require_equal(checkpoint, "network", nas_config, current["nas_config"])
    with_defaults(checkpoint, saved["hpo_config"], algorithm.hyperparameters())


def require_same_extensions(
    checkpoint: Path, saved: Mapping[str, Any], algorithm: Algorithm, parts: Collection[str]
) -> None:
    """Raises a CheckpointError if parts have more or fewer arrays than this algorithm's.

    Args:
        checkpoint: The path of the checkpoint, for errors.
        saved: The checkpoint's description.
        algorithm: The algorithm that should continue.
        parts: The names of the parts to read.
    """
    if _EXTENSIONS not in saved:
        return
    for name, part in algorithm.extended_parts.items():
        is_saved, is_here = name in saved[_EXTENSIONS], name in algorithm.extension_names
        if part not in parts or is_saved == is_here:
            continue
        had, cure = (
            ("with", f"make the algorithm with extensions=[{name!r}]")
            if is_saved
            else ("without", "make the algorithm without it")
        )
        raise CheckpointError(
            f"{checkpoint} was saved {had} the extension {name}, which adds arrays to {part}; "
            f"{cure}, or load a checkpoint without {part}."
        )


def with_defaults(
    checkpoint: Path, config: Mapping[str, Any], declarations: Declarations
) -> dict[str, Any]:
    """A configuration from a file, with defaults for names that did not exist when it was written.

    Raises:
        CheckpointError: If it contains a name that this version does not know.
    """
    unknown = sorted(config.keys() - declarations.keys())
    if unknown:
        raise CheckpointError(
            f"{checkpoint} was written by a newer version of arlbench, which knows "
            f"{', '.join(unknown)}; install that version to read it."
        )
    return {name: config.get(name, declared.default) for name, declared in declarations.items()}


def _require_readable(checkpoint: Path, saved: Mapping[str, Any]) -> None:
    if not saved.keys() >= _REQUIRED:
        raise CheckpointError(f"{checkpoint} is not a checkpoint of an algorithm's state.")
    version = saved.get("format_version", 1)
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{checkpoint} was written by a newer version of arlbench: its description has the "
            f"format {version}, but this version reads only up to {FORMAT_VERSION}."
        )


def _require_equal(
    checkpoint: Path, what: str, saved: Mapping[str, Any], current: Mapping[str, Any]
) -> None:
    for name in [*saved, *(key for key in current if key not in saved)]:
        if saved.get(name) != current.get(name):
            raise CheckpointError(
                f"{checkpoint} belongs to another {what}: {name} is {saved.get(name)!r} there and "
                f"{current.get(name)!r} here."
            )
