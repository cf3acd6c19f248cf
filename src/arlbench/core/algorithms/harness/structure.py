"""What an algorithm is to the harness: pure functions in two static values.

Both are static arguments of compiled programs and compare by value, so equal structures
share programs. ``hp`` is what the algorithm makes of its traced hyperparameters: a tree of
scalars, an input of every program. A state is a pair of a runner state and a buffer
state; an algorithm without replay has an empty buffer state, ``()``.
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
    """What the harness reads of a runner state, a named tuple.

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


#: Short turns of which a program makes all or none, if it does not wait.
SPAN = 32

#: A runner state and a buffer state.
State = tuple[Any, Any]


def replaced(runner_state: Any, **fields: Any) -> Any:
    """The runner state, a named tuple, with other fields."""
    return runner_state._replace(**fields)


class Inputs(NamedTuple):
    """What stays the same throughout a segment.

    Attributes:
        hp: Traced hyperparameters, scalars ``[]``.
        schedule_timesteps: Environment steps of the exploration schedule, float32 ``[]``.
        axis: The name of the batch of members that train in lockstep; None for one alone.
    """

    hp: Any
    schedule_timesteps: chex.Numeric
    axis: str | None


class Carry(NamedTuple):
    """What changes from iteration to iteration.

    Attributes:
        state: The run.
        recorder: What is kept of it.
        draws: Blocks of random numbers, as :meth:`Learning.no_draws` makes room for them.
    """

    state: State
    recorder: Recorder
    draws: Any


class Acting(abc.ABC):
    """What shapes acting and evaluation: a frozen, hashable value.

    Attributes:
        env: Where the agent learns.
        eval_env: Where it is evaluated.
        deterministic_eval: Whether evaluations act deterministically.
    """

    env: Environment
    eval_env: Environment
    deterministic_eval: bool

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """The network or table in words, the same in every process; names programs."""

    @abc.abstractmethod
    def init_runner(self, hp: Any, rng: chex.PRNGKey, parts: Any) -> Any:
        """A runner state at step 0.

        Args:
            hp: Traced hyperparameters.
            rng: The run's key.
            parts: What :meth:`Algorithm.init` was given in place of fresh parts; None if
                nothing.
        """

    @abc.abstractmethod
    def init_buffer(self, **options: Any) -> Any:
        """An empty buffer state; ``options`` are those of ``init`` that shape it."""

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
        """The arrays that are not finite any more once learning has diverged."""

    def begin_episodes(self, runner_state: Any) -> Any:
        """The runner state with new episodes in its environments, and all else as it was."""
        key = stream_key(runner_state.rng, Stream.ENV_RESET, runner_state.global_step)
        env_state, obs = self.env.reset(key)
        return replaced(runner_state, env_state=env_state, obs=obs)


class Learning(abc.ABC):
    """What shapes training: a frozen, hashable value.

    Attributes:
        agent: What shapes acting.
        statistics: Names of the numbers of each update that statistics are kept of.
    """

    agent: Acting
    statistics: tuple[str, ...] = ()

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What sets its training program apart from others of its agent, in words."""

    @property
    @abc.abstractmethod
    def preparation(self) -> Callable[[Any, State], State]:
        """Brings a state in line with hyperparameters that changed since it was made.

        Takes ``hp`` and the state. It is hashable: structures with equal ones share a program.
        """

    @abc.abstractmethod
    def no_draws(self, rng: chex.PRNGKey) -> Any:
        """Room for the blocks of random numbers that iterations draw; see ``Carry.draws``."""

    def begin(self, state: State) -> State:
        """The state as iterations of a program that does not wait may prefer it."""
        return state

    def end(self, state: State) -> State:
        """The inverse of :meth:`begin`."""
        return state

    @abc.abstractmethod
    def iterate(self, inputs: Inputs, carry: Carry, active: Active) -> Carry:
        """One iteration: some vector steps and what is learnt from them."""

    @property
    def span(self) -> int:
        """Iterations of which a program that does not wait makes all or none.

        So few that the empty ones at the end of a segment cost little, and so many that to
        wait once between two spans costs little too.
        """
        return SPAN

    def for_accelerator(self, hps: Sequence[Any], kernels: bool) -> Learning:
        """The same for an accelerator, and for members whose ``hp`` have these values, ``[M]``.

        Programs that do not wait make as many turns of each loop as the structure knows to
        be enough; see :func:`arlbench.core.lockstep.repeat`. If ``kernels``, it may use kernels
        of its own. It may stay as it is.
        """
        return self

    @abc.abstractmethod
    def step_record(self) -> Any:
        """Shapes and dtypes of what is kept of one vector step, leaves ``[n_envs, ...]``."""

    @abc.abstractmethod
    def update_record(self, hp: Any) -> Any:
        """Shapes and dtypes of what is kept of one update."""

    def loss_record(self, hp: Any) -> Any:
        """The same if only losses are asked for: ``update_record`` with None for the rest."""
        return self.update_record(hp)

    @abc.abstractmethod
    def count_updates(self, hp: Any, begin: int | None, n_iterations: int) -> int:
        """Updates in ``n_iterations`` iterations from vector step ``begin`` on.

        If ``begin`` is not known yet (None), the most there can be.
        """

    @abc.abstractmethod
    def result(self, eval_rewards: jax.Array, trajectories: Any, metrics: Any) -> Any:
        """What ``train`` returns besides the state."""

    @abc.abstractmethod
    def divergence_cure(self, hp: Any) -> str:
        """What to change if learning became non-finite, as the end of a sentence."""


#: Options of ``init`` as a hashable value.
InitOptions = tuple[tuple[str, Hashable], ...]


def as_static(options: Mapping[str, Any]) -> InitOptions:
    """Options by name as a static argument of a program."""
    return tuple(sorted(options.items()))
