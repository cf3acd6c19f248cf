"""What every learning algorithm offers."""

from __future__ import annotations

import abc
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, NamedTuple

import chex
import jax
import numpy as np
from ConfigSpace import Configuration, ConfigurationSpace

from arlbench.core.environments import Environment


class TrainingProgress(NamedTuple):
    """Where a training stands, between two segments.

    Attributes:
        state: The algorithm's state, until the next segment takes over its memory.
        timesteps: Environment steps done in this call.
        total_timesteps: Environment steps that this call will do.
        eval_rewards: Returns of the evaluations so far, ``[n_done, n_eval_episodes]``.
    """

    state: Any
    timesteps: int
    total_timesteps: int
    eval_rewards: np.ndarray


#: Called between segments; training stops early where it returns True.
OnProgress = Callable[[TrainingProgress], bool | None]


class Algorithm(abc.ABC):
    """A learning algorithm bound to an environment, without any state of a run.

    Attributes:
        name: The algorithm's name.
        env: Where it learns.
        eval_env: Where it is evaluated.
        hpo_config: The value of every hyperparameter.
        nas_config: The value of every architecture choice.
    """

    #: Parts of a checkpoint that belong to the environment, not to the learner.
    environment_parts: ClassVar[tuple[str, ...]] = ()

    name: str
    env: Environment
    eval_env: Environment
    hpo_config: Mapping[str, Any]
    nas_config: Mapping[str, Any]

    @property
    @abc.abstractmethod
    def structure(self) -> Hashable:
        """What shapes the compiled programs: equal structures share them."""

    @abc.abstractmethod
    def evaluation_interval(self, n_total_timesteps: int | float, n_eval_steps: int) -> int:
        """Environment steps between two evaluations of such a training, whole iterations."""

    @abc.abstractmethod
    def estimated_cost(self, n_total_timesteps: int | float) -> float:
        """The work of such a training, in any unit that compares trainings."""

    @staticmethod
    @abc.abstractmethod
    def get_hpo_config_space(seed: int | None = None) -> ConfigurationSpace:
        """The hyperparameters and the ranges in which to search them."""

    @staticmethod
    @abc.abstractmethod
    def get_default_hpo_config() -> Configuration:
        """The default hyperparameters."""

    @staticmethod
    @abc.abstractmethod
    def get_nas_config_space(seed: int | None = None) -> ConfigurationSpace:
        """The architecture choices and the ranges in which to search them."""

    @staticmethod
    @abc.abstractmethod
    def get_default_nas_config() -> Configuration:
        """The default architecture."""

    @staticmethod
    @abc.abstractmethod
    def get_checkpoint_factory(
        runner_state: Any, train_result: Any
    ) -> dict[str, Callable[[], Any]]:
        """What can be saved, by name, each a function that returns it; None is not there."""

    @abc.abstractmethod
    def checkpoint_template(self) -> dict[str, Any]:
        """Shapes of everything that ``get_checkpoint_factory`` offers, and of ``buffer``.

        Returns:
            Trees of ``jax.ShapeDtypeStruct`` by name, in which a length of None stands
            for any length. ``buffer`` is the packed form of the replay buffer.
        """

    @abc.abstractmethod
    def restore(self, parts: Mapping[str, Any], state: Any = None) -> Any:
        """A state made of the parts of a checkpoint.

        Args:
            parts: Trees by name, in the structure of ``checkpoint_template``.
            state: Provides what ``parts`` leaves out; where None, a fresh state does.
        """

    @abc.abstractmethod
    def update_hpo_config(self, hpo_config: Configuration | Mapping[str, Any]) -> None:
        """Changes hyperparameters; those that are not given stay as they are."""

    @abc.abstractmethod
    def init(self, rng: chex.PRNGKey) -> Any:
        """The state of a new run."""

    @abc.abstractmethod
    def predict(
        self, runner_state: Any, obs: Any, rng: chex.PRNGKey | None, deterministic: bool = True
    ) -> jax.Array:
        """Actions for a batch of observations."""

    @abc.abstractmethod
    def train(
        self,
        runner_state: Any,
        buffer_state: Any,
        n_total_timesteps: int | float = 1_000_000,
        n_eval_steps: int = 100,
        n_eval_episodes: int = 10,
    ) -> tuple[Any, Any]:
        """Trains; returns the new state and the result."""
