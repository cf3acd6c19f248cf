"""Files that version 1 wrote, and what its code made of them."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

FOLDER = Path(__file__).parent / "fixtures" / "version_1"

# What the files were made with.
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "flashbax", "numpy")

#: Where rounding may differ, learning magnifies it; the returns of these small trainings
#: are compared to this tolerance.
TOLERANCE = 1e-3


def expected(name: str) -> dict[str, Any]:
    """What the code of that version makes of a folder."""
    content: dict[str, Any] = json.loads((FOLDER / "expected" / f"{name}.json").read_text())
    return content


def copy_of(name: str, folder: Path) -> Path:
    """A copy of a folder, which a test may write into."""
    return Path(shutil.copytree(FOLDER / name, folder / name))


@functools.cache
def same_rounding() -> bool:
    """Whether this processor and these packages round as those that made the files."""
    manifest = FOLDER / "checkpoint_all" / "checkpoint-000001" / "manifest.json"
    made_with = json.loads(manifest.read_text())["content"]["versions"]
    packages = all(metadata.version(name) == made_with[name] for name in _PACKAGES)
    info = Path("/proc/cpuinfo")
    processor = info.read_text() if info.is_file() else ""
    return packages and "AMD EPYC" in processor and " avx512f " in processor


def checksum(tree: Any) -> str:
    """SHA-256 of the name and the bytes of each leaf, as ``sha256_of_params`` has it."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(tree):
        digest.update(jax.tree_util.keystr(path, simple=True, separator="/").encode())
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


def require_parameters(params: Any, sha256_of_params: str) -> None:
    """Asserts that these are the parameters that version 1 came to, if bits can be compared."""
    if same_rounding():
        assert checksum(params) == sha256_of_params
