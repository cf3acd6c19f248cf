"""Makes members from configurations and seeds, grouped by their programs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.algorithms.harness.structure import Learning
from arlbench.core.checks import known_names
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population.break_even import workload_of
from arlbench.population.handover import Handover
from arlbench.population.members import Keeping, MemberId, MemberTask
from arlbench.population.placement import Placed, choose_placement
from arlbench.population.saving import MemberSaving
from arlbench.population.speeds import Workload


class Population(NamedTuple):
    """The members to train.

    Attributes:
        tasks: One task for each member.
        init_options: Options of ``Algorithm.init``, the same for all of them.
        placement: How they are distributed over processes and devices.
    """

    tasks: tuple[MemberTask, ...]
    init_options: Mapping[str, Any]
    placement: Placed


class Trained(NamedTuple):
    """The training that is requested for one configuration.

    Attributes:
        config: Hyperparameters, and architecture choices that vary, by name.
        seeds: Numbers from 0 to 2**32 - 1, ``[n_seeds]``.
        lengths: The lengths of each member's training.
        timesteps_before: See ``Algorithm.train``.
    """

    config: Mapping[str, Any]
    seeds: Sequence[int]
    lengths: Lengths
    timesteps_before: int | None


class Request(NamedTuple):
    """The arguments of ``train_population``, besides its configurations.

    Attributes:
        problem: The problem to train on.
        options: Options of the algorithm's class; those of the problem take precedence.
        placement: The placement that the caller asks for.
        on_cpu: Whether the default device is a CPU.
        prefers_cores: Whether members are faster on the cores than on an accelerator.
        members: The members to train; None trains all.
        parts: The parts from which members continue.
        init_options: Options of ``Algorithm.init`` that the caller asks for.
        keeping: What results keep of the final states.
        saving: How members save themselves.
        handovers: States in folders, from which members continue and which they leave.
        share_programs: Whether to make programs for all configurations of the call.
    """

    problem: Problem
    options: Mapping[str, Any]
    placement: str
    on_cpu: bool
    prefers_cores: Callable[[Workload], bool]
    members: Collection[MemberId] | None
    parts: Mapping[MemberId, Mapping[str, Any]]
    init_options: Mapping[str, Any] | None
    keeping: Keeping
    saving: Mapping[MemberId, MemberSaving]
    handovers: Mapping[MemberId, Handover]
    share_programs: bool = True


#: The numbers of programs, by what shapes them.
Groups = dict[Learning, int]


def plan(
    configs: Sequence[Trained], request: Request, first: int = 0, groups: Groups | None = None
) -> Population:
    """Every member to train.

    Args:
        configs: The training that is requested for each configuration.
        request: The other arguments of the call.
        first: The index of the first configuration.
        groups: Programs that are known already; new ones are added.

    Raises:
        ArlbenchError: If a configuration or the environment is impossible.
    """
    problem = request.problem
    own = {k: v for k, v in request.options.items() if k not in problem.options}
    options: list[dict[str, Any]] = [own] * len(configs)
    algorithms = _make_all(configs, own, problem, first)
    structures = [algorithm.structure for algorithm in algorithms]
    _check_parts(request.keeping, algorithms[0])
    totals = _totals(configs, algorithms, request, first)
    costs = [algorithm.cost(total) for algorithm, total in zip(algorithms, totals, strict=True)]
    placement = _placement(configs, algorithms, costs, request)
    reused = _reusable(algorithms, placement)
    # In a batch, every member would do the work of all batch sizes.
    if placement != "batched" and request.share_programs:
        options = [{**own, **more} for more in _options_to_share(algorithms, problem)]
        structures = _structures_with(options, configs, algorithms, problem)
    # The options suit all configurations, even if only some are trained, so that the rest of a
    # population has the same shapes.
    init_options = problem.algorithm_class.shared_init_options(
        algorithms, totals, list(request.parts.values()), request.init_options
    )
    known = _numbered(structures, {} if groups is None else groups)
    tasks = tuple(
        MemberTask(
            id=MemberId(first + i, j),
            seed=seed,
            problem=problem,
            config=of_one.config,
            options=options[i],
            lengths=of_one.lengths,
            timesteps_before=of_one.timesteps_before,
            group=known[structures[i]],
            cost=costs[i],
            total_timesteps=totals[i],
            init_options=init_options,
            parts=request.parts.get(MemberId(first + i, j)),
            keeping=request.keeping,
            saving=request.saving.get(MemberId(first + i, j)),
            handover=request.handovers.get(MemberId(first + i, j), Handover()),
            algorithm=reused[i],
        )
        for i, of_one in enumerate(configs)
        for j, seed in enumerate(of_one.seeds)
        if request.members is None or (i, j) in request.members
    )
    return Population(tasks, init_options, placement)


def _totals(
    configs: Sequence[Trained], algorithms: Sequence[Algorithm], request: Request, first: int
) -> list[int]:
    """Environment steps of each configuration's training, ``[n_configs]``.

    Raises:
        ConfigurationError: If a member would do more steps than it can count.
    """
    totals = []
    for i, (of_one, algorithm) in enumerate(zip(configs, algorithms, strict=True), first):
        members = (MemberId(i, j) for j in range(len(of_one.seeds)))
        begun = [request.parts[member] for member in members if member in request.parts]
        steps = max((int(parts.get("global_step", 0)) for parts in begun), default=0)
        done, before = steps * algorithm.env.n_envs, of_one.timesteps_before
        overshoot = 0 if before is None else done - before
        with _naming(i):
            planned = algorithm.plan(of_one.lengths, overshoot, done)
        # Cost and buffer are planned as if earlier calls had met their budgets exactly.
        whole = algorithm.plan(of_one.lengths) if overshoot else planned
        totals.append(whole.total_timesteps)
    return totals


def _numbered(structures: Sequence[Learning], groups: Groups) -> Groups:
    """The same groups, with a number for each new structure."""
    for structure in structures:
        groups.setdefault(structure, len(groups))
    return groups


def _reusable(algorithms: Sequence[Algorithm], placement: Placed) -> Sequence[Algorithm | None]:
    """The algorithms with which members can train; None where a member makes its own.

    All of them have the same environments, which must not have a state of their own.
    """
    is_shared = placement == "batched" and not algorithms[0].uses_host
    return algorithms if is_shared else [None] * len(algorithms)


def _placement(
    configs: Sequence[Trained],
    algorithms: Sequence[Algorithm],
    costs: Sequence[float],
    request: Request,
) -> Placed:
    """How members are distributed, before their tasks are made."""

    def prefers_cores() -> bool:
        each = [
            (algorithms[i], costs[i])
            for i, of_one in enumerate(configs)
            for j in range(len(of_one.seeds))
            if request.members is None or (i, j) in request.members
        ]
        return request.prefers_cores(workload_of(each))

    uses_host = algorithms[0].uses_host
    return choose_placement(request.placement, uses_host, request.on_cpu, prefers_cores)


def _make_all(
    configs: Sequence[Trained], options: Mapping[str, Any], problem: Problem, first: int
) -> list[Algorithm]:
    made: list[Algorithm] = []
    for i, of_one in enumerate(configs, first):
        made.append(_make(i, problem, of_one.config, options, made[0] if made else None))
    return made


def _make(
    index: int,
    problem: Problem,
    config: Mapping[str, Any],
    options: Mapping[str, Any],
    other: Algorithm | None,
) -> Algorithm:
    """An algorithm with the environments of another one, because planning does not step them."""
    environments = None if other is None else (other.env, other.eval_env)
    with _naming(index):
        return problem.make_algorithm(config, environments, **options)


@contextlib.contextmanager
def _naming(index: int) -> Iterator[None]:
    """Within this context, an impossible setting is reported with its configuration's index."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"Configuration {index}: {error}") from None


def _structures_with(
    options: Sequence[Mapping[str, Any]],
    configs: Sequence[Trained],
    algorithms: Sequence[Algorithm],
    problem: Problem,
) -> list[Learning]:
    """The algorithms' structures with these options; one algorithm of each kind is made again."""
    kinds = [(a.structure, repr(own)) for a, own in zip(algorithms, options, strict=True)]
    made: dict[Any, Learning] = {}
    for i, kind in enumerate(kinds):
        if kind not in made:
            again = _make(i, problem, configs[i].config, options[i], algorithms[0])
            made[kind] = again.structure
    return [made[kind] for kind in kinds]


def _options_to_share(algorithms: Sequence[Algorithm], problem: Problem) -> list[dict[str, Any]]:
    """Options for as few programs as possible; the options of the problem take precedence."""
    shared = problem.algorithm_class.options_to_share(algorithms)
    return [{k: v for k, v in of_one.items() if k not in problem.options} for of_one in shared]


def _check_parts(keeping: Keeping, algorithm: Algorithm) -> None:
    params = ["params"] if keeping.params else []
    known_names([*params, *keeping.parts], algorithm.checkpoint_template(), "part of a checkpoint")
