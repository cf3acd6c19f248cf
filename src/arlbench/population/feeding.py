"""Configurations that join a population while it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.checks import positive_whole
from arlbench.population.handover import Handover
from arlbench.population.members import MemberId, MemberTask
from arlbench.population.tasks import Groups, Request, Trained, plan


class Addition(NamedTuple):
    """A configuration that joins, with as many seeds as the others.

    Attributes:
        config: Hyperparameters and architecture choices by name.
        n_total_timesteps: Environment steps of its members.
        n_eval_steps: Their evaluations.
        timesteps_before: The budget of the earlier parts of the same runs.
        handovers: The handover of each seed's member, ``[n_seeds]``; empty if states are neither
            read nor left.
    """

    config: Mapping[str, Any]
    n_total_timesteps: int
    n_eval_steps: int
    timesteps_before: int = 0
    handovers: tuple[Handover, ...] = ()


#: Called after each member that ends, but never at the same time as the caller's other functions;
#: returns the configurations that join.
Feed = Callable[[], Sequence[Addition]]


class Feeder:
    """Makes tasks from the configurations that join.

    Args:
        feed: Returns the configurations that join.
        seeds: The seeds of each configuration.
        request: The arguments with which the population was called.
        groups: The population's programs; new ones are added.
        n_configs: The number of configurations with which the population began.

    Attributes:
        n_configs: The number of configurations by now.
    """

    def __init__(
        self, feed: Feed, seeds: Sequence[int], request: Request, groups: Groups, n_configs: int
    ) -> None:
        self.n_configs = n_configs
        self._feed = feed
        self._seeds = seeds
        self._request = request._replace(members=None, parts={}, saving={})
        self._groups = groups

    def tasks(self) -> tuple[MemberTask, ...]:
        """The members of the configurations that join now; empty if none does."""
        additions = list(self._feed())
        if not additions:
            return ()
        first, self.n_configs = self.n_configs, self.n_configs + len(additions)
        handovers = {
            MemberId(first + i, j): handover
            for i, addition in enumerate(additions)
            for j, handover in enumerate(addition.handovers)
        }
        request = self._request._replace(handovers=handovers)
        trained = [self._trained(addition) for addition in additions]
        return plan(trained, request, first, self._groups).tasks

    def _trained(self, addition: Addition) -> Trained:
        problem = self._request.problem
        lengths = Lengths.checked(
            positive_whole("n_total_timesteps", addition.n_total_timesteps),
            addition.n_eval_steps,
            problem.n_eval_episodes,
            problem.schedule_timesteps,
        )
        return Trained(dict(addition.config), self._seeds, lengths, addition.timesteps_before)
