"""What every learning algorithm offers; all that callers use is declared here or in its base."""

from __future__ import annotations

import abc
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import chex
from ConfigSpace import Configuration, ConfigurationSpace

from arlbench.core.algorithms.declarations import Declarations, config_space, positive
from arlbench.core.algorithms.harness.progress import OnProgress, TrainingProgress, UpdateStatistic
from arlbench.core.algorithms.harness.recording import Tracking
from arlbench.core.algorithms.harness.structure import State
from arlbench.core.algorithms.harness.trainable import BufferT, ResultT, RunnerT, Trainable
from arlbench.core.checks import known_names
from arlbench.core.environments import Environment, EnvListing

__all__ = ["Algorithm", "OnProgress", "TrainingProgress", "UpdateStatistic"]

# Parameters of the constructor that are not options.
_NO_OPTIONS = ("self", "hpo_config", "env", "eval_env", "nas_config")


class Algorithm(Trainable[RunnerT, BufferT, ResultT]):
    """A learning algorithm bound to an environment, without any state of a run.

    Attributes:
        name: What the registry and files call it.
        title: What people call it.
        env: Where it learns.
        eval_env: Where it is evaluated.
        hpo_config: The value of every hyperparameter, read-only.
        nas_config: The value of every architecture choice, read-only.
        structure: What shapes the compiled programs: equal structures share them.
        hp: Traced hyperparameters, a tree of scalars; an input of every program.
        memory_limit_gib: Refuse runs whose buffer and records would take more.
    """

    name: str
    title: str

    #: Parts of a checkpoint that belong to the environment, not to the agent.
    environment_parts: ClassVar[tuple[str, ...]] = ()

    #: Parts that exist only if an option of the class tracks them, with that option.
    tracked_parts: ClassVar[Mapping[str, str]] = {}

    #: Options that keep the records of which "all" parts of a checkpoint consist.
    tracked_by_all: ClassVar[tuple[str, ...]] = ()

    #: Parts that are saved along with another one that is named.
    companion_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    env: Environment
    eval_env: Environment
    hpo_config: Mapping[str, Any]
    nas_config: Mapping[str, Any]
    memory_limit_gib: float

    def __init__(
        self,
        hpo_config: Configuration | Mapping[str, Any] | None,
        env: Environment,
        eval_env: Environment | None = None,
        *,
        nas_config: Configuration | Mapping[str, Any] | None = None,
        memory_limit_gib: float = 4.0,
        track_trajectories: bool = False,
        track_metrics: bool = False,
        track_statistics: bool = False,
        track_losses: bool = False,
        **options: Any,
    ) -> None:
        """Binds the algorithm to an environment; nothing is compiled or allocated yet.

        Args:
            hpo_config: Hyperparameters; those left out take their defaults.
            env: Where to learn.
            eval_env: Where to evaluate; None takes ``env``.
            nas_config: Architecture choices; those left out take their defaults.
            memory_limit_gib: Refuse runs whose buffer and records would take more.
            track_trajectories: Return every step.
            track_metrics: Return every update.
            track_statistics: Tell ``on_progress`` mean and deviation of what updates gave.
            track_losses: Return the loss of every update, which takes far less memory.
            **options: Those of the subclass.

        Raises:
            ConfigurationError: If a name or value is unknown or impossible.
            UnknownEnvironmentError: If it cannot learn in this environment.
        """
        tracking = Tracking(
            bool(track_trajectories),
            bool(track_metrics),
            bool(track_statistics),
            bool(track_losses),
        )
        super().__init__(env, eval_env, positive("memory_limit_gib", memory_limit_gib), tracking)

    # What there is to choose.

    @staticmethod
    @abc.abstractmethod
    def hyperparameters() -> Declarations:
        """Every hyperparameter, declared, by name."""

    @staticmethod
    @abc.abstractmethod
    def architecture_choices() -> Declarations:
        """Every architecture choice, declared, by name."""

    @classmethod
    def get_hpo_config_space(cls, seed: int | None = None) -> ConfigurationSpace:
        """The hyperparameters and the ranges in which to search them."""
        return config_space(f"{cls.title}ConfigSpace", cls.hyperparameters(), seed)

    @classmethod
    def get_default_hpo_config(cls) -> Configuration:
        """The default hyperparameters."""
        return cls.get_hpo_config_space().get_default_configuration()

    @classmethod
    def get_nas_config_space(cls, seed: int | None = None) -> ConfigurationSpace:
        """The architecture choices and the ranges in which to search them."""
        return config_space(f"{cls.title}NASConfigSpace", cls.architecture_choices(), seed)

    @classmethod
    def get_default_nas_config(cls) -> Configuration:
        """The default architecture."""
        return cls.get_nas_config_space().get_default_configuration()

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The options of the constructor, by name, besides configurations and environments."""
        return _option_names(cls)

    @staticmethod
    def cannot_learn(listing: EnvListing) -> str | None:
        """Why it cannot learn in a listed environment, in words; None if it can."""
        return None

    @abc.abstractmethod
    def update_hpo_config(self, hpo_config: Configuration | Mapping[str, Any]) -> None:
        """Changes hyperparameters; those that are not given stay as they are.

        Raises:
            ConfigurationError: If a name or value is unknown or impossible.
        """

    @abc.abstractmethod
    def describe_agent(self) -> str:
        """What it learns with, such as its network, in a few words for people."""

    # States.

    @abc.abstractmethod
    def init(self, rng: chex.PRNGKey) -> tuple[RunnerT, BufferT]:
        """The state of a new run; subclasses have options of their own, all with defaults."""

    def init_options(self, n_total_timesteps: int) -> dict[str, Any]:
        """Options of ``init`` for a run of this many environment steps: room for it, no more.

        Raises:
            MemoryLimitError: If it would take too much, saying what to change.
        """
        return {}

    @staticmethod
    def shared_init_options(
        algorithms: Sequence[Algorithm],
        n_total_timesteps: Sequence[int],
        earlier: Sequence[Mapping[str, Any]] = (),
        given: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Options of ``init`` with which these algorithms' states have equal shapes.

        Args:
            algorithms: One a member, ``[M]``.
            n_total_timesteps: Environment steps of each one's training, ``[M]``.
            earlier: Parts of the states from which members continue.
            given: Options that a caller asks for; they may be raised to what is needed.

        Raises:
            ConfigurationError: If an option is unknown.
            MemoryLimitError: If a member would take too much, saying what to change.
        """
        known_names(given or {}, [], "option of init")
        return {}

    @staticmethod
    def options_to_share(algorithms: Sequence[Algorithm]) -> list[dict[str, Any]]:
        """Options of the class with which these need as few programs as they can.

        It pays if members train one after another; in a batch each would do the work of all.

        Returns:
            For each algorithm the options to make it again with.
        """
        return [{} for _ in algorithms]

    def with_equal_shapes(
        self, states: Sequence[State], init_options: Mapping[str, Any]
    ) -> list[State]:
        """The states with arrays of equal shapes, of at least the room that the options ask."""
        return list(states)

    # Checkpoints.

    @staticmethod
    @abc.abstractmethod
    def get_checkpoint_factory(
        runner_state: Any, train_result: Any
    ) -> dict[str, Callable[[], Any]]:
        """What can be saved, by name, each a function that returns it, or None if there is none.

        The fields ``rng`` and ``global_step`` of the runner state are parts of these names.
        """

    @abc.abstractmethod
    def checkpoint_template(self) -> dict[str, Any]:
        """Shapes of everything that ``get_checkpoint_factory`` offers, and of ``buffer``.

        Returns:
            Trees of ``jax.ShapeDtypeStruct`` by name, or of ``ArrayTemplate`` where lengths
            may be anything. ``buffer`` is the packed form of the buffer state; there is
            none if the algorithm has no buffer.
        """

    @abc.abstractmethod
    def restore(self, parts: Mapping[str, Any], state: Any = None) -> tuple[RunnerT, BufferT]:
        """A state made of the parts of a checkpoint.

        Args:
            parts: Trees by name, in the structure of ``checkpoint_template``.
            state: Provides what ``parts`` leaves out; None takes a fresh state.
        """

    def pack_buffer(self, buffer_state: BufferT) -> Any:
        """What a checkpoint keeps of the buffer state; None if there is nothing."""
        return None

    def unpack_buffer(self, packed: Any) -> BufferT:
        """The inverse of :meth:`pack_buffer`."""
        raise TypeError(f"{self.name} has no buffer.")

    @property
    @abc.abstractmethod
    def acting_parts(self) -> tuple[str, ...]:
        """The parts of a checkpoint that acting needs, besides ``rng``."""

    # Lengths and costs.

    @abc.abstractmethod
    def check_length(self, n_total_timesteps: int) -> None:
        """Raises a ConfigurationError if a run of this length would learn nothing."""

    @abc.abstractmethod
    def cost(self, n_total_timesteps: int | float) -> float:
        """The work of a training, in units of about 2 microseconds of one core; roughly.

        Populations begin with the longest trainings, and weigh them against the start of
        another process.
        """


@functools.cache
def _option_names(cls: type[Algorithm]) -> tuple[str, ...]:
    parameters = {**inspect.signature(Algorithm.__init__).parameters}
    parameters |= inspect.signature(cls.__init__).parameters
    named = (name for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD)
    return tuple(name for name in named if name not in _NO_OPTIONS)
