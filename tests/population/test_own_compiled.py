"""Compiled environments of the main program are sent to workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAIN_PROGRAM = """
import arlbench
from arlbench import make_env, Problem
from arlbench.population import cores, train_population
from own_compiled import Tube

cores._WORTH_A_PROCESS = 1.0
for amount in (2.0, 3.0):
    # As a cell of a notebook that runs twice.
    class Mine(Tube):
        amount = amount

        def after(self, place, n_steps):
            return super().after(place, n_steps)._replace(reward=self.amount)

    spec = make_env("jax", Mine, 2).spec
    problem = Problem(spec, n_total_timesteps=4000, n_eval_steps=1)
    result = train_population(
        problem, [{"learning_starts": 64}], [0, 1, 2, 3], placement="sequential"
    )
    print(spec.name, result.n_processes, result.returns.mean())
"""


@pytest.mark.thorough
def test_a_class_that_is_defined_again_is_sent_again(tmp_path: Path) -> None:
    script = tmp_path / "main_program.py"
    script.write_text(MAIN_PROGRAM)
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ARLBENCH_CORES": "2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Five steps with the amount of each.
    assert done.stdout.splitlines() == ["__main__:Mine 2 10.0", "__main__:Mine 2 15.0"]
