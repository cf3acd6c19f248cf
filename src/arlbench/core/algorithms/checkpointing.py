"""Saving an algorithm's state by parts, and continuing from it.

What the parts are, the algorithm says (``Algorithm.get_checkpoint_factory``); nothing
here knows which algorithm it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax

from arlbench.core import checkpoints
from arlbench.core.algorithms import descriptions
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.harness.structure import State
from arlbench.errors import CheckpointError, ConfigurationError, ConsumedStateError, did_you_mean

#: Stands for every part, the buffer included.
ALL = "all"

#: Stands for all that an exact continuation needs: every part but records.
STATE = "state"

#: The part that is the replay buffer, in its packed form.
BUFFER = "buffer"

# What a caller saves along with the parts; no algorithm may call a part so.
_EXTRA = "extra"


def collect(
    algorithm: Algorithm,
    state: State,
    names: Collection[str] | None = None,
    train_result: Any = None,
) -> dict[str, Any]:
    """Copies of parts of a state in ordinary memory; those that do not exist are left out.

    Args:
        algorithm: Whose state it is.
        state: A runner state and a buffer state.
        names: The parts; None takes all, the buffer included.
        train_result: Of the last training, for what was recorded in it.
    """
    runner_state, buffer_state = state
    factory = algorithm.get_checkpoint_factory(runner_state, train_result)
    wanted = [name for name in factory if names is None or name in names]
    if algorithm.env.kind == "host":
        wanted = [name for name in wanted if name not in algorithm.environment_parts]
    parts = {name: checkpoints.on_host(factory[name]()) for name in wanted}
    if names is None or BUFFER in names:
        parts[BUFFER] = algorithm.pack_buffer(buffer_state)
    return {name: part for name, part in parts.items() if part is not None}


class LoadedCheckpoint(NamedTuple):
    """A checkpoint, read.

    Attributes:
        path: Its folder.
        state: The algorithm's state, ready to be trained further.
        parts: Every tree that was saved, by name; ``buffer`` in its packed form.
        extra: Arrays that were saved with it, by name.
        info: What else was saved with it.
        notes: Sentences about what is not as it was; empty if all is.
    """

    path: Path
    state: State
    parts: Mapping[str, Any]
    extra: Mapping[str, Any]
    info: Mapping[str, Any]
    notes: tuple[str, ...]


class Snapshot(NamedTuple):
    """A checkpoint before it is written.

    Attributes:
        parts: Every tree, by name, in ordinary memory.
        info: What else is to be saved with it.
    """

    parts: Mapping[str, Any]
    info: Mapping[str, Any]


class Checkpointer:
    """Writes numbered checkpoints into a folder.

    Args:
        path: The folder; it is made when something is saved. One writer at a time.
        names: The parts to save: ``"all"``, ``"state"``, which is all that an exact
            continuation needs, or any of what the algorithm offers, such as
            ``["params", "opt_state", "buffer"]``. ``"params"`` brings ``"target_params"``
            along.
        keep: How many checkpoints to keep; None keeps all.
        background: Write in a thread, so that only the copying of the state into
            ordinary memory delays the caller. An error then comes with the next call of
            this object, ``wait`` at the latest.
    """

    def __init__(
        self,
        path: str | Path,
        names: str | Iterable[str] = ALL,
        *,
        keep: int | None = None,
        background: bool = False,
    ) -> None:
        self.path = Path(path)
        self.names = (names,) if isinstance(names, str) else tuple(names)
        if not self.names:
            raise ConfigurationError("names is empty; give 'all', 'state' or the parts to save.")
        if keep is not None and keep < 1:
            raise ConfigurationError(f"keep must be at least 1, or None to keep all, not {keep}.")
        self._folder = checkpoints.CheckpointFolder(self.path, keep)
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
            algorithm: Whose state it is; its configuration is saved too.
            state: A runner state and a buffer state.
            train_result: Of the last training, for what was recorded in it.
            extra: Arrays by name, to find again after loading.
            info: JSON values, the same.

        Returns:
            Where it is; with ``background`` where it will be.

        Raises:
            ConfigurationError: If a part is unknown, or was not recorded, or if ``info``
                cannot be written as JSON.
            ConsumedStateError: If a later call of ``train`` has taken over the state.
            CheckpointError: If it could not be written; with ``background`` it may be
                the checkpoint before that could not. This one is not written then.
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
        """What :meth:`save` would write, as copies in ordinary memory, for :meth:`write`."""
        parts = self._collect(algorithm, state, train_result)
        if extra:
            parts[_EXTRA] = checkpoints.on_host(dict(extra))
        return Snapshot(parts, info or {})

    def write(self, algorithm: Algorithm, snapshot: Snapshot) -> Path:
        """Writes what :meth:`take` has taken; returns and raises what :meth:`save` does."""
        return self._write(snapshot.parts, algorithm, snapshot.info)

    def save_buffer(
        self, algorithm: Algorithm, buffer_state: Any, *, info: Mapping[str, Any] | None = None
    ) -> Path:
        """Saves a replay buffer alone, its filled rows only, as the next checkpoint.

        Raises:
            ConfigurationError: If the algorithm has no buffer.
        """
        _require_memory(buffer_state)
        packed = algorithm.pack_buffer(buffer_state)
        if packed is None:
            raise ConfigurationError(f"{algorithm.name} has no buffer to save; use save.")
        return self._write({BUFFER: packed}, algorithm, info or {})

    def tidy(self) -> None:
        """Removes what a writer that was killed has left in the folder."""
        self._folder.tidy()

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written in the background."""
        return self._background is not None and self._background.busy

    def poll(self) -> None:
        """Raises what went wrong in the background, without waiting for it."""
        if self._background is not None:
            self._background.raise_if_failed()

    def wait(self) -> None:
        """Waits until everything is written."""
        if self._background is not None:
            self._background.wait()

    @property
    def newest(self) -> Path | None:
        """The newest whole checkpoint; None if there is none yet."""
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
            algorithm: With the environment and network that were saved. Its
                hyperparameters may differ: the state continues under them.
            state: Provides what was not saved; if None, a fresh state does.

        Raises:
            CheckpointError: If there is none, if it is damaged or of a newer format,
                or was saved from another algorithm, network, environment or space.
        """
        checkpoint, notes = _find(Path(path))
        template = algorithm.checkpoint_template()
        parts, info = _read(checkpoint, algorithm, {**template, _EXTRA: None})
        extra = parts.pop(_EXTRA, {})
        if algorithm.env.kind == "host":
            notes = (*notes, f"{algorithm.env.env_name} cannot be saved: a fresh episode begins.")
        state = algorithm.restore(parts, state)
        return LoadedCheckpoint(checkpoint, state, parts, extra, info, notes)

    @staticmethod
    def load_buffer(path: str | Path, algorithm: Algorithm) -> Any:
        """Reads the replay buffer of a checkpoint, alone.

        Raises:
            CheckpointError: As ``load`` does, or if it holds no buffer.
        """
        checkpoint, _ = _find(Path(path))
        template = algorithm.checkpoint_template()
        parts, _ = _read(checkpoint, algorithm, {BUFFER: template.get(BUFFER)})
        if BUFFER not in parts:
            raise CheckpointError(f"{checkpoint} holds no buffer; save it with names='all'.")
        return algorithm.unpack_buffer(parts[BUFFER])

    def _collect(self, algorithm: Algorithm, state: State, train_result: Any) -> dict[str, Any]:
        """Copies of the parts to save."""
        _require_memory(state)
        has_buffer = bool(jax.tree.leaves(state[1]))
        known = [
            *algorithm.get_checkpoint_factory(state[0], train_result),
            *([BUFFER] if has_buffer else []),
        ]
        for name in self.names:
            if name not in (*known, ALL, STATE):
                raise ConfigurationError(
                    f"{algorithm.name} has no part called {name!r}."
                    f"{did_you_mean(name, [*known, ALL, STATE])} There are: {', '.join(known)}, "
                    f"{STATE}, {ALL}."
                )
        wanted = None if ALL in self.names else _with_companions(algorithm, self.names, known)
        parts = collect(algorithm, state, wanted, train_result)
        unsaveable = algorithm.environment_parts if algorithm.env.kind == "host" else ()
        for name in self.names:
            if name not in (ALL, STATE, *unsaveable, *parts):
                raise ConfigurationError(
                    f"{name} is to be saved and was not recorded; give save the train_result of "
                    "an algorithm that tracks it."
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


def _with_companions(
    algorithm: Algorithm, names: Iterable[str], known: Iterable[str]
) -> tuple[str, ...]:
    """Parts by name, with those that are saved along with them."""
    of_state = [name for name in known if name not in algorithm.tracked_parts]
    wanted: list[str] = []
    for name in names:
        companions = algorithm.companion_parts.get(name, ())
        wanted += of_state if name == STATE else (name, *companions)
    return tuple(dict.fromkeys(wanted))


def _require_memory(state: Any) -> None:
    """Raises if a later call of ``train`` has taken over the memory of a state."""
    if any(isinstance(x, jax.Array) and x.is_deleted() for x in jax.tree.leaves(state)):
        raise ConsumedStateError(
            "train has taken over the memory of this state; save the one that it returned."
        )


def _find(path: Path) -> tuple[Path, tuple[str, ...]]:
    """A checkpoint, from its own path or that of a folder of several."""
    if checkpoints.is_checkpoint(path):
        return path, ()
    found = checkpoints.newest_in(path)
    if found is None:
        raise CheckpointError(f"There is no checkpoint in {path}.")
    return found[0], (found[1],) if found[1] else ()


def _read(
    checkpoint: Path, algorithm: Algorithm, template: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parts and info of a checkpoint, if it is one of this algorithm."""
    saved = checkpoints.read_manifest(checkpoint).info
    descriptions.require_fitting(checkpoint, saved, algorithm)
    parts, manifest = checkpoints.read_checkpoint(checkpoint, template)
    return parts, manifest.info["info"]
