"""Runs sbx: stable-baselines3 with its networks in JAX."""

from __future__ import annotations

import flax.linen as nn
import jax
import torch_style
from sbx import DQN

PACKAGES = ("sbx-rl", "stable-baselines3", "jax", "jaxlib", "flax", "torch", "gymnasium", "numpy")


def make(job, config, seed):
    # net_arch gives the width of both hidden layers.
    policy_kwargs = {
        "net_arch": [job["hidden_size"]],
        "activation_fn": getattr(nn, job["activation"]),
    }
    return torch_style.make_model(job, config, DQN, policy_kwargs, seed)


def network(model):
    leaves = jax.tree.leaves(model.policy.qf_state.params)
    shapes = [leaf.shape for leaf in leaves if leaf.ndim == 2]
    return [shapes[0][0], *(shape[1] for shape in shapes)]


if __name__ == "__main__":
    torch_style.main(PACKAGES, make, network)
