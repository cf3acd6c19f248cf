"""Runs stable-baselines3 on one CPU thread."""

from __future__ import annotations

import torch
import torch_style
from stable_baselines3 import DQN

PACKAGES = ("stable-baselines3", "torch", "gymnasium", "numpy")


def make(job, config, seed):
    activation = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[job["activation"]]
    policy_kwargs = {"net_arch": [job["hidden_size"]] * 2, "activation_fn": activation}
    return torch_style.make_model(job, config, DQN, policy_kwargs, seed)


def network(model):
    linear = [m for m in model.q_net.modules() if isinstance(m, torch.nn.Linear)]
    return [linear[0].in_features, *(layer.out_features for layer in linear)]


if __name__ == "__main__":
    torch_style.main(PACKAGES, make, network)
