"""A network for pictures uses every core, and its results do not depend on their number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """
import hashlib, json, os, sys
import arlbench
from arlbench import DQN
from arlbench.core.environments.wrappers import wrap
from probes import Pictures

env = wrap(Pictures(n_envs=2, side=44), [("frame_stack", {"n_frames": 2})])
small = {"buffer_size": 256, "buffer_batch_size": 16, "learning_starts": 32}
hyperparameters, architecture = map(json.loads, sys.argv[1:])
dqn = DQN({**small, **hyperparameters}, env, cnn_policy=True, nas_config=architecture)
threads = os.environ.get("NPROC")

import jax

(runner_state, _), _ = dqn.train(*dqn.init(jax.random.key(0)), n_total_timesteps=96)
leaves = jax.tree.leaves(runner_state.train_state.params)
bits = hashlib.sha256(b"".join(jax.device_get(leaf).tobytes() for leaf in leaves)).hexdigest()
print(json.dumps([threads, bits]))
"""

FULL = (
    {"max_grad_norm": 10, "double_q": True, "n_step": 3, "munchausen_alpha": 0.9, "loss": "huber"},
    {"dueling": True, "noisy": True, "layer_norm": True, "distribution": "categorical"},
)


def trained(hyperparameters: dict, architecture: dict, **variables: str) -> tuple[str | None, str]:
    """The number of threads that was chosen, and the bits of the parameters."""
    inherited = {k: v for k, v in os.environ.items() if k not in {"NPROC", "ARLBENCH_CPU_THREADS"}}
    tests = str(Path(__file__).parents[2])
    finished = subprocess.run(
        [sys.executable, "-c", TRAIN, json.dumps(hyperparameters), json.dumps(architecture)],
        env={**inherited, "PYTHONPATH": os.pathsep.join([tests, *sys.path]), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    threads, bits = json.loads(finished.stdout)
    return threads, bits


@pytest.mark.parametrize(
    ("hyperparameters", "architecture"),
    [
        pytest.param({}, {}, marks=pytest.mark.thorough, id="plain"),
        pytest.param(*FULL, marks=pytest.mark.stress, id="full"),
    ],
)
def test_results_are_the_same_with_any_number_of_threads(hyperparameters, architecture) -> None:
    by_default, one, three = (
        trained(hyperparameters, architecture, **variables)
        for variables in ({}, {"NPROC": "1"}, {"ARLBENCH_CPU_THREADS": "3"})
    )
    assert (by_default[0], one[0], three[0]) == (None, "1", "3")
    assert by_default[1] == one[1] == three[1]
