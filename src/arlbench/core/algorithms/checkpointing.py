"""Saves the parts of an algorithm's state, and continues from them.

The algorithm itself says what the parts are (``Algorithm.get_checkpoint_factory``); this
module works for every algorithm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax

from arlbench.core import checkpoints
from arlbench.core.algorithms import descriptions, state_parts
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.harness.structure import State
from arlbench.core.algorithms.state_parts import ALL, BUFFER, STATE
from arlbench.core.checks import positive_whole
from arlbench.errors import CheckpointError, ConfigurationError

# What a caller saves with the parts; an algorithm must not use this name for a part.
_EXTRA = "extra"


class LoadedCheckpoint(NamedTuple):
    """A checkpoint that was read.

    Attributes:
        path: Its folder.
        state: The algorithm's state, ready for further training.
        parts: Every tree that was saved, by name; ``buffer`` in its packed form.
        extra: Arrays that were saved with it, by name.
        info: Other values that were saved with it.
        notes: Sentences about what differs from when it was saved; empty if nothing does.
    """

    path: Path
    state: State
    parts: Mapping[str, Any]
    extra: Mapping[str, Any]
    info: Mapping[str, Any]
    notes: tuple[str, ...]


class Snapshot(NamedTuple):
    """The content of a checkpoint before it is written.

    Attributes:
        parts: Every tree, by name, in ordinary memory.
        info: Other values to save with it.
    """

    parts: Mapping[str, Any]
    info: Mapping[str, Any]


class Checkpointer:
    """Writes numbered checkpoints into a folder.

    Args:
        path: The folder, created when something is first saved. Only one writer at a time may
            use it.
        names: The parts to save: ``"all"``, ``"state"`` (everything that an exact
            continuation needs), or any parts that the algorithm offers, such as
            ``["params", "opt_state", "buffer"]``. ``"params"`` includes ``"target_params"``.
        keep: How many checkpoints to keep; None keeps all.
        background: Write in a thread, so that the caller only waits while the state is copied
            into ordinary memory. An error is then raised by the next call to this object, at
            the latest by ``wait``.
        algorithm: If given, the names are checked now; otherwise by the first ``save``.
    """

    def __init__(
        self,
        path: str | Path,
        names: str | Iterable[str] = ALL,
        *,
        keep: int | None = None,
        background: bool = False,
        algorithm: Algorithm | None = None,
    ) -> None:
        self.path = Path(path)
        self.names = (names,) if isinstance(names, str) else tuple(names)
        if not self.names:
            raise ConfigurationError("names is empty; give 'all', 'state' or the parts to save.")
        if algorithm is not None:
            state_parts.check_names(self.names, algorithm, list(algorithm.checkpoint_template()))
        kept = None if keep is None else positive_whole("keep", keep)
        self._folder = checkpoints.CheckpointFolder(self.path, kept)
        self._background = checkpoints.BackgroundWriter() if background else None

    def save(
        self,
        algorithm: Algorithm,
        state: State,
        train_result: Any = None,
        *,
        extra: Mapping[str, Any] | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> Path:
        """Saves the parts of a state.

        Args:
            algorithm: The algorithm that the state belongs to; its configuration is saved too.
            state: A runner state and a buffer state.
            train_result: The result of the last training, which holds its records.
            extra: Arrays by name, which loading returns.
            info: JSON values, which loading returns.

        Returns:
            The checkpoint's path; with ``background``, it may not have been written yet.

        Raises:
            ConfigurationError: If a part is unknown, or was not recorded, or if ``info``
                cannot be written as JSON.
            ConsumedStateError: If a later call to ``train`` has reused the state's memory.
            CheckpointError: If it could not be written. With ``background``, the error may
                be about the previous checkpoint; this one is then not written.
        """
        return self.write(algorithm, self.take(algorithm, state, train_result, extra, info))

    def take(
        self,
        algorithm: Algorithm,
        state: State,
        train_result: Any = None,
        extra: Mapping[str, Any] | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Copies what :meth:`save` would write into ordinary memory, for :meth:`write`."""
        parts = self._collect(algorithm, state, train_result)
        if extra:
            parts[_EXTRA] = checkpoints.on_host(dict(extra))
        return Snapshot(parts, info or {})

    def write(self, algorithm: Algorithm, snapshot: Snapshot) -> Path:
        """Writes what :meth:`take` returned; returns and raises the same as :meth:`save`."""
        return self._write(snapshot.parts, algorithm, snapshot.info)

    def save_buffer(
        self, algorithm: Algorithm, buffer_state: Any, *, info: Mapping[str, Any] | None = None
    ) -> Path:
        """Saves only a replay buffer, without its empty rows, as the next checkpoint.

        Raises:
            ConfigurationError: If the algorithm has no buffer; other errors as in :meth:`save`.
        """
        state_parts.require_memory(buffer_state)
        packed = algorithm.pack_buffer(buffer_state)
        if packed is None:
            raise ConfigurationError(f"{algorithm.name} has no buffer to save; use save.")
        return self._write({BUFFER: packed}, algorithm, info or {})

    def tidy(self) -> None:
        """Removes files that a killed writer left in the folder."""
        self._folder.tidy()

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written in the background."""
        return self._background is not None and self._background.busy

    def poll(self) -> None:
        """Raises an error that has occurred in the background; does not wait."""
        if self._background is not None:
            self._background.raise_if_failed()

    def wait(self) -> None:
        """Waits until everything is written; raises an error that occurred in the background."""
        if self._background is not None:
            self._background.wait()

    @property
    def newest(self) -> Path | None:
        """The newest complete checkpoint; None if none exists yet."""
        found = checkpoints.newest_in(self.path)
        return found[0] if found else None

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wait()

    @staticmethod
    def load(
        path: str | Path, algorithm: Algorithm, state: State | None = None
    ) -> LoadedCheckpoint:
        """Reads a checkpoint of this algorithm.

        Args:
            path: A checkpoint, or a folder of several, of which the newest is read.
            algorithm: An algorithm with the environment and network that were saved. Its
                hyperparameters may differ: the state continues with them.
            state: Provides the parts that were not saved; None takes those of a fresh state. Its
                arrays become part of the loaded state, whose training reuses their memory; to use
                both, pass a copy (``jax.tree.map(jnp.copy, state)``).

        Raises:
            CheckpointError: If no checkpoint exists, if it is damaged or has a newer format,
                or if it was saved from another algorithm, network, environment or space.
        """
        checkpoint, notes = _find(Path(path))
        template = algorithm.checkpoint_template()
        parts, info = _read(checkpoint, algorithm, {**template, _EXTRA: None})
        extra = {name: _with_key(leaf) for name, leaf in parts.pop(_EXTRA, {}).items()}
        if algorithm.env.kind == "host":
            unsaved = (
                f"The state of {algorithm.env.env_name} cannot be saved, so new episodes begin."
            )
            notes = (*notes, unsaved)
        state = algorithm.restore(state_parts.own(algorithm, parts), state)
        return LoadedCheckpoint(checkpoint, state, parts, extra, info, notes)

    @staticmethod
    def load_buffer(path: str | Path, algorithm: Algorithm) -> Any:
        """Reads only the replay buffer of a checkpoint.

        Raises:
            CheckpointError: In the same cases as ``load``, or if it does not hold a buffer.
        """
        checkpoint, _ = _find(Path(path))
        template = algorithm.checkpoint_template()
        parts, _ = _read(checkpoint, algorithm, {BUFFER: template.get(BUFFER)})
        if BUFFER not in parts:
            raise CheckpointError(f"{checkpoint} holds no buffer; save it with names='all'.")
        return algorithm.unpack_buffer(parts[BUFFER])

    def _collect(self, algorithm: Algorithm, state: State, train_result: Any) -> dict[str, Any]:
        """Copies of the parts to save."""
        state_parts.require_pair(state)
        state_parts.require_memory(state)
        has_buffer = bool(jax.tree.leaves(state[1]))
        known = [
            *algorithm.get_checkpoint_factory(state[0], train_result),
            *([BUFFER] if has_buffer else []),
        ]
        state_parts.check_names(self.names, algorithm, known)
        companions = state_parts.with_companions(algorithm, self.names, known)
        wanted = None if ALL in self.names else companions
        parts = state_parts.collect(algorithm, state, wanted, train_result)
        unsaveable = algorithm.environment_parts if algorithm.env.kind == "host" else ()
        for name in self.names:
            if name not in (ALL, STATE, *unsaveable, *parts):
                raise ConfigurationError(
                    f"{name} should be saved but was not given; give save the train_result of a "
                    "run that recorded it."
                )
        return parts

    def _write(
        self, parts: Mapping[str, Any], algorithm: Algorithm, info: Mapping[str, Any]
    ) -> Path:
        description = descriptions.describe(algorithm, info)
        self.wait()
        path = self._folder.next_path()
        if self._background is None:
            self._folder.write(path, parts, description)
        else:
            self._background.submit(lambda: self._folder.write(path, parts, description))
        return path


def _with_key(leaf: Any) -> Any:
    """What a caller saved, an array or a random key."""
    return checkpoints.on_device(leaf) if isinstance(leaf, checkpoints.HostKey) else leaf


def _find(path: Path) -> tuple[Path, tuple[str, ...]]:
    """A checkpoint, from its own path or from the path of a folder of checkpoints."""
    if checkpoints.is_checkpoint(path):
        return path, ()
    found = checkpoints.newest_in(path)
    if found is None:
        raise CheckpointError(
            f"No checkpoint was found in {path}; give a checkpoint or a folder of several. "
            "The folder of a run is read by find_agents of arlbench.experiments.agents."
        )
    return found[0], (found[1],) if found[1] else ()


def _read(
    checkpoint: Path, algorithm: Algorithm, template: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parts and info of a checkpoint, after checking that it fits the algorithm."""
    written = checkpoints.read_manifest(checkpoint)
    descriptions.require_fitting(checkpoint, written.info, algorithm)
    wanted = [name for name in template if f"{name}.npz" in written.files]
    descriptions.require_same_extensions(checkpoint, written.info, algorithm, wanted)
    parts, manifest = checkpoints.read_checkpoint(checkpoint, template)
    return parts, manifest.info["info"]
