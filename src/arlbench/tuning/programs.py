"""The options that the trials of a study share, so that one compilation serves all of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from arlbench.core.problem import Problem
from arlbench.experiments.drawing import distinct
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.space import Choices
from arlbench.experiments.training import check
from arlbench.tuning.space import Config, Space

# With more combinations of choices than this, each choice is tried alone. Programs that this does
# not cover are shared only by the trials that train together.
_MOST_COMBINATIONS = 128


class Shared(NamedTuple):
    """The part that all trials of a study have in common.

    Attributes:
        problem: The problem, with the options that let one program serve many trials.
        init_options: Options of ``Algorithm.init``: room for the largest fidelity.
    """

    problem: Problem
    init_options: Mapping[str, Any]


def shared_by_all(space: Space, horizon: int, memory_limit_gib: float) -> Shared:
    """The problem and options that serve every configuration of a space.

    Args:
        space: Where to search.
        horizon: Environment steps over which the schedules of all trials run.
        memory_limit_gib: The memory limit of each member.

    Raises:
        ArlbenchError: If the environment does not exist, the algorithm cannot learn in it, no
            configuration would learn anything, or a trial does not fit in memory.
    """
    problem = space.problem.replace(schedule_timesteps=horizon)
    configs = list(corners(space))
    check(Experiment(problem, tuple(configs), (0,)), memory_limit_gib)
    own = {"memory_limit_gib": memory_limit_gib, **problem.options}
    algorithms = [problem.make_algorithm(config, **own) for config in configs]
    kind = problem.algorithm_class
    totals = [problem.n_total_timesteps] * len(algorithms)
    init_options = kind.shared_init_options(algorithms, totals)
    first, *others = kind.options_to_share(algorithms)
    same = all(other == first for other in others)
    options = {**first, **problem.options} if same else problem.options
    return Shared(problem.replace(options=_plain(options)), init_options)


def corners(space: Space) -> Iterator[Config]:
    """Configurations that together contain everything that shapes programs: the combinations of
    choices, and both ends of every range."""
    choices = {name: w.values for name, w in space.varied.items() if isinstance(w, Choices)}
    base = space.point_of(space.complete({}))
    inside = space.choice(space.at(base))
    found = itertools.chain(_combined(choices), _ends(space))
    yield from distinct(space.complete({**inside, **config}) for config in found)


def _combined(choices: Mapping[str, tuple[Any, ...]]) -> Iterator[Config]:
    if math.prod(map(len, choices.values())) > _MOST_COMBINATIONS:
        for name, values in choices.items():
            yield from ({name: value} for value in values)
        return
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def _ends(space: Space) -> Iterator[Config]:
    for name, where in space.varied.items():
        if not isinstance(where, Choices):
            for end in (where.low, where.high):
                yield {**_parents(space, name), name: end}


def _parents(space: Space, name: str) -> Config:
    """The values of other hyperparameters at which a hyperparameter is active."""
    condition = space.conditions.get(name)
    if condition is None:
        return {}
    return {**_parents(space, condition.name), condition.name: condition.value}


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with tuples as lists, as in files."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}
