"""The description of a checkpoint, as JSON in which every change is detected."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.checkpoints.manifest import (
    FORMAT_VERSION,
    FileRecord,
    Manifest,
    as_json,
    package_versions,
    record_of,
)
from arlbench.errors import CheckpointError, ConfigurationError

PATH = Path("somewhere/manifest.json")
FILES = {"params.npz": FileRecord(3, "ab"), "buffer.npz": FileRecord(5, "cd")}


def signed(content: Any) -> str:
    """A manifest with any content and a matching checksum."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({"content": content, "sha256": checksum})


def test_a_manifest_comes_back_from_its_text() -> None:
    manifest = Manifest(FILES, {"n": 1, "nested": {"pi": 3.25}}, package_versions())
    assert Manifest.from_json(manifest.to_json(), PATH) == manifest
    assert manifest.versions["jax"] == jax.__version__
    assert manifest.format_version == FORMAT_VERSION


def test_info_comes_back_as_json_has_it() -> None:
    info = {"tuple": (1, 2), 10: "ten", 2: "two", "number": np.float32(0.5), "none": None}
    text = Manifest(FILES, info, {}).to_json()
    assert Manifest.from_json(text, PATH).info == {
        "tuple": [1, 2], "10": "ten", "2": "two", "number": 0.5, "none": None,
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="must be JSON: a bytes is none"):
        as_json({"raw": b"x"})


def test_a_file_is_known_by_size_and_checksum(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    # The example in FIPS 180-4.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert record_of(tmp_path / "file") == FileRecord(3, expected)


def test_a_newer_format_names_both_versions_and_the_cure() -> None:
    text = Manifest(FILES, {}, {"arlbench": "9.1"}, FORMAT_VERSION + 1).to_json()
    with pytest.raises(CheckpointError) as error:
        Manifest.from_json(text, PATH)
    for part in (f"format {FORMAT_VERSION + 1}", f"up to {FORMAT_VERSION}", "arlbench 9.1"):
        assert part in str(error.value)


FOREIGN = {
    "nothing": "",
    "no JSON": "{",
    "a list": "[1, 2]",
    "a number": "7",
    "null": "null",
    "another object": '{"name": "package"}',
    "nested too deeply": "[" * 100_000,
    "another manifest": signed({"format": "orbax"}),
    "a signed list": signed(["format"]),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_json_is_refused_in_one_sentence(kind: str) -> None:
    with pytest.raises(CheckpointError, match=r"manifest\.json is (damaged|not the manifest)"):
        Manifest.from_json(FOREIGN[kind], PATH)


def test_a_changed_value_is_noticed() -> None:
    text = Manifest(FILES, {"timesteps": 128}, {}).to_json()
    assert text.count("128") == 1
    with pytest.raises(CheckpointError, match="its checksum does not match its content"):
        Manifest.from_json(text.replace("128", "129"), PATH)
