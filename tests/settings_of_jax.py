"""Trains in one environment and prints the results, for tests.

The settings of JAX come from the environment: JAX_NUMPY_DTYPE_PROMOTION, JAX_ENABLE_X64.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import jax
import numpy as np

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.environments import make_env


def trained(framework: str, name: str) -> dict[str, Any]:
    """The dtypes, the returns and the checksum of parameters after a short training."""
    config = {
        "buffer_size": 256,
        "buffer_batch_size": 4,
        "learning_starts": 16,
        "buffer_prio_sampling": True,
        "normalize_observations": True,
    }
    dqn = DQN(
        config,
        make_env(framework, name, n_envs=2),
        nas_config={"hidden_size": 4},
        track_metrics=True,
        track_trajectories=True,
    )
    state, result = dqn.train(*dqn.init(jax.random.key(0)), 200, n_eval_steps=1, n_eval_episodes=2)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state.runner_state.train_state)]
    digest = hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves)).hexdigest()
    return {
        "types": [str(leaf.dtype) for leaf in leaves],
        "returns": result.eval_rewards.tolist(),
        "digest": digest,
    }


if __name__ == "__main__":
    print(json.dumps(trained(*sys.argv[1:])))
