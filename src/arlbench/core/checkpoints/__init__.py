"""Trees of arrays in folders that are complete or absent. Independent of algorithms."""

from arlbench.core.checkpoints.background import BackgroundWriter
from arlbench.core.checkpoints.folder import (
    CheckpointFolder,
    is_checkpoint,
    newest_in,
    packed,
    read_checkpoint,
    read_manifest,
    write_checkpoint,
)
from arlbench.core.checkpoints.manifest import Manifest, as_json
from arlbench.core.checkpoints.trees import HostKey, on_device, on_host

__all__ = [
    "BackgroundWriter",
    "CheckpointFolder",
    "HostKey",
    "Manifest",
    "as_json",
    "is_checkpoint",
    "newest_in",
    "on_device",
    "on_host",
    "packed",
    "read_checkpoint",
    "read_manifest",
    "write_checkpoint",
]
