"""What every learning algorithm offers."""

from __future__ import annotations

import abc
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import chex
import jax
import numpy as np
from ConfigSpace import Configuration, ConfigurationSpace

from arlbench.core.algorithms.evaluation import EpisodeOutcomes, play_episodes
from arlbench.core.environments import Environment, EnvListing


class UpdateStatistic(NamedTuple):
    """What some number was, over the updates of a training.

    Attributes:
        mean: Its mean; 0 where there was no update.
        std: Its population standard deviation; the same.
    """

    mean: float
    std: float


class TrainingProgress(NamedTuple):
    """Where a training stands, between two segments.

    Attributes:
        state: The algorithm's state, until the next segment takes over its memory.
        timesteps: Environment steps done in this call.
        total_timesteps: Environment steps that this call will do.
        eval_rewards: Returns of the evaluations so far, ``[n_done, n_eval_episodes]``.
        statistics: Of the updates so far, by name; None where they are not tracked.
    """

    state: Any
    timesteps: int
    total_timesteps: int
    eval_rewards: np.ndarray
    statistics: Mapping[str, UpdateStatistic] | None = None


#: Called between segments; training stops early where it returns True.
OnProgress = Callable[[TrainingProgress], bool | None]


class Batch(abc.ABC):
    """``M`` algorithms of equal structure whose members train together on accelerators.

    Args:
        algorithms: The members' algorithms, ``[M]``.
        schedule_timesteps: Environment steps of each exploration schedule, ``[M]``.
        devices: What to spread the members over.

    Attributes:
        steps_per_iteration: Environment steps of one iteration of each member, ``[M]``.
    """

    steps_per_iteration: np.ndarray

    @abc.abstractmethod
    def __init__(
        self,
        algorithms: Sequence[Algorithm],
        schedule_timesteps: Sequence[int],
        devices: Sequence[Any],
    ) -> None: ...

    @abc.abstractmethod
    def init(self, seeds: Sequence[int], capacity: int) -> Any:
        """States at step 0; each member's key is made of its seed."""

    @abc.abstractmethod
    def join(self, states: Sequence[Any], capacity: int) -> Any:
        """The state of all from the state of each, with at least so many rows for replay."""

    @abc.abstractmethod
    def prepare(self, state: Any) -> Any:
        """The state in line with hyperparameters that have changed; takes over its memory."""

    @abc.abstractmethod
    def advance(self, state: Any, n_iterations: np.ndarray) -> Any:
        """Trains each member for its iterations, ``[M]``; takes over the state's memory."""

    @abc.abstractmethod
    def evaluate(self, state: Any, n_episodes: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns ``[M, n_episodes]``, and whether what was learnt is finite, ``[M]``."""

    @abc.abstractmethod
    def statistics(self, index: int) -> Mapping[str, UpdateStatistic] | None:
        """Of the updates of one member so far; None where they are not tracked."""

    @abc.abstractmethod
    def member(self, state: Any, index: int) -> Any:
        """The state of one member."""


class Forecast(abc.ABC):
    """What a training would take, known before anything is allocated or compiled."""

    @abc.abstractmethod
    def rows(self, capacity: int | None = None, size: int | None = None) -> int:
        """Rows of the replay buffer that would be allocated.

        Args:
            capacity: Rows that are asked for, rounded up; None chooses by ``size``.
            size: The logical size; None takes the configuration's.

        Raises:
            MemoryLimitError: Saying how much it would take and what to change.
        """

    @abc.abstractmethod
    def evaluation_interval(self, n_total_timesteps: int | float, n_eval_steps: int) -> int:
        """Environment steps between two evaluations, which are whole iterations."""

    @abc.abstractmethod
    def cost(self, n_total_timesteps: int | float) -> float:
        """The work, in any unit that compares trainings."""

    @abc.abstractmethod
    def rehearsals(self, capacity: int, n_eval_episodes: int) -> dict[str, Callable[[], Any]]:
        """The large programs of a training, for getting them compiled ahead.

        Args:
            capacity: Rows of the replay buffer.
            n_eval_episodes: Episodes of each evaluation.

        Returns:
            For each program a function that has it compiled, in the order in which a
            training needs them; by a name that is the same for the same program in
            every process that trains in these environments.
        """


class Algorithm(abc.ABC):
    """A learning algorithm bound to an environment, without any state of a run.

    Attributes:
        name: The algorithm's name.
        env: Where it learns.
        eval_env: Where it is evaluated.
        hpo_config: The value of every hyperparameter.
        nas_config: The value of every architecture choice.
        structure: What shapes the compiled programs: equal structures share them.
    """

    #: Parts of a checkpoint that belong to the environment, not to the learner.
    environment_parts: ClassVar[tuple[str, ...]] = ()

    #: Parts that exist only where a setting of the class tracks them, with that setting.
    tracked_parts: ClassVar[Mapping[str, str]] = {}

    #: How many of it train together; None where they cannot.
    batch_class: ClassVar[type[Batch] | None] = None

    name: str
    env: Environment
    eval_env: Environment
    hpo_config: Mapping[str, Any]
    nas_config: Mapping[str, Any]
    structure: Hashable

    @property
    def uses_host(self) -> bool:
        """Whether an environment of it steps in Python."""
        return "host" in {self.env.kind, self.eval_env.kind}

    @property
    @abc.abstractmethod
    def forecast(self) -> Forecast:
        """What trainings with the present configuration would take."""

    @staticmethod
    def cannot_learn(listing: EnvListing) -> str | None:
        """Why it cannot learn in a listed environment, in words; None where it can."""
        return None

    @staticmethod
    def options_to_share(algorithms: Sequence[Algorithm]) -> list[dict[str, Any]]:
        """Settings of the class with which these make do with as few programs as they can.

        Members that train one after another gain by them; where they are batched, each
        would do the work of all.

        Returns:
            For each algorithm the settings that it should be made anew with.
        """
        return [{} for _ in algorithms]

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
    def evaluate(self, runner_state: Any, n_eval_episodes: int = 10) -> jax.Array:
        """Undiscounted returns of whole episodes, ``[n_eval_episodes]``."""

    def play(
        self, runner_state: Any, rng: chex.PRNGKey, n_episodes: int, deterministic: bool = True
    ) -> EpisodeOutcomes:
        """Returns and lengths of whole episodes in ``eval_env``, from a key of their own.

        A traceable function: within ``jax.jit`` it compiles once for any state and key.
        """

        def policy(obs: Any, key: chex.PRNGKey) -> jax.Array:
            return self.predict(runner_state, obs, key, deterministic)

        return play_episodes(self.eval_env, policy, rng, n_episodes)

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
