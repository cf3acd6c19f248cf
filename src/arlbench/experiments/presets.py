"""Tuned hyperparameters that the command line uses in some environments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arlbench.core.algorithms.registry import DEFAULT_ALGORITHM, algorithm_class
from arlbench.core.checks import known_names
from arlbench.core.environments import catalogue


class Tuned(NamedTuple):
    """Choices that suit an environment, tuned by hand or by a study.

    Attributes:
        hyperparameters: Those that differ from the defaults, and architecture choices.
        cnn_policy: Whether a convolutional network reads the observations.
    """

    hyperparameters: Mapping[str, Any]
    cnn_policy: bool = False


# The network and the sizes are those of Young and Tian (2019); the learning rate was tuned on
# Breakout and Asterix.
_MINATAR = Tuned(
    {
        "activation": "relu",
        "buffer_size": 100_000,
        "buffer_batch_size": 32,
        "gradient_steps": 1,
        "hidden_size": 128,
        "learning_rate": 5e-4,
        "learning_starts": 5_000,
        "target_epsilon": 0.02,
        "target_update_interval": 1_000,
        "train_freq": 1,
    },
    cnn_policy=True,
)

# Some actions in MiniGrid change nothing, so the target of their value contains the value of the
# same state, and a value that is too high increases itself: with a discount of 0.99, most of about
# forty configurations lost what they had learnt. Tuned with 4 environments and the budget of the
# published experiments.
_EMPTY_ROOM = Tuned(
    {
        "activation": "relu",
        "buffer_size": 100_000,
        "buffer_batch_size": 32,
        "gamma": 0.9,
        "gradient_steps": 1,
        "learning_rate": 1e-3,
        "learning_starts": 1_000,
        "target_epsilon": 0.1,
        "target_update_interval": 100,
        "train_freq": 1,
    },
)

# The best of a study over the extended space, with 4 environments (docs/rainbow.md).
_DOOR_AND_KEY = Tuned(
    {
        **_EMPTY_ROOM.hyperparameters,
        "adam_epsilon": 3.5e-8,
        "buffer_beta_anneal": 0.7897,
        "buffer_prio_sampling": True,
        "distribution": "categorical",
        "double_q": True,
        "exploration_fraction": 0.1368,
        "gamma": 0.9063,
        "learning_rate": 1.3502e-3,
        "learning_rate_final_factor": 0.1,
        "max_grad_norm": 10.0,
        "munchausen_alpha": 0.0927,
        "munchausen_temperature": 0.0545,
        "n_atoms": 21,
        "n_step": 6,
        "target_epsilon": 0.1305,
        "target_update_interval": 1_018,
        "v_max": 1.0,
        "v_min": 0.0,
        "weight_decay": 0.0711,
    },
)

# Found in the same way. One in 6,000 random steps solves the task, and the buffer is large enough
# to keep all of these.
_UNLOCK = Tuned(
    {
        **_EMPTY_ROOM.hyperparameters,
        "adam_epsilon": 6.85e-5,
        "buffer_batch_size": 64,
        "buffer_prio_sampling": True,
        "buffer_size": 1_000_000,
        "distribution": "categorical",
        "exploration": "ez_greedy",
        "exploration_fraction": 0.5911,
        "gamma": 0.9408,
        "huber_delta": 1.634,
        "learning_rate": 3.152e-4,
        "learning_rate_final_factor": 0.1,
        "loss": "huber",
        "max_grad_norm": 10.0,
        "munchausen_alpha": 0.8574,
        "munchausen_temperature": 1.26e-3,
        "n_atoms": 21,
        "n_step": 9,
        "target_epsilon": 0.0525,
        "target_update_interval": 1_720,
        "v_max": 1.0,
        "v_min": 0.0,
        "weight_decay": 0.0544,
    },
)

# As above.
_FOUR_ROOMS = Tuned(
    {
        **_EMPTY_ROOM.hyperparameters,
        "adam_epsilon": 5.3e-10,
        "buffer_batch_size": 64,
        "buffer_beta_anneal": 0.2,
        "buffer_prio_sampling": True,
        "buffer_size": 1_000_000,
        "distribution": "categorical",
        "double_q": True,
        "exploration_fraction": 0.175,
        "gamma": 0.9515,
        "hidden_size": 128,
        "learning_rate": 1.25e-3,
        "learning_rate_final_factor": 0.1,
        "max_grad_norm": 10.0,
        "munchausen_alpha": 0.942,
        "munchausen_temperature": 0.01245,
        "n_atoms": 21,
        "n_step": 8,
        "target_epsilon": 0.0615,
        "target_update_interval": 578,
        "v_max": 1.0,
        "v_min": 0.0,
        "weight_decay": 0.058,
    },
)

# Not tuned here: the values that most implementations use for Atari games (Mnih et al. 2015, with
# Adam), with one update for every four steps of 8 environments.
_ATARI = Tuned(
    {
        "activation": "relu",
        "buffer_size": 100_000,
        "buffer_batch_size": 32,
        "gradient_steps": 2,
        "hidden_size": 512,
        "learning_rate": 1e-4,
        "learning_starts": 10_000,
        "target_epsilon": 0.01,
        "target_update_interval": 8_000,
        "train_freq": 1,
    },
    cnn_policy=True,
)

#: Tuned with 8 environments that step together, unless stated otherwise.
TUNED: dict[str, Tuned] = {
    "CartPole-v1": Tuned(
        {
            "activation": "relu",
            "buffer_size": 100_000,
            "buffer_batch_size": 64,
            "exploration_fraction": 0.3,
            "gradient_steps": 128,
            "learning_rate": 1e-3,
            "learning_starts": 1_000,
            "target_epsilon": 0.1,
            "target_update_interval": 256,
            "tau": 0.3,
            "train_freq": 32,
        }
    ),
    # One update for each environment step, with the values that users of stable-baselines3 tuned
    # (RL Baselines3 Zoo), and its loss and clipping.
    "LunarLander-v3": Tuned(
        {
            "activation": "relu",
            "buffer_size": 50_000,
            "buffer_batch_size": 128,
            "exploration_fraction": 0.12,
            "gradient_steps": 8,
            "hidden_size": 256,
            "learning_rate": 6.3e-4,
            "learning_starts": 0,
            "loss": "huber",
            "max_grad_norm": 10.0,
            "target_epsilon": 0.1,
            "target_update_interval": 250,
            "train_freq": 1,
        }
    ),
    "MiniGrid-DoorKey-5x5": _DOOR_AND_KEY,
    "MiniGrid-Empty-5x5": _EMPTY_ROOM,
    "MiniGrid-EmptyRandom-5x5": _EMPTY_ROOM,
    "MiniGrid-FourRooms": _FOUR_ROOMS,
    "MiniGrid-Unlock": _UNLOCK,
    **{
        f"{game}-MinAtar": _MINATAR
        for game in ("Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders")
    },
}

_UNKNOWN = Tuned({})


def tuned_for(env_name: str, algorithm: str = DEFAULT_ALGORITHM) -> Tuned:
    """The choices for an environment; empty for unknown environments and other algorithms."""
    if algorithm != DEFAULT_ALGORITHM:
        return _UNKNOWN
    return TUNED.get(env_name) or (_ATARI if is_atari(env_name) else _UNKNOWN)


def named_agent(name: str | None, algorithm: str = DEFAULT_ALGORITHM) -> Mapping[str, Any]:
    """The values of an algorithm's named configuration; empty if no name is given.

    Raises:
        ConfigurationError: If the algorithm has no configuration of this name.
    """
    if name is None:
        return {}
    known = algorithm_class(algorithm).presets()
    known_names([name], known, "agent")
    return known[name]


def is_atari(env_name: str) -> bool:
    """Whether this is the name of an Atari game."""
    return env_name.removeprefix("ALE/") in {listing.name for listing in catalogue.read("ale")}
