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

#: Extensions, and a network with noise and the head that has the most formulas.
EXTENDED = {
    "loss": "huber",
    "max_grad_norm": 1.0,
    "adam_epsilon": 1e-4,
    "weight_decay": 0.01,
    "double_q": True,
    "n_step": 3,
    "learning_rate_final_factor": 0.1,
    "buffer_beta_anneal": 1.0,
    "munchausen_alpha": 0.9,
    "exploration": "ez_greedy",
}
NETWORK = {"noisy": True, "dueling": True, "layer_norm": True, "distribution": "quantile"}


def trained(framework: str, name: str, extended: str = "") -> dict[str, Any]:
    """The dtypes, the returns and the checksum of parameters after a short training.

    Args:
        framework: The library of the environment.
        name: The name of the environment.
        extended: If not empty, the training has all extensions.
    """
    config = {
        "buffer_size": 256,
        "buffer_batch_size": 4,
        "learning_starts": 16,
        "buffer_prio_sampling": True,
        "normalize_observations": True,
    }
    dqn = DQN(
        {**config, **(EXTENDED if extended else {})},
        make_env(framework, name, n_envs=2),
        nas_config={"hidden_size": 4, **(NETWORK if extended else {})},
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
