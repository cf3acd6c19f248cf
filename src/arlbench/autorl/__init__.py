"""Configuring the learner: checkpoints of whole runs."""

from arlbench.autorl.checkpointing import Checkpointer, LoadedCheckpoint

__all__ = ["Checkpointer", "LoadedCheckpoint"]
