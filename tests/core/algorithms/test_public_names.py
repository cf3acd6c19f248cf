"""Names that scripts for arlbench 0.1.3 import from ``arlbench.core.algorithms``."""

from __future__ import annotations

import subprocess
import sys

import pytest

from arlbench.core import algorithms
from arlbench.core.algorithms import dqn
from arlbench.core.algorithms.algorithm import Algorithm

NAMES = ("DQN", "DQNMetrics", "DQNRunnerState", "DQNState", "DQNTrainReturnT", "DQNTrainingResult")


def test_the_names_are_those_of_the_algorithm() -> None:
    assert [getattr(algorithms, name) for name in NAMES] == [getattr(dqn, name) for name in NAMES]
    assert algorithms.Algorithm is Algorithm
    assert {*NAMES, "Algorithm"} == set(algorithms.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'PPO'"):
        algorithms.PPO  # noqa: B018


def test_importing_the_package_imports_nothing_large() -> None:
    program = """
        import sys
        import arlbench.core.algorithms
        assert "jax" not in sys.modules, "jax"
        from arlbench.core.algorithms import DQN, Algorithm, DQNState
        assert "jax" in sys.modules
        assert issubclass(DQN, Algorithm), DQN
    """
    lines = "\n".join(line.strip() for line in program.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", lines], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
