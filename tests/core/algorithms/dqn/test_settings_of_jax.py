"""A user's strict promotion of types, or double precision, changes nothing that is trained.

Tried with one environment of each library, in processes of their own, because both are settings
that are made before anything is compiled.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "settings_of_jax.py"

ONE_OF_EACH = [
    ("gymnax", "CartPole-v1"),
    ("xland", "MiniGrid-EmptyRandom-5x5"),
    ("navix", "Navix-Empty-5x5-v0"),
    ("jumanji", "Snake-v1"),
    ("craftax", "Craftax-Classic-Symbolic-v1"),
    ("gymnasium", "FrozenLake-v1"),
]

SETTINGS = {
    "strict promotion": {
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
    },
    "double precision": {"JAX_ENABLE_X64": "1"},
}


@functools.cache
def trained(framework: str, name: str, setting: str | None) -> Any:
    """What ``settings_of_jax.py`` prints; warnings of ours or of JAX are errors."""
    given = {} if setting is None else SETTINGS[setting]
    command = [sys.executable, "-W", "error::UserWarning", str(SCRIPT), framework, name]
    run = subprocess.run(
        command, env={**os.environ, **given}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


@pytest.mark.thorough
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("framework", "name"), ONE_OF_EACH)
def test_a_training_is_the_same_under_settings_of_jax(
    framework: str, name: str, setting: str
) -> None:
    plain = trained(framework, name, None)
    assert {kind for one in plain for kind in one["types"]} == {"float32", "int32"}
    assert trained(framework, name, setting) == plain
