"""A member of a population: one configuration with one seed, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from arlbench.core.algorithms.algorithm import Algorithm, UpdateStatistic
from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.problem import Problem
from arlbench.population.handover import Handover
from arlbench.population.saving import MemberSaving

MemberStatus = Literal["finished", "diverged"]


class MemberId(NamedTuple):
    """The indices of a member's configuration and seed among those that were given."""

    config_index: int
    seed_index: int


class Keeping(NamedTuple):
    """What results keep of the final states.

    Attributes:
        params: Whether to keep the parameters.
        state: Whether to keep everything that further training needs.
        parts: Names of parts of a checkpoint to keep.
    """

    params: bool = False
    state: bool = False
    parts: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        return self.params or self.state or bool(self.parts)


class MemberTask(NamedTuple):
    """One training run, which any free process can do.

    Attributes:
        id: Its configuration and seed, as indices.
        seed: The number from which its key is made.
        problem: The problem to train on.
        config: Its hyperparameters and architecture choices.
        options: Options of the algorithm's class; they take precedence over the problem's.
        lengths: The lengths of its training.
        timesteps_before: See ``Algorithm.train``.
        group: Members of one group share their compiled program.
        cost: An estimate of its work, in the unit of ``Algorithm.cost``.
        total_timesteps: Environment steps that it will do, as far as known before it begins.
        init_options: Options of ``Algorithm.init``, the same for all members.
        parts: Parts of an earlier training run's state, to continue from; None starts a new run.
        keeping: What the result keeps of the final state.
        saving: How it saves itself; None if it does not.
        handover: States in folders, from which it continues and where it leaves its last one.
        attempts: How many processes have died while training it.
        algorithm: Its algorithm, if it trains in this process and can share environments; None
            makes it where the member trains.
    """

    id: MemberId
    seed: int
    problem: Problem
    config: Mapping[str, Any]
    options: Mapping[str, Any]
    lengths: Lengths
    timesteps_before: int | None
    group: int
    cost: float
    total_timesteps: int
    init_options: Mapping[str, Any]
    parts: Mapping[str, Any] | None
    keeping: Keeping
    saving: MemberSaving | None
    handover: Handover = Handover()
    attempts: int = 0
    algorithm: Algorithm | None = None

    def make_algorithm(self) -> Algorithm:
        """The given algorithm, or else a new one with newly made environments."""
        return self.algorithm or self.problem.make_algorithm(self.config, **self.options)


class MemberResult(NamedTuple):
    """The result of one member.

    Attributes:
        config_index: The index of its configuration.
        seed_index: The index of its seed.
        status: How it ended.
        returns: Undiscounted returns, float32 ``[n_eval_steps, n_eval_episodes]``; NaN for
            evaluations that were not reached.
        timesteps: Environment steps of this call at each evaluation, int64
            ``[n_eval_steps]``.
        diverged_at: Environment steps of this call after which learning was found to be
            non-finite; None if it was not.
        divergence: A sentence that says so and names the cure; empty if it did not diverge.
        train_seconds: Time of its training without compilation, including the time of an
            interrupted training until the checkpoint from which this one continued.
        compile_seconds: Time that this member waited for compilation, also including that of
            an interrupted training.
        statistics: Statistics of its updates, by name; None if they are not tracked.
        params: Final parameters as NumPy arrays; None if they were not asked for.
        parts: The parts of a checkpoint that were asked for, by name; None without any.
    """

    config_index: int
    seed_index: int
    status: MemberStatus
    returns: np.ndarray
    timesteps: np.ndarray
    diverged_at: int | None
    divergence: str
    train_seconds: float
    compile_seconds: float
    statistics: Mapping[str, UpdateStatistic] | None
    params: Any | None
    parts: Mapping[str, Any] | None

    @property
    def id(self) -> MemberId:
        return MemberId(self.config_index, self.seed_index)


class MemberProgress(NamedTuple):
    """The progress of a member.

    Attributes:
        timesteps: Environment steps done, including those before an interruption.
        total_timesteps: Environment steps that it will have done at the end.
        eval_rewards: Returns of the evaluations so far, ``[n_done, n_eval_episodes]``.
    """

    timesteps: int
    total_timesteps: int
    eval_rewards: np.ndarray


class PopulationProgress(NamedTuple):
    """The progress of a population.

    Attributes:
        members_done: Members that have ended.
        members_total: Members of this call.
        timesteps: Environment steps done, over all members.
        total_timesteps: Environment steps that all members will do.
        groups_done: Groups whose members have all ended.
        n_groups: Compiled training programs that this population needs.
        compiling: Whether nothing has been trained yet.
        members: The progress of each member that has begun, including those that have ended.
    """

    members_done: int
    members_total: int
    timesteps: int
    total_timesteps: int
    groups_done: int
    n_groups: int
    compiling: bool
    members: Mapping[MemberId, MemberProgress]


class PopulationResult(NamedTuple):
    """The results of a population, in the order of its configurations and seeds.

    Attributes:
        returns: float32 ``[n_configs, n_seeds, n_eval_steps, n_eval_episodes]``; NaN for
            evaluations that a member did not reach, or was not to have.
        status: ``"finished"``, ``"diverged"`` or, for members that were not trained to the
            end or not at all, ``"missing"``; ``[n_configs, n_seeds]``.
        members: Every member that ended, in order.
        interrupted: Whether it was stopped early.
        n_groups: The number of compiled training programs that it needed.
        n_processes: The number of processes that trained, including this one if it did.
        init_options: Options of ``Algorithm.init`` with which members began.
        has_states: Whether members hold everything that further training needs.
        compile_seconds: Time spent on compilation, as the sum over members.
        train_seconds: Time spent on training, as the sum over members.
        wall_seconds: Time from the call to the last result.
    """

    returns: np.ndarray
    status: np.ndarray
    members: tuple[MemberResult, ...]
    interrupted: bool
    n_groups: int
    n_processes: int
    init_options: Mapping[str, Any]
    has_states: bool
    compile_seconds: float
    train_seconds: float
    wall_seconds: float
