"""The interface of every learning algorithm; callers use only what it and its base declare."""

from __future__ import annotations

import abc
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import chex
from ConfigSpace import Configuration, ConfigurationSpace

from arlbench.core.algorithms.declarations import (
    Declarations,
    config_space,
    differs,
    positive,
    without_extended,
)
from arlbench.core.algorithms.harness.progress import OnProgress, TrainingProgress, UpdateStatistic
from arlbench.core.algorithms.harness.recording import Tracking
from arlbench.core.algorithms.harness.structure import State
from arlbench.core.algorithms.harness.trainable import BufferT, ResultT, RunnerT, Trainable
from arlbench.core.checks import known_names, true_or_false
from arlbench.core.environments import Environment, EnvListing

__all__ = ["Algorithm", "OnProgress", "TrainingProgress", "UpdateStatistic"]

# Parameters of the constructor that do not count as options.
_NO_OPTIONS = ("self", "hpo_config", "env", "eval_env", "nas_config")


class Algorithm(Trainable[RunnerT, BufferT, ResultT]):
    """A learning algorithm for one environment; it does not hold the state of a run.

    Attributes:
        name: Its name in the registry and in files.
        title: Its name for people.
        env: The environment in which it learns.
        eval_env: The environment in which it is evaluated.
        hpo_config: The value of every hyperparameter, read-only.
        nas_config: The value of every architecture choice, read-only.
        structure: Everything that shapes the compiled programs; equal structures share programs.
        hp: Traced hyperparameters, a tree of scalars; an input of every program.
        memory_limit_gib: Runs whose buffer and records would need more memory are refused.
    """

    name: str
    title: str

    #: Parts of a checkpoint that belong to the environment, not to the agent.
    environment_parts: ClassVar[tuple[str, ...]] = ()

    #: Parts that exist only if an option of the class tracks them, each with that option.
    tracked_parts: ClassVar[Mapping[str, str]] = {}

    #: Options that keep the records that a checkpoint of "all" parts includes.
    tracked_by_all: ClassVar[tuple[str, ...]] = ()

    #: For a part that is saved, the other parts that are saved with it.
    companion_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    #: Extensions that add arrays to a part, each with that part.
    extended_parts: ClassVar[Mapping[str, str]] = {}

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
            env: The environment to learn in.
            eval_env: The environment to evaluate in; None takes ``env``.
            nas_config: Architecture choices; those left out take their defaults.
            memory_limit_gib: Refuse runs whose buffer and records would need more memory.
            track_trajectories: Return a record of every step.
            track_metrics: Return a record of every update.
            track_statistics: Give ``on_progress`` means and deviations over all updates.
            track_losses: Return the loss of every update, which takes far less memory.
            **options: Options of the subclass.

        Raises:
            ConfigurationError: If a name or value is unknown or impossible.
            UnknownEnvironmentError: If the algorithm cannot learn in this environment.
        """
        tracking = Tracking(
            true_or_false("track_trajectories", track_trajectories),
            true_or_false("track_metrics", track_metrics),
            true_or_false("track_statistics", track_statistics),
            true_or_false("track_losses", track_losses),
        )
        super().__init__(env, eval_env, positive("memory_limit_gib", memory_limit_gib), tracking)

    # Hyperparameters, architecture choices and options.

    @staticmethod
    @abc.abstractmethod
    def hyperparameters() -> Declarations:
        """The declarations of all hyperparameters, by name."""

    @staticmethod
    @abc.abstractmethod
    def architecture_choices() -> Declarations:
        """The declarations of all architecture choices, by name."""

    def __repr__(self) -> str:
        """The environment, and what differs from the defaults."""
        declared = {**self.hyperparameters(), **self.architecture_choices()}
        values = {**self.hpo_config, **self.nas_config}
        own = [f"{k}={v!r}" for k, v in values.items() if differs(v, declared[k].default)]
        return f"{type(self).__name__}({', '.join([repr(self.env), *own])})"

    @classmethod
    def get_hpo_config_space(
        cls, seed: int | None = None, extended: bool = False
    ) -> ConfigurationSpace:
        """The hyperparameters, with the ranges to search; ``extended`` adds the extended ones."""
        known = cls.hyperparameters() if extended else without_extended(cls.hyperparameters())
        return config_space(f"{cls.title}ConfigSpace", known, seed)

    @classmethod
    def get_default_hpo_config(cls) -> Configuration:
        """The default hyperparameters."""
        return cls.get_hpo_config_space().get_default_configuration()

    @classmethod
    def get_nas_config_space(
        cls, seed: int | None = None, extended: bool = False
    ) -> ConfigurationSpace:
        """The architecture choices, with the ranges to search; see :meth:`get_hpo_config_space`."""
        known = cls.architecture_choices()
        known = known if extended else without_extended(known)
        return config_space(f"{cls.title}NASConfigSpace", known, seed)

    @classmethod
    def get_default_nas_config(cls) -> Configuration:
        """The default architecture."""
        return cls.get_nas_config_space().get_default_configuration()

    @staticmethod
    def options_for_space(possible: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Options of the class with which one program fits every configuration of a space.

        Args:
            possible: For each hyperparameter that is not at its default, all of its choices, both
                ends of its range, or its only value.

        Returns:
            JSON values by name; empty if the options do not depend on the space.
        """
        return {}

    @staticmethod
    def check_space(possible: Mapping[str, Sequence[Any]]) -> None:
        """Checks that every combination of the values of a space is possible.

        Args:
            possible: See :meth:`options_for_space`.

        Raises:
            ConfigurationError: If some combinations are impossible.
        """

    @staticmethod
    def presets() -> Mapping[str, Mapping[str, Any]]:
        """Configurations that have a name, each with the values that differ from the defaults."""
        return {}

    @staticmethod
    def typical_config() -> Mapping[str, Any]:
        """The configuration of a typical training, with which the speed of machines is measured."""
        return {}

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The names of the constructor's options, without configurations and environments."""
        return _option_names(cls)

    @staticmethod
    def cannot_learn(listing: EnvListing) -> str | None:
        """Why it cannot learn in a listed environment, in words; None if it can."""
        return None

    @abc.abstractmethod
    def update_hpo_config(self, hpo_config: Configuration | Mapping[str, Any]) -> None:
        """Changes hyperparameters; those that are not given keep their values.

        Raises:
            ConfigurationError: If a name or value is unknown or impossible.
        """

    @abc.abstractmethod
    def describe_agent(self) -> str:
        """A few words for people about what it learns with, such as its network."""

    # States.

    @abc.abstractmethod
    def init(self, rng: chex.PRNGKey) -> tuple[RunnerT, BufferT]:
        """The state of a new run; subclasses may add options, all with defaults."""

    def init_options(self, n_total_timesteps: int) -> dict[str, Any]:
        """Options of ``init`` for a run of this many environment steps: just enough room for it.

        Raises:
            MemoryLimitError: If it would need too much memory; the message says what to change.
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
            algorithms: One for each member, ``[M]``.
            n_total_timesteps: Environment steps of each one's training, ``[M]``.
            earlier: Parts of the states from which members continue.
            given: Options that a caller asks for; they are increased if members need more.

        Raises:
            ConfigurationError: If an option is unknown.
            MemoryLimitError: If a member would need too much memory; the message says what to
                change.
        """
        known_names(given or {}, [], "option of init")
        return {}

    @staticmethod
    def options_to_share(algorithms: Sequence[Algorithm]) -> list[dict[str, Any]]:
        """Options of the class with which these algorithms need as few programs as possible.

        This saves time if members train one after another; in a batch, each member would do the
        work of all.

        Returns:
            For each algorithm, the options with which to make it again. They change nothing but
            the structure, and algorithms of equal structures that get equal options have equal
            structures again.
        """
        return [{} for _ in algorithms]

    def with_equal_shapes(
        self, states: Sequence[State], init_options: Mapping[str, Any]
    ) -> list[State]:
        """The states with arrays of equal shapes and at least the room that the options demand."""
        return list(states)

    # Checkpoints.

    @staticmethod
    @abc.abstractmethod
    def get_checkpoint_factory(
        runner_state: Any, train_result: Any
    ) -> dict[str, Callable[[], Any]]:
        """For each part that can be saved, a function that returns it, or None if it is missing.

        The fields ``rng`` and ``global_step`` of the runner state are parts with these names.
        """

    @abc.abstractmethod
    def checkpoint_template(self) -> dict[str, Any]:
        """Shapes of everything that ``get_checkpoint_factory`` offers, and of ``buffer``.

        Returns:
            Trees of ``jax.ShapeDtypeStruct`` by name, or of ``ArrayTemplate`` if any length is
            possible. ``buffer`` is the packed form of the buffer state. It is left out if the
            algorithm has no buffer, and is a ``OneOf`` if it can continue from several forms.
        """

    @abc.abstractmethod
    def restore(self, parts: Mapping[str, Any], state: Any = None) -> tuple[RunnerT, BufferT]:
        """A state made from the parts of a checkpoint.

        Args:
            parts: Trees by name, in the structure of ``checkpoint_template``.
            state: Provides what ``parts`` leaves out; None takes a fresh state.
        """

    def pack_buffer(self, buffer_state: BufferT) -> Any:
        """What a checkpoint keeps of the buffer state; None if it keeps nothing."""
        return None

    def unpack_buffer(self, packed: Any) -> BufferT:
        """The inverse of :meth:`pack_buffer`."""
        raise TypeError(f"{self.name} has no buffer.")

    @property
    def extension_names(self) -> tuple[str, ...]:
        """The extensions that are compiled into its programs."""
        return ()

    @property
    @abc.abstractmethod
    def acting_parts(self) -> tuple[str, ...]:
        """The parts of a checkpoint that are needed for acting, besides ``rng``."""

    # Lengths and costs.

    @abc.abstractmethod
    def check_length(self, n_total_timesteps: int) -> None:
        """Raises a ConfigurationError if a run of this length would learn nothing."""

    @abc.abstractmethod
    def cost(self, n_total_timesteps: int | float) -> float:
        """A rough estimate of a training run's work, in units of about 2 microseconds of one core.

        A population trains its longest members first, and compares their work with the time that
        another process takes to start.
        """


@functools.cache
def _option_names(cls: type[Algorithm]) -> tuple[str, ...]:
    parameters = {**inspect.signature(Algorithm.__init__).parameters}
    parameters |= inspect.signature(cls.__init__).parameters
    named = (name for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD)
    return tuple(name for name in named if name not in _NO_OPTIONS)
