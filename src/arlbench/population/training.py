"""Training a population: every configuration with every seed."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np
from ConfigSpace import Configuration

from arlbench.core.checks import positive_whole
from arlbench.core.environments import EnvSpec, evaluation_spec
from arlbench.errors import ConfigurationError
from arlbench.population import checks
from arlbench.population import tasks as planning
from arlbench.population.batched import train_batched
from arlbench.population.cores import train_on_cores
from arlbench.population.members import MemberId, PopulationResult
from arlbench.population.state import PopulationState
from arlbench.population.tracking import OnMember, OnProgress, Tracker

Placement = Literal["auto", "mapped", "batched"]


def train_population(
    env_spec: EnvSpec,
    configs: Sequence[Configuration | Mapping[str, Any]],
    seeds: Sequence[int] | Sequence[Sequence[int]],
    *,
    n_total_timesteps: int | float | Sequence[int | float],
    n_eval_steps: int = 10,
    n_eval_episodes: int = 10,
    eval_env_spec: EnvSpec | None = None,
    nas_config: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    schedule_timesteps: int | float | None = None,
    members: Collection[tuple[int, int]] | None = None,
    state: PopulationState | None = None,
    algorithm: str = "dqn",
    placement: Placement = "auto",
    capacity: int | None = None,
    memory_limit_gib: float = 4.0,
    keep_params: bool = False,
    keep_state: bool = False,
    on_member: OnMember | None = None,
    on_progress: OnProgress | None = None,
) -> PopulationResult:
    """Trains every configuration with every seed.

    On the CPU every core trains one member after another, each in a process of its own
    that stays for the next call; see :func:`use_cores`. A member is then, bit for bit,
    the single run of its configuration from ``jax.random.key(seed)`` with a buffer of
    ``capacity`` rows. On accelerators members are batched, as many as fit into memory,
    and agree with single runs up to rounding.

    Args:
        env_spec: Where to learn.
        configs: Hyperparameters by name, and architecture choices where they vary;
            what one leaves out takes its default. Those that agree in network and kind of
            replay share one compiled program; where they are batched, in batch size too.
        seeds: Whole numbers from 0 to 2**32 - 1, for all configurations or, as lists of
            equal length, for each of them.
        n_total_timesteps: Environment steps, for all or one a configuration.
        n_eval_steps: Evaluations of each member, at equal distances.
        n_eval_episodes: Episodes of each evaluation.
        eval_env_spec: Where to evaluate; ``evaluation_spec(env_spec)`` where None.
        nas_config: Architecture of the configurations that do not say.
        options: Further settings of the algorithm, such as ``deterministic_eval``. Give
            ``batch_sizes`` where calls with other batch sizes follow: a program is made
            for those of one call.
        schedule_timesteps: Horizon of the exploration schedule; see ``DQN.train``.
        members: Which (configuration, seed) pairs of indices to train; None trains all.
        state: Where members go on from; those that are not in it begin.
        algorithm: What they learn by.
        placement: ``"mapped"`` trains members one after another, ``"batched"`` many at a
            time as one program; ``"auto"`` maps on a CPU and wherever an environment steps
            in Python, and batches on accelerators.
        capacity: Rows of each replay buffer, but no fewer than the largest member needs;
            None takes these, and at least 8 MiB so that small populations share programs.
        memory_limit_gib: Refuse members that would take more, each.
        keep_params: Whether results hold the final parameters.
        keep_state: Whether results hold all that a further training needs; see
            :meth:`PopulationState.of`.
        on_member: Called with each member that ends, in the order in which they do,
            possibly in another thread, one call at a time.
        on_progress: Called several times a second, in the same way; training stops
            early where it returns True. Members under way are lost then.

    Returns:
        Everything in the order of ``configs`` and ``seeds``.

    Raises:
        ArlbenchError: If something that was given is unknown or impossible.
    """
    begin = time.perf_counter()
    request = planning.Request(
        algorithm=algorithm,
        env_spec=env_spec,
        eval_env_spec=evaluation_spec(env_spec) if eval_env_spec is None else eval_env_spec,
        nas_config=nas_config or {},
        options={
            "memory_limit_gib": memory_limit_gib,
            "cnn_policy": env_spec.cnn_policy,
            **(options or {}),
        },
        n_eval_steps=positive_whole("n_eval_steps", n_eval_steps),
        n_eval_episodes=positive_whole("n_eval_episodes", n_eval_episodes),
        schedule_timesteps=checks.whole_or_none("schedule_timesteps", schedule_timesteps),
        members=None if members is None else {MemberId(*pair) for pair in members},
        parts={} if state is None else state.parts,
        capacity=checks.whole_or_none("capacity", capacity),
        keep_params=keep_params,
        keep_state=keep_state,
        # In a batch every member would do the updates of all batch sizes.
        share_programs=placement == "mapped" or (placement == "auto" and _on_cpu()),
    )
    plain = [checks.plain(config) for config in checks.non_empty("configs", configs)]
    checked_seeds = checks.seeds_of_each(seeds, len(plain))
    timesteps = checks.timesteps_of_each(n_total_timesteps, len(plain))
    population = planning.plan(plain, checked_seeds, timesteps, request)
    tracker = Tracker(population.tasks, on_member, on_progress)
    n_processes = _train(population, tracker, placement)
    tracker.raise_if_failed()
    shape = (len(plain), len(checked_seeds[0]))
    return _in_order(shape, request, population, tracker, n_processes, time.perf_counter() - begin)


def _train(population: planning.Population, tracker: Tracker, placement: Placement) -> int:
    """Trains all members; returns how many processes did."""
    if placement not in {"auto", "mapped", "batched"}:
        raise ConfigurationError(
            f"placement must be 'auto', 'mapped' or 'batched', not {placement!r}."
        )
    if placement == "batched" and population.uses_host:
        raise ConfigurationError(
            "Members cannot be batched where an environment steps in Python; leave placement out."
        )
    one_by_one = _on_cpu() or population.uses_host
    if placement == "mapped" or (placement == "auto" and one_by_one):
        return train_on_cores(population.tasks, tracker)
    # On a CPU one device: batches over several have been seen to hang.
    train_batched(population.tasks, tracker, jax.local_devices()[: 1 if _on_cpu() else None])
    return 1


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


def _in_order(
    shape: tuple[int, int],
    request: planning.Request,
    population: planning.Population,
    tracker: Tracker,
    n_processes: int,
    wall_seconds: float,
) -> PopulationResult:
    returns = np.full((*shape, request.n_eval_steps, request.n_eval_episodes), np.nan, np.float32)
    status = np.full(shape, "missing", dtype="<U8")
    results = [tracker.results[member] for member in sorted(tracker.results)]
    for result in results:
        returns[result.id] = result.returns
        status[result.id] = result.status
    return PopulationResult(
        returns=returns,
        status=status,
        members=tuple(results),
        interrupted=len(results) < len(population.tasks),
        n_groups=population.n_groups,
        n_processes=n_processes,
        capacity=population.capacity,
        compile_seconds=sum(result.compile_seconds for result in results),
        train_seconds=sum(result.train_seconds for result in results),
        wall_seconds=wall_seconds,
    )
