"""Files that version 1 wrote, and the results of its code for them."""

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

# The environment in which the files were made.
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "flashbax", "numpy")

# On another processor rounding differs a little, and learning magnifies the difference.
_TOLERANCE = 1e-3


def expected(name: str) -> dict[str, Any]:
    """The results of that version's code for a folder."""
    content: dict[str, Any] = json.loads((FOLDER / "expected" / f"{name}.json").read_text())
    return content


def copy_of(name: str, folder: Path) -> Path:
    """A copy of a folder, to which a test may write."""
    return Path(shutil.copytree(FOLDER / name, folder / name))


@functools.cache
def same_packages() -> bool:
    """Whether these are the versions of the packages that made the files."""
    manifest = FOLDER / "checkpoint_all" / "checkpoint-000001" / "manifest.json"
    made_with = json.loads(manifest.read_text())["content"]["versions"]
    return all(metadata.version(name) == made_with[name] for name in _PACKAGES)


@functools.cache
def same_rounding() -> bool:
    """Whether this processor and these packages round like those that made the files."""
    info = Path("/proc/cpuinfo")
    processor = info.read_text() if info.is_file() else ""
    return same_packages() and "AMD EPYC" in processor and " avx512f " in processor


def checksum(tree: Any) -> str:
    """SHA-256 of the name and the bytes of each leaf, as in ``sha256_of_params``."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(tree):
        digest.update(jax.tree_util.keystr(path, simple=True, separator="/").encode())
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


def require_parameters(params: Any, sha256_of_params: str) -> None:
    """Asserts that these are the parameters of version 1, if bits can be compared."""
    if same_rounding():
        assert checksum(params) == sha256_of_params


def require_returns(returns: Any, made: Any) -> None:
    """Asserts that these are the returns of version 1.

    Other versions of the packages compile other programs, and small trainings then take other
    ways; of their returns only the number is compared, and that they are finite.
    """
    ours, theirs = np.asarray(returns, float), np.asarray(made, float)
    if same_packages():
        np.testing.assert_allclose(ours, theirs, rtol=0.0 if same_rounding() else _TOLERANCE)
    assert ours.shape == theirs.shape
    assert np.isfinite(ours).all()
