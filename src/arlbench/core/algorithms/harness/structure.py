"""The interface between an algorithm and the harness: pure functions of two static values.

Both values are static arguments of compiled programs and are compared by value, so equal
structures share programs. ``hp`` is the algorithm's tree of traced hyperparameters: scalars
that are inputs of every program. A state is a pair of a runner state and a buffer state; an
algorithm without replay has an empty buffer state, ``()``.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import chex
import jax

from arlbench.core.algorithms.harness.recording import Recorder
from arlbench.core.environments import Environment
from arlbench.core.lockstep import Active
from arlbench.core.randomness import Stream, stream_key


class RunnerState(Protocol):
    """The fields of a runner state that the harness uses; a runner state is a named tuple.

    Attributes:
        rng: The run's key ``[]``; it stays the same, because draws are counted.
        env_state: State of the environments, leaves ``[n_envs, ...]``.
        obs: Observations to act on next, leaves ``[n_envs, ...]``.
        global_step: Vector steps taken, int32 ``[]``.
    """

    @property
    def rng(self) -> chex.PRNGKey: ...
    @property
    def env_state(self) -> Any: ...
    @property
    def obs(self) -> Any: ...
    @property
    def global_step(self) -> Any: ...


#: How many short turns form a span: a program for an accelerator waits only between spans.
SPAN = 32

#: A runner state and a buffer state.
State = tuple[Any, Any]


def replaced(runner_state: Any, **fields: Any) -> Any:
    """The runner state, a named tuple, with these fields replaced."""
    return runner_state._replace(**fields)


class Inputs(NamedTuple):
    """What stays the same throughout a segment.

    Attributes:
        hp: Traced hyperparameters, scalars ``[]``.
        schedule_timesteps: Environment steps of the exploration schedule, float32 ``[]``.
        axis: The name of the batch of members that train in lockstep; None without a batch.
    """

    hp: Any
    schedule_timesteps: chex.Numeric
    axis: str | None


class Carry(NamedTuple):
    """What changes from iteration to iteration.

    Attributes:
        state: The state of the run.
        recorder: Its records.
        draws: Blocks of random numbers; :meth:`Learning.no_draws` makes room for them.
    """

    state: State
    recorder: Recorder
    draws: Any


class Acting(abc.ABC):
    """Everything that shapes acting and evaluation, as a frozen, hashable value.

    Attributes:
        env: The environment in which the agent learns.
        eval_env: The environment in which it is evaluated.
        deterministic_eval: Whether evaluations act deterministically.
    """

    env: Environment
    eval_env: Environment
    deterministic_eval: bool

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """The network or table in words, the same in every process; used in names of programs."""

    @abc.abstractmethod
    def init_runner(self, hp: Any, rng: chex.PRNGKey, parts: Any) -> Any:
        """A runner state at step 0.

        Args:
            hp: Traced hyperparameters.
            rng: The run's key.
            parts: The parts that :meth:`Algorithm.init` was given instead of fresh ones; None
                if no parts were given.
        """

    @abc.abstractmethod
    def init_buffer(self, **options: Any) -> Any:
        """An empty buffer state; ``options`` are the options of ``init`` that shape it."""

    def state(self, runner_state: Any, buffer_state: Any) -> State:
        """Both parts as one state."""
        return (runner_state, buffer_state)

    @abc.abstractmethod
    def act(
        self, hp: Any, runner_state: Any, obs: Any, rng: chex.PRNGKey | None, deterministic: bool
    ) -> jax.Array:
        """Actions ``[B, ...]`` for observations ``[B, ...]``."""

    @abc.abstractmethod
    def learnt(self, runner_state: Any) -> Any:
        """The arrays that become non-finite when learning diverges."""

    def begin_episodes(self, runner_state: Any) -> Any:
        """The runner state with new episodes in its environments, otherwise unchanged."""
        key = stream_key(runner_state.rng, Stream.ENV_RESET, runner_state.global_step)
        env_state, obs = self.env.reset(key)
        return replaced(runner_state, env_state=env_state, obs=obs)


class Learning(abc.ABC):
    """Everything that shapes training, as a frozen, hashable value.

    Attributes:
        agent: Everything that shapes acting.
        statistics: Names of the numbers of each update whose statistics can be recorded.
    """

    agent: Acting
    statistics: tuple[str, ...] = ()

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What distinguishes it from other training programs of the same agent, in words."""

    @property
    @abc.abstractmethod
    def preparation(self) -> Callable[[Any, State], State]:
        """A function that adapts a state to hyperparameters that have changed since it was made.

        It takes ``hp`` and the state, and is hashable: structures with equal functions share a
        program.
        """

    @abc.abstractmethod
    def no_draws(self, rng: chex.PRNGKey) -> Any:
        """Makes room for the blocks of random numbers that iterations draw; see ``Carry.draws``."""

    def begin(self, state: State) -> State:
        """The state in the form that programs which do not wait use in iterations."""
        return state

    def end(self, state: State) -> State:
        """The inverse of :meth:`begin`."""
        return state

    @abc.abstractmethod
    def iterate(self, inputs: Inputs, carry: Carry, active: Active) -> Carry:
        """One iteration: some vector steps and learning from them."""

    @property
    def span(self) -> int:
        """How many iterations form a span: a program for an accelerator waits only between spans.

        The number is small enough that iterations that do not count, at the end of a segment, cost
        little, and large enough that the wait between two spans costs little too.
        """
        return SPAN

    @property
    def has_kernel(self) -> bool:
        """Whether the algorithm's own kernel for accelerators computes its gradient steps."""
        return False

    def for_accelerator(self, hps: Sequence[Any], kernels: bool) -> Learning:
        """A structure for an accelerator, and for members whose ``hp`` have these values, ``[M]``.

        In programs that do not wait, each loop makes a fixed number of turns, which the structure
        must know to be enough for all members; see :func:`arlbench.core.lockstep.repeat`. If
        ``kernels``, the algorithm's own kernels may be used. By default the structure does not
        change.
        """
        return self

    @abc.abstractmethod
    def step_record(self) -> Any:
        """Shapes and dtypes of the record of one vector step, leaves ``[n_envs, ...]``."""

    @abc.abstractmethod
    def update_record(self, hp: Any) -> Any:
        """Shapes and dtypes of the record of one update."""

    def loss_record(self, hp: Any) -> Any:
        """The record if only losses are asked for: ``update_record`` with None for the rest."""
        return self.update_record(hp)

    @abc.abstractmethod
    def count_updates(self, hp: Any, begin: int | None, n_iterations: int) -> int:
        """Updates in ``n_iterations`` iterations, starting at vector step ``begin``.

        If ``begin`` is not known yet (None), the largest possible number.
        """

    @abc.abstractmethod
    def result(self, eval_rewards: jax.Array, trajectories: Any, metrics: Any) -> Any:
        """The training result, which ``train`` returns with the state."""

    def fault(self, state: State) -> jax.Array | None:
        """Whether a training run had to stop learning within the last segment, bool ``[]``.

        Such a training run ends with ``fault_sentence``. None if this cannot happen.
        """
        return None

    @property
    def fault_sentence(self) -> str:
        """The sentence for users about such a fault, with its cure."""
        return ""

    def given(self, state: State) -> Mapping[str, Any]:
        """The parts of a state that come from its environment, such as stored rewards.

        If learning became non-finite and one of these is not finite either, the environment is at
        fault. They are taken from the state without computation, so it may be the state of a batch.

        Returns:
            Trees of arrays, by the words that messages use for them.
        """
        return {}

    @abc.abstractmethod
    def divergence_cure(self, hp: Any) -> str:
        """What to change if learning became non-finite, as the last part of a sentence."""


#: Options of ``init`` as a hashable value.
InitOptions = tuple[tuple[str, Hashable], ...]


def as_static(options: Mapping[str, Any]) -> InitOptions:
    """Options by name as a static argument of a program."""
    return tuple(sorted(options.items()))
