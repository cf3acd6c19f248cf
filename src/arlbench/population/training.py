"""Trains a population: every configuration with every seed."""

from __future__ import annotations

import functools
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ConfigSpace import Configuration

from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population import arguments
from arlbench.population import tasks as planning
from arlbench.population.batched import train_batched
from arlbench.population.break_even import prefers_cores
from arlbench.population.cores import train_on_cores
from arlbench.population.feeding import Feed, Feeder
from arlbench.population.handover import Handover
from arlbench.population.members import Keeping, MemberId, PopulationResult
from arlbench.population.placement import Placement
from arlbench.population.ray_cluster import cluster
from arlbench.population.ray_training import train_on_ray
from arlbench.population.saving import MemberSaving
from arlbench.population.state import PopulationState
from arlbench.population.tracking import Callbacks, OnMember, OnNotice, OnProgress, Tracker
from arlbench.population.variables import check_variables


def train_population(
    problem: Problem,
    configs: Sequence[Configuration | Mapping[str, Any]],
    seeds: Sequence[int] | Sequence[Sequence[int]],
    *,
    n_total_timesteps: int | float | Sequence[int | float] | None = None,
    n_eval_steps: int | Sequence[int] | None = None,
    timesteps_before: int | Sequence[int] | None = None,
    members: Collection[tuple[int, int]] | None = None,
    state: PopulationState | None = None,
    placement: Placement = "auto",
    init_options: Mapping[str, Any] | None = None,
    memory_limit_gib: float = 4.0,
    share_programs: bool = True,
    keep_params: bool = False,
    keep_state: bool = False,
    keep_parts: Collection[str] = (),
    saving: Mapping[MemberId, MemberSaving] | None = None,
    handovers: Mapping[MemberId, Handover] | None = None,
    feed: Feed | None = None,
    on_member: OnMember | None = None,
    on_progress: OnProgress | None = None,
    on_notice: OnNotice | None = None,
) -> PopulationResult:
    """Trains every configuration with every seed.

    After :func:`use_ray`, members train on the cores of a Ray cluster.

    On the CPU, every core trains one member after another, in its own process, which stays
    for the next call; see :func:`use_cores`. A member then equals, bit for bit, the single
    run of its configuration from ``jax.random.key(seed)`` with the result's
    ``init_options``. On accelerators, as many members as fit into memory are batched, and
    they agree with single runs up to rounding.

    Args:
        problem: The problem to train on.
        configs: Hyperparameters and architecture choices by name; those left out are taken
            from the problem. Configurations of equal structure share one compiled program.
        seeds: Whole numbers from 0 to 2**32 - 1, for all configurations or, as lists of
            equal length, for each of them.
        n_total_timesteps: Environment steps, one number for all or one for each
            configuration; None takes the problem's.
        n_eval_steps: Evaluations, one number for all or one for each configuration.
        timesteps_before: Budgets of earlier parts of the same runs, one number for all or one
            for each configuration; see ``Algorithm.train``.
        members: Which (configuration, seed) pairs of indices to train; None trains all.
        state: The state from which members continue; members that are not in it start new runs.
        placement: ``"sequential"`` trains members one after another in each process,
            ``"batched"`` many at a time in one program, and ``"cores"`` one after another on the
            CPU's cores, even if there is an accelerator. ``"auto"`` chooses: on accelerators it
            batches, unless members are so few that the cores are faster, or an environment
            steps in Python.
        init_options: Options of the algorithm's ``init``; sizes are increased if members need
            more.
        memory_limit_gib: Refuse configurations of which one member would need more memory; the
            problem's own option takes precedence.
        share_programs: Whether members that train one after another use one program if their
            algorithm can make one for several structures. It is made for the configurations
            of this call, so a later call with others compiles again. Set it to False if
            such calls follow.
        keep_params: Whether results hold the final parameters.
        keep_state: Whether results hold everything that further training needs; see
            :meth:`PopulationState.of`.
        keep_parts: Names of further parts of a checkpoint that results hold.
        saving: Members that save themselves, in the process that trains them, and continue
            from their newest checkpoint, as if they had not been interrupted.
        handovers: Members that continue from a state in a folder, or leave theirs in one,
            read and written by the process that trains them. ``init_options`` must reserve
            the room that the longest training from a state needs.
        feed: Called after each member that ends; returns configurations that join, with the
            seeds of the first configuration. Their indices follow those of ``configs``.
        on_member: Called with each member when it ends, possibly in another thread, but never
            with two members at the same time.
        on_progress: Called several times a second, in the same way; training stops early if
            it returns True. Unfinished members are then lost, except those that save
            themselves.
        on_notice: Receives sentences for the user, in the same way: that a checkpoint could
            not be written, or what differs when a member continues.

    Returns:
        All results in the order of ``configs`` and ``seeds``.

    Raises:
        ArlbenchError: If an argument is unknown or impossible.
        CheckpointError: If a member's newest checkpoint is damaged.
    """
    begin = time.perf_counter()
    check_variables()
    plain = arguments.plain(configs, problem)
    checked_seeds = arguments.seeds_of_each(seeds, len(plain))
    shape = (len(plain), len(checked_seeds[0]))
    savings, given = arguments.savings(saving), arguments.handovers(handovers)
    parts = arguments.parts_of(state)
    arguments.member_ids([*parts, *savings, *given], *shape)
    request = planning.Request(
        problem=problem,
        options={"memory_limit_gib": memory_limit_gib},
        placement=placement,
        on_cpu=_on_cpu(),
        prefers_cores=functools.partial(prefers_cores, train_population, on_notice, problem),
        members=None if members is None else arguments.member_ids(members, *shape),
        parts=parts,
        init_options=init_options,
        keeping=Keeping(keep_params, keep_state, tuple(keep_parts)),
        saving=savings,
        handovers=given,
        share_programs=share_programs,
    )
    each = zip(
        plain,
        checked_seeds,
        arguments.lengths_of_each(n_total_timesteps, n_eval_steps, len(plain), problem),
        arguments.timesteps_before_of_each(timesteps_before, len(plain)),
        strict=True,
    )
    trained = [planning.Trained(*of_one) for of_one in each]
    return _run(trained, request, Callbacks(on_member, on_progress, on_notice), feed, begin)


def _run(
    trained: Sequence[planning.Trained],
    request: planning.Request,
    callbacks: Callbacks,
    feed: Feed | None,
    begin: float,
) -> PopulationResult:
    """Trains the requested configurations, and those that join."""
    groups: planning.Groups = {}
    population = planning.plan(trained, request, groups=groups)
    seeds, n_configs = trained[0].seeds, len(trained)
    feeder = None
    if feed is not None:
        # Configurations that join are placed like the others.
        request = request._replace(
            init_options=population.init_options, placement=population.placement
        )
        feeder = Feeder(feed, seeds, request, groups, n_configs)
    tracker = Tracker(population.tasks, callbacks, None if feeder is None else feeder.tasks)
    n_processes = _train(population, tracker)
    tracker.raise_if_failed()
    shape = (n_configs if feeder is None else feeder.n_configs, len(seeds))
    return _in_order(shape, request, population, tracker, n_processes, time.perf_counter() - begin)


def _train(population: planning.Population, tracker: Tracker) -> int:
    """Trains all members; returns how many processes were used."""
    if population.placement != "batched":
        if (joined := cluster()) is not None:
            return train_on_ray(population.tasks, tracker, joined)
        return train_on_cores(population.tasks, tracker, population.placement == "cores")
    if cluster() is not None:
        raise ConfigurationError(
            "Members are not batched on a Ray cluster; leave placement out, or call leave_ray."
        )
    # On a CPU only one device, because batches over several devices have been seen to hang.
    devices, tasks = jax.local_devices()[: 1 if _on_cpu() else None], list(population.tasks)
    while tasks:
        train_batched(tasks, tracker, devices)
        tasks = tracker.take_joined()
    return 1


def _on_cpu() -> bool:
    # The nodes of a Ray cluster train on their CPUs, whatever this machine has.
    return cluster() is not None or jax.default_backend() == "cpu"


def _in_order(
    shape: tuple[int, int],
    request: planning.Request,
    population: planning.Population,
    tracker: Tracker,
    n_processes: int,
    wall_seconds: float,
) -> PopulationResult:
    problem = request.problem
    each = [task.lengths.n_eval_steps for task in population.tasks]
    each += [len(result.returns) for result in tracker.results.values()]
    evaluations = (max(each, default=problem.n_eval_steps), problem.n_eval_episodes)
    returns = np.full((*shape, *evaluations), np.nan, np.float32)
    status = np.full(shape, "missing", dtype="<U8")
    results = [tracker.results[member] for member in sorted(tracker.results)]
    for result in results:
        returns[result.id][: len(result.returns)] = result.returns
        status[result.id] = result.status
    return PopulationResult(
        returns=returns,
        status=status,
        members=tuple(results),
        interrupted=len(results) < tracker.n_members,
        n_groups=tracker.n_groups,
        n_processes=n_processes,
        init_options=population.init_options,
        has_states=request.keeping.state,
        compile_seconds=sum(result.compile_seconds for result in results),
        train_seconds=sum(result.train_seconds for result in results),
        wall_seconds=wall_seconds,
    )
