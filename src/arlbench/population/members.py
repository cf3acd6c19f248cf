"""A member of a population: one configuration with one seed, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from arlbench.core.algorithms.algorithm import Algorithm, UpdateStatistic
from arlbench.core.environments import EnvSpec, make_env_from_spec

MemberStatus = Literal["finished", "diverged"]


class MemberId(NamedTuple):
    """Which configuration and which seed, as indices into those that were given."""

    config_index: int
    seed_index: int


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What makes an algorithm again in another process.

    Attributes:
        algorithm: The class.
        env_spec: Where it learns.
        eval_env_spec: Where it is evaluated.
        hpo_config: Hyperparameters.
        nas_config: Architecture choices.
        options: Further settings of the class.
    """

    algorithm: type[Algorithm]
    env_spec: EnvSpec
    eval_env_spec: EnvSpec
    hpo_config: Mapping[str, Any]
    nas_config: Mapping[str, Any]
    options: Mapping[str, Any]

    def make(self) -> Any:
        """The algorithm, in newly made environments."""
        return self.algorithm(
            self.hpo_config,  # type: ignore[call-arg]
            make_env_from_spec(self.env_spec),
            eval_env=make_env_from_spec(self.eval_env_spec),
            nas_config=self.nas_config,
            **self.options,
        )


class Schedule(NamedTuple):
    """How long a member trains, as ``Algorithm.train`` takes it."""

    n_total_timesteps: int
    n_eval_steps: int
    n_eval_episodes: int
    schedule_timesteps: int | None


class MemberTask(NamedTuple):
    """One training, to be done by whoever is free.

    Attributes:
        id: Which member.
        seed: The number its key is made of.
        recipe: Its algorithm.
        schedule: How long it trains.
        group: Members of one group share their compiled program.
        cost: An estimate of its work, in any unit.
        total_timesteps: Environment steps that it will do.
        capacity: Rows of the buffer to allocate.
        parts: What an earlier training left, where it goes on from that; None begins.
        keep_params: Whether the result holds the parameters.
        keep_state: Whether the result holds everything needed to go on.
        attempts: How many processes have died over it.
    """

    id: MemberId
    seed: int
    recipe: Recipe
    schedule: Schedule
    group: int
    cost: float
    total_timesteps: int
    capacity: int
    parts: Mapping[str, Any] | None
    keep_params: bool
    keep_state: bool
    attempts: int = 0


class MemberResult(NamedTuple):
    """What came of one member.

    Attributes:
        config_index: Its configuration.
        seed_index: Its seed.
        status: How it ended.
        returns: Undiscounted returns, float32 ``[n_eval_steps, n_eval_episodes]``; NaN
            where it did not get to.
        timesteps: Environment steps of this call at each evaluation, int64
            ``[n_eval_steps]``.
        diverged_at: Environment steps of this call after which learning was found to be
            non-finite; None where it was not.
        train_seconds: Time of its training, compilation apart.
        compile_seconds: Time that this member waited for compilation.
        statistics: Of its updates, by name, where they are tracked.
        params: Final parameters as NumPy arrays, where they were asked for.
        parts: What a further training needs, where it was asked for.
    """

    config_index: int
    seed_index: int
    status: MemberStatus
    returns: np.ndarray
    timesteps: np.ndarray
    diverged_at: int | None
    train_seconds: float
    compile_seconds: float
    statistics: Mapping[str, UpdateStatistic] | None
    params: Any | None
    parts: Mapping[str, Any] | None

    @property
    def id(self) -> MemberId:
        return MemberId(self.config_index, self.seed_index)


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
    """

    members_done: int
    members_total: int
    timesteps: int
    total_timesteps: int
    groups_done: int
    n_groups: int
    compiling: bool


class PopulationResult(NamedTuple):
    """What came of a population, in the order in which it was asked for.

    Attributes:
        returns: float32 ``[n_configs, n_seeds, n_eval_steps, n_eval_episodes]``; NaN
            where a member did not get to.
        status: ``"finished"``, ``"diverged"`` or, for members that were not trained or
            not to the end, ``"missing"``; ``[n_configs, n_seeds]``.
        members: Every member that ended, in order.
        interrupted: Whether it was stopped early.
        n_groups: Compiled training programs it needed.
        n_processes: Processes that trained, this one included.
        capacity: Rows of each member's replay buffer.
        compile_seconds: Time spent on compilation, added up over processes.
        train_seconds: Time spent on training, added up over processes.
        wall_seconds: From the call to the last result.
    """

    returns: np.ndarray
    status: np.ndarray
    members: tuple[MemberResult, ...]
    interrupted: bool
    n_groups: int
    n_processes: int
    capacity: int
    compile_seconds: float
    train_seconds: float
    wall_seconds: float
