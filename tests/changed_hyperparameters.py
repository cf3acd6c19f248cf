"""A changed value of every traced hyperparameter, and a configuration in which each matters."""

from __future__ import annotations

from typing import Any

# With these, every hyperparameter has an effect: priorities are in use, the target network
# lags behind, and exploration is still falling.
BASE: dict[str, Any] = {
    "buffer_prio_sampling": True,
    "buffer_alpha": 0.6,
    "buffer_beta": 0.4,
    "buffer_epsilon": 1e-3,
    "gamma": 0.9,
    "tau": 0.8,
    "initial_epsilon": 0.9,
    "target_epsilon": 0.1,
    "exploration_fraction": 0.5,
}

ANOTHER_VALUE: dict[str, Any] = {
    "buffer_size": 100,
    "buffer_alpha": 0.3,
    "buffer_beta": 1.0,
    "buffer_epsilon": 0.5,
    "learning_rate": 3e-3,
    "gamma": 0.8,
    "tau": 0.3,
    "initial_epsilon": 0.5,
    "target_epsilon": 0.3,
    "exploration_fraction": 0.1,
    "use_target_network": False,
    "train_freq": 4,
    "gradient_steps": 3,
    "learning_starts": 80,
    "target_update_interval": 40,
    "normalize_observations": True,
}
