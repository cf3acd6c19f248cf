"""Real Ray on this machine: studies and sweeps have the same bits as without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import on_ray


@pytest.mark.thorough
def test_results_are_those_without_ray(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    environ = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, on_ray.__file__, str(tmp_path / "with")],
        env={**environ, "ARLBENCH_CORES": "2"}, capture_output=True, text=True, check=False,
        timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    found = json.loads(done.stdout)
    assert found.pop("n_cores") == 2
    host = found.pop("host")
    # The state travelled, but the environment could not.
    assert host["restarted"] == [False]
    assert ["new episodes begin" in sentence for sentence in host["said"]] == [True]
    assert found == json.loads(json.dumps(on_ray.results(tmp_path / "without")))
    assert list((tmp_path / "with" / "study").glob("states/*/seed-0/checkpoint-000001"))
