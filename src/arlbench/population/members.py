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
    """Which configuration and which seed, as indices into those that were given."""

    config_index: int
    seed_index: int


class Keeping(NamedTuple):
    """What results hold of the final states.

    Attributes:
        params: The parameters.
        state: Everything needed to train further.
        parts: These parts of a checkpoint, by name.
    """

    params: bool = False
    state: bool = False
    parts: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        return self.params or self.state or bool(self.parts)


class MemberTask(NamedTuple):
    """One training, to be done by whoever is free.

    Attributes:
        id: Which member.
        seed: The number its key is made of.
        problem: What is to be trained.
        config: Its hyperparameters and architecture choices.
        options: Options of the algorithm's class that go before those of the problem.
        lengths: How long it trains.
        timesteps_before: See ``Algorithm.train``.
        group: Members of one group share their compiled program.
        cost: An estimate of its work, in the unit of ``Algorithm.cost``.
        total_timesteps: Environment steps that it will do, as far as is known before it begins.
        init_options: Options of ``Algorithm.init``, the same for all members.
        parts: What an earlier training left, from which it continues; None begins.
        keeping: What the result holds of the final state.
        saving: Where it saves itself; None does not.
        handover: States in folders, from which it continues and where it leaves its last.
        attempts: How many processes have died while training it.
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

    def make_algorithm(self) -> Algorithm:
        """The algorithm, in newly made environments."""
        return self.problem.make_algorithm(self.config, **self.options)


class MemberResult(NamedTuple):
    """The result of one member.

    Attributes:
        config_index: Its configuration.
        seed_index: Its seed.
        status: How it ended.
        returns: Undiscounted returns, float32 ``[n_eval_steps, n_eval_episodes]``; NaN for
            evaluations that were not reached.
        timesteps: Environment steps of this call at each evaluation, int64
            ``[n_eval_steps]``.
        diverged_at: Environment steps of this call after which learning was found to be
            non-finite; None if it was not.
        divergence: The same in a sentence that names the cure; empty if it was not.
        train_seconds: Time of its training without compilation. It includes what an
            interrupted training took until the checkpoint from which this one continued.
        compile_seconds: Time that this member waited for compilation, the same.
        statistics: Of its updates, by name, if they are tracked.
        params: Final parameters as NumPy arrays, if they were asked for.
        parts: Parts of a checkpoint by name, those that were asked for; None if none were.
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
    """Where a member stands.

    Attributes:
        timesteps: Environment steps done, those before an interruption included.
        total_timesteps: Environment steps that it will have done.
        eval_rewards: Returns of the evaluations so far, ``[n_done, n_eval_episodes]``.
    """

    timesteps: int
    total_timesteps: int
    eval_rewards: np.ndarray


class PopulationProgress(NamedTuple):
    """Where a population stands.

    Attributes:
        members_done: Members that have ended.
        members_total: Members of this call.
        timesteps: Environment steps done, over all members.
        total_timesteps: Environment steps that all members will do.
        groups_done: Groups whose members have all ended.
        n_groups: Compiled training programs that this population needs.
        compiling: Whether nothing has been trained yet.
        members: Where each member stands that has begun, those that have ended included.
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
    """The results of a population, in the order in which it was asked for.

    Attributes:
        returns: float32 ``[n_configs, n_seeds, n_eval_steps, n_eval_episodes]``; NaN for
            evaluations that a member did not reach, or was not to have.
        status: ``"finished"``, ``"diverged"`` or, for members that were not trained or
            not to the end, ``"missing"``; ``[n_configs, n_seeds]``.
        members: Every member that ended, in order.
        interrupted: Whether it was stopped early.
        n_groups: Compiled training programs it needed.
        n_processes: Processes that trained, this one included.
        init_options: Options of ``Algorithm.init`` with which members began.
        has_states: Whether members hold all that a further training needs.
        compile_seconds: Time spent on compilation, added up over members.
        train_seconds: Time spent on training, added up over members.
        wall_seconds: From the call to the last result.
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
