"""The published search spaces and settings of DQN, one for each of their thirteen environments.

Whatever is not searched has the values of the published runs, in which an episode that a time
limit cut off counted as one that had ended. LunarLander is version 3 of gymnasium instead of
version 2 of envpool; the Atari games are those of ale-py instead of envpool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arlbench.core.checks import known_names

#: The part of the search space that all domains share.
_COMMON: dict[str, str] = {
    "buffer_prio_sampling": "true,false",
    "buffer_alpha": "0.01..1",
    "buffer_beta": "0.01..1",
    "buffer_epsilon": "1e-7..1e-3:log",
    "initial_epsilon": "0.5..1",
    "target_epsilon": "0.001..0.2",
    "learning_rate": "1e-6..0.1",
    "use_target_network": "true,false",
}


def _space(batch_sizes: str, rows: str, starts: str, interval: str) -> dict[str, str]:
    return {
        **_COMMON,
        "buffer_batch_size": batch_sizes,
        "buffer_size": rows,
        "learning_starts": starts,
        "target_update_interval": interval,
    }


_CLASSIC = _space("64,128,256", "1024..120000", "0..2048", "1..100")
_MINIGRID = _space("32,64,128", "1024..1000000", "0..2048", "1..100")
_ATARI = _space("16,32,64", "1024..1000000", "1024..32768", "1..2000")

_FIXED = {
    "gamma": "0.99",
    "tau": "1",
    "exploration_fraction": "0.1",
    "normalize_observations": "false",
    "activation": "tanh",
    "hidden_size": "64",
}


class Published(NamedTuple):
    """A published study.

    Attributes:
        environment: The name of its environment in this package.
        framework: The library of its environment in this package.
        n_envs: Environments that step together.
        timesteps: Environment steps of a training run.
        words: For each hyperparameter, where to search, or its value if it is not searched.
        wrappers: The environment's wrappers, as ``--wrap`` takes them.
        cnn_policy: Whether a convolutional network reads the observations.
        memory_limit: The memory that a training run may use, in GiB.
    """

    environment: str
    framework: str
    n_envs: int
    timesteps: int
    words: Mapping[str, str]
    wrappers: tuple[str, ...] = ("end_at_time_limit",)
    cnn_policy: bool = False
    memory_limit: float = 4.0

    @property
    def evolving_words(self) -> dict[str, str]:
        """The words for an evolving population, which searches fewer hyperparameters."""
        fixed = ("buffer_size", "use_target_network")
        return {name: text for name, text in self.words.items() if name not in fixed}


def _classic(name: str, n_envs: int, timesteps: int, frequency: int, steps: int) -> Published:
    words = {**_FIXED, "train_freq": str(frequency), "gradient_steps": str(steps), **_CLASSIC}
    return Published(name, "gymnax", n_envs, timesteps, words)


def _minigrid(name: str, timesteps: int) -> Published:
    words = {**_FIXED, "train_freq": "1", "gradient_steps": "1", **_MINIGRID}
    # The network read the cells' codes as plain numbers.
    wrappers = ("cast_observation:dtype=uint8", "end_at_time_limit")
    return Published(name, "xland", 4, timesteps, words, wrappers)


def _lunar_lander() -> Published:
    words = {**_FIXED, "train_freq": "1", "gradient_steps": "1", **_CLASSIC}
    return Published("LunarLander-v3", "gymnasium", 4, 100_000, words)


def _atari(name: str) -> Published:
    words = {
        **_FIXED, "activation": "relu", "hidden_size": "512", "train_freq": "1",
        "gradient_steps": "2", **_ATARI,
    }  # fmt: skip
    # A buffer of a million rows takes 8.2 GB.
    return Published(name, "ale", 8, 10_000_000, words, cnn_policy=True, memory_limit=9.0)


#: The published studies, by a short name.
PUBLISHED: dict[str, Published] = {
    "cartpole": _classic("CartPole-v1", 8, 50_000, 32, 128),
    "acrobot": _classic("Acrobot-v1", 4, 100_000, 1, 4),
    "mountaincar": _classic("MountainCar-v0", 8, 120_000, 2, 8),
    "lunarlander": _lunar_lander(),
    "empty_room": _minigrid("MiniGrid-EmptyRandom-5x5", 100_000),
    "door_key": _minigrid("MiniGrid-DoorKey-5x5", 1_000_000),
    "four_rooms": _minigrid("MiniGrid-FourRooms", 1_000_000),
    "unlock": _minigrid("MiniGrid-Unlock", 1_000_000),
    "battlezone": _atari("BattleZone-v5"),
    "doubledunk": _atari("DoubleDunk-v5"),
    "phoenix": _atari("Phoenix-v5"),
    "qbert": _atari("Qbert-v5"),
    "namethisgame": _atari("NameThisGame-v5"),
}


class Protocol(NamedTuple):
    """How a published optimiser was run.

    Attributes:
        tuner: The name of the tuner in this package.
        settings: Settings of the tuner.
        trials: The number of configurations; None if ``full_budgets`` or the tuner ends it.
        full_budgets: The environment steps of all trials, as a number of full-length trials.
    """

    tuner: str
    settings: Mapping[str, Any] = {}
    trials: int | None = None
    full_budgets: int | None = None


#: How the published optimisers were run, by their names in this package.
PROTOCOLS: dict[str, Protocol] = {
    "random": Protocol("random", trials=32),
    "smac": Protocol("smac", trials=32),
    "smac_hyperband": Protocol("smac_hyperband", full_budgets=16),
    "pbt": Protocol("pbt", {"n_members": 32, "n_steps": 10}),
}

#: The seeds of the published trials.
PUBLISHED_SEEDS = 3

#: In all published studies: evaluations of a training run, and episodes of each evaluation.
EVALUATIONS, EVAL_EPISODES = 10, 128


def published_study(name: str) -> Published:
    """A published study by its short name.

    Raises:
        ConfigurationError: If the name is unknown.
    """
    known_names([name], PUBLISHED, "preset")
    return PUBLISHED[name]


def published_protocol(name: str) -> Protocol:
    """How a published optimiser was run.

    Raises:
        ConfigurationError: If the name is unknown.
    """
    known_names([name], PROTOCOLS, "protocol")
    return PROTOCOLS[name]
