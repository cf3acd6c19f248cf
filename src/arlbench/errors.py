"""All errors that users can cause. Each message is one sentence with the fault and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class ArlbenchError(Exception):
    """Base of all errors of this package; the command line prints it as one line."""


class ConfigurationError(ArlbenchError, ValueError):
    """A hyperparameter or a setting that is unknown, of the wrong type or impossible."""


class UnknownEnvironmentError(ArlbenchError, ValueError):
    """An environment that does not exist, or in which this algorithm cannot learn."""


class MissingExtraError(ArlbenchError, ImportError):
    """A package that only some users need, and that is not installed."""


class MemoryLimitError(ArlbenchError, MemoryError):
    """A run that would need more memory than its limit allows."""


class BufferOverflowError(MemoryLimitError):
    """A buffer that became too small during training, whose memory has already been reused."""


class ConsumedStateError(ArlbenchError, RuntimeError):
    """A state whose memory an earlier call to ``train`` has reused."""


class StaleEnvironmentError(ArlbenchError, RuntimeError):
    """A state of an environment on the host that is not its current one."""


class EnvironmentFaultError(ArlbenchError, RuntimeError):
    """An environment that raised an error or returned data that cannot be used.

    Attributes:
        original: What the environment raised; None if it raised nothing, or raised it in a worker
            process.
    """

    original: BaseException | None = None


class StorageError(ArlbenchError, OSError):
    """The folder of an experiment that cannot be written, read or used."""


class TunerError(ArlbenchError, RuntimeError):
    """A tuner that made an impossible proposal, raised an error, or did not answer."""


class RunFolderError(StorageError):
    """The folder of a run that cannot be written, read or used."""


class RenderingError(ArlbenchError, RuntimeError):
    """An environment that cannot be drawn, or a film that cannot be written."""


class CheckpointError(ArlbenchError, OSError):
    """A checkpoint that is damaged, does not fit, or cannot be written."""


class DivergenceError(ArlbenchError, ArithmeticError):
    """Learning that became non-finite.

    Attributes:
        state: The algorithm's state when it was noticed.
        result: The training result up to and including the last finite evaluation.
        timesteps: Environment steps of the training when it was noticed.
    """

    def __init__(self, message: str, state: Any, result: Any, timesteps: int) -> None:
        super().__init__(message)
        self.state = state
        self.result = result
        self.timesteps = timesteps


def did_you_mean(name: str, known: Iterable[str], alike: float = 0.5) -> str:
    """A sentence that proposes the most similar known name; empty if none is similar.

    Args:
        name: The unknown name.
        known: The known names.
        alike: How similar the two must be, from 0 to 1; see :class:`difflib.SequenceMatcher`.
    """
    by_folded_name = {option.casefold(): option for option in known}
    nearest = difflib.get_close_matches(str(name).casefold(), by_folded_name, n=1, cutoff=alike)
    return f" Did you mean '{by_folded_name[nearest[0]]}'?" if nearest else ""
