"""Checks the arguments of a population, and converts them to one form."""

from __future__ import annotations

import collections
import operator
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ConfigSpace import Configuration

from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.checks import known_names, positive_whole, seed_in_range
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population.handover import Handover
from arlbench.population.members import MemberId
from arlbench.population.saving import MemberSaving
from arlbench.population.state import PopulationState


def plain(
    configs: Sequence[Configuration | Mapping[str, Any]], problem: Problem
) -> list[dict[str, Any]]:
    """The configurations as dicts, after checking their names."""
    each = [_plain(config) for config in non_empty("configs", configs)]
    known = problem.declarations
    for index, config in enumerate(each):
        known_names(config, known, f"entry of configuration {index}")
    return each


def _plain(config: Configuration | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(config, Mapping):
        raise ConfigurationError(
            f"configs must hold configurations or mappings, not a {type(config).__name__}."
        )
    return dict(config)


def non_empty(name: str, given: Sequence[Any]) -> Sequence[Any]:
    """Returns what was given, after checking that it has entries."""
    if not hasattr(given, "__len__"):
        raise ConfigurationError(f"{name} must be a list, not {given!r}.")
    if len(given) == 0:
        raise ConfigurationError(f"{name} is empty; give at least one.")
    return given


def seeds_in_range(seeds: Sequence[int]) -> list[int]:
    """The seeds, after checking that random keys can be made from them."""
    return [seed_in_range(seed) for seed in non_empty("seeds", seeds)]


def seeds_of_each(
    seeds: Sequence[int] | Sequence[Sequence[int]], n_configs: int
) -> list[list[int]]:
    """Seeds for each configuration, ``[n_configs, n_seeds]``."""
    if not isinstance(non_empty("seeds", seeds)[0], (Sequence, np.ndarray)):
        return [seeds_in_range(seeds)] * n_configs  # type: ignore[arg-type]
    each = [seeds_in_range(of_one) for of_one in seeds]  # type: ignore[arg-type]
    if len(each) != n_configs or len({len(of_one) for of_one in each}) > 1:
        raise ConfigurationError(
            f"seeds has {len(each)} lists for {n_configs} configurations; give one for each, all "
            "of one length, or a single list for all."
        )
    return each


def lengths_of_each(
    given: int | float | Sequence[int | float] | None,
    evaluations: int | Sequence[int] | None,
    n_configs: int,
    problem: Problem,
) -> list[Lengths]:
    """The lengths of each configuration's training, ``[n_configs]``; None takes the problem's."""
    total = problem.n_total_timesteps if given is None else given
    n_eval_steps = problem.n_eval_steps if evaluations is None else evaluations
    n_eval_episodes, horizon = problem.n_eval_episodes, problem.schedule_timesteps
    each = zip(
        _one_for_each("n_total_timesteps", total, n_configs),
        _one_for_each("n_eval_steps", n_eval_steps, n_configs),
        strict=True,
    )
    return [Lengths.checked(*of_one, n_eval_episodes, horizon) for of_one in each]


def timesteps_before_of_each(given: int | Sequence[int] | None, n_configs: int) -> list[int | None]:
    """Budgets of earlier parts of each configuration's run, ``[n_configs]``; None without any."""
    if given is None:
        return [None] * n_configs
    name = "timesteps_before"
    each = _one_for_each(name, given, n_configs)
    return [0 if timesteps == 0 else positive_whole(name, timesteps) for timesteps in each]


def _one_for_each(name: str, given: Any, n_configs: int) -> list[Any]:
    each = list(given) if isinstance(given, (Sequence, np.ndarray)) else [given] * n_configs
    if len(each) != n_configs:
        raise ConfigurationError(
            f"{name} has {len(each)} entries for {n_configs} configurations; give one for each, "
            "or a single number."
        )
    return each


def member_ids(given: Collection[tuple[int, int]], n_configs: int, n_seeds: int) -> set[MemberId]:
    """The members with these pairs of indices, after checking that they exist."""
    members = set(map(_member_id, given))
    for i, j in members:
        if not (0 <= i < n_configs and 0 <= j < n_seeds):
            raise ConfigurationError(
                f"The member {(i, j)} does not exist: the population has {n_configs} "
                f"configurations and {n_seeds} seeds, counted from 0."
            )
    return members


def _member_id(pair: Any) -> MemberId:
    """The member with this pair of indices."""
    try:
        i, j = map(operator.index, pair)
    except (TypeError, ValueError):
        raise ConfigurationError(
            "A member is named by the indices of its configuration and of its seed, such as "
            f"(0, 2), not by {pair!r}."
        ) from None
    return MemberId(i, j)


def _by_member(name: str, given: Mapping[Any, Any] | None, kind: type) -> dict[MemberId, Any]:
    """The argument of this name by member, after checking that its values are of this kind."""
    each = {_member_id(member): one for member, one in (given or {}).items()}
    for one in each.values():
        if not isinstance(one, kind):
            raise ConfigurationError(
                f"{name} must have a {kind.__name__} for each of its members, not {one!r}."
            )
    return each


def handovers(given: Mapping[MemberId, Handover] | None) -> dict[MemberId, Handover]:
    """The states in folders by member, after checking that each folder is for one state.

    Raises:
        ConfigurationError: If two members would leave their states in the same folder, or if one
            would take over a network without a state.
    """
    each = _by_member("handovers", given, Handover)
    for member, one in each.items():
        if one.network is not None and one.begin is None:
            raise ConfigurationError(
                f"The member {tuple(member)} would take over the network in {one.network}, but has "
                "no state to begin from; give its handover a begin."
            )
    ends = collections.Counter(Path(one.end) for one in each.values() if one.end is not None)
    for folder, n in ends.items():
        if n > 1:
            raise ConfigurationError(
                f"{n} members would leave their states in {folder}; give each its own folder."
            )
    return each


def parts_of(state: PopulationState | None) -> Mapping[MemberId, Mapping[str, Any]]:
    """The parts from which members continue; none without a state."""
    if state is None:
        return {}
    if not isinstance(state, PopulationState):
        raise ConfigurationError(
            "state must be a PopulationState, as PopulationState.of(result) returns, not a "
            f"{type(state).__name__}."
        )
    return state.parts


def savings(given: Mapping[MemberId, MemberSaving] | None) -> dict[MemberId, MemberSaving]:
    """How members save themselves, after checking that each has its own folder."""
    of_members = _by_member("saving", given, MemberSaving)
    each = {member: saving.checked() for member, saving in of_members.items()}
    for folder, n in collections.Counter(saving.folder for saving in each.values()).items():
        if n > 1:
            raise ConfigurationError(
                f"{n} members would save themselves in {folder}; give each its own folder."
            )
    return each
