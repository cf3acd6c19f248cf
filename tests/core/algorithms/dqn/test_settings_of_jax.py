"""A user's strict dtype promotion or double precision does not change what is trained.

This is tried with one environment of each library, each in its own process, because both
settings must be made before anything is compiled.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "settings_of_jax.py"

ONE_OF_EACH = [
    *(
        pytest.param(framework, name, marks=pytest.mark.thorough)
        for framework, name in [("gymnasium", "FrozenLake-v1")]
    ),
    # Their three programs take up to minutes to compile; CartPole is also tried with extensions.
    *(
        pytest.param(framework, name, marks=pytest.mark.stress)
        for framework, name in [
            ("gymnax", "CartPole-v1"),
            ("xland", "MiniGrid-EmptyRandom-5x5"),
            ("navix", "Navix-Empty-5x5-v0"),
            ("jumanji", "Snake-v1"),
            ("craftax", "Craftax-Classic-Symbolic-v1"),
        ]
    ),
]

SETTINGS = {
    "strict promotion": {
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
    },
    "double precision": {"JAX_ENABLE_X64": "1"},
}


def trained(framework: str, name: str, setting: str | None, *extended: str) -> Any:
    """The output of ``settings_of_jax.py``; warnings from arlbench or JAX are errors."""
    given = {} if setting is None else SETTINGS[setting]
    command = [sys.executable, "-W", "error::UserWarning", str(SCRIPT), framework, name, *extended]
    run = subprocess.run(
        command, env={**os.environ, **given}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


@pytest.mark.parametrize(("framework", "name"), ONE_OF_EACH)
def test_a_training_is_the_same_under_settings_of_jax(framework: str, name: str) -> None:
    plain = trained(framework, name, None)
    assert set(plain["types"]) == {"float32", "int32"}
    for setting in SETTINGS:
        assert trained(framework, name, setting) == plain, setting


@pytest.mark.thorough
def test_a_training_with_extensions_is_the_same_too() -> None:
    plain = trained("gymnax", "CartPole-v1", None, "extended")
    assert set(plain["types"]) == {"float32", "int32"}
    for setting in SETTINGS:
        assert trained("gymnax", "CartPole-v1", setting, "extended") == plain, setting
