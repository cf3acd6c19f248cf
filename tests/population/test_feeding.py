"""Configurations that join a population while it trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from arlbench.errors import ConfigurationError
from arlbench.population.feeding import Addition
from small_populations import PRIORITISED, SEEDS, SLOW, TIMESTEPS, UNIFORM, train


def giving(*rounds: Sequence[Addition]) -> Callable[[], Sequence[Addition]]:
    """A feed that gives these, one round after each member that ends."""
    left = list(rounds)
    return lambda: left.pop(0) if left else ()


def whole(config: dict[str, Any]) -> Addition:
    return Addition(config, TIMESTEPS, 2)


@pytest.mark.thorough
@pytest.mark.parametrize("placement", ["sequential", "batched"])
def test_what_joins_trains_as_if_it_had_been_there(placement) -> None:
    at_once = train([UNIFORM, PRIORITISED, SLOW], placement=placement)
    feed = giving([], [whole(PRIORITISED)], [], [whole(SLOW)])
    fed = train([UNIFORM], feed=feed, placement=placement)
    assert fed.returns.shape == at_once.returns.shape
    np.testing.assert_array_equal(fed.returns, at_once.returns)
    assert not fed.interrupted
    assert len(fed.members) == 3 * len(SEEDS)


def test_nobody_waits_for_one_that_takes_long(two_processes) -> None:
    seen: list[int] = []
    feed = giving(*[[Addition(SLOW, TIMESTEPS, 2)]] * 6)
    fed = train(
        [UNIFORM, SLOW],
        [3],
        n_total_timesteps=[60 * TIMESTEPS, TIMESTEPS],
        n_eval_steps=[2, 2],
        feed=feed,
        on_member=lambda member: seen.append(member.config_index),
    )
    assert len(fed.members) == 8
    # Several had joined and ended before the first did.
    assert seen.index(0) > 3


def test_programs_of_those_that_join_are_counted() -> None:
    seen: list[Any] = []
    feed = giving([whole(PRIORITISED)])
    fed = train([UNIFORM], [3], feed=feed, on_progress=seen.append)
    assert fed.n_groups == seen[-1].n_groups == seen[-1].groups_done == 2
    assert seen[0].n_groups == 1


def test_progress_counts_those_that_join() -> None:
    seen: list[Any] = []
    train([UNIFORM], [3], feed=giving([whole(SLOW)]), on_progress=seen.append)
    assert (seen[0].members_total, seen[-1].members_total) == (1, 2)
    assert seen[-1].members_done == 2
    assert seen[-1].timesteps == seen[-1].total_timesteps == 2 * TIMESTEPS


def test_an_error_of_the_feed_is_the_callers(two_processes) -> None:
    def fail() -> Any:
        raise ZeroDivisionError("nothing to give")

    with pytest.raises(ZeroDivisionError, match="nothing to give"):
        train([UNIFORM, SLOW], feed=fail)
    with pytest.raises(ConfigurationError, match="Did you mean 'learning_rate'"):
        train([UNIFORM], feed=giving([whole({"learning_rte": 1.0})]))
    with pytest.raises(ConfigurationError, match="Configuration 1: gamma must be"):
        train([UNIFORM], feed=giving([whole({"gamma": 2.0})]))


def test_a_population_that_is_stopped_takes_nobody_in() -> None:
    fed = train([UNIFORM], [3], feed=giving([whole(SLOW)] * 3), on_progress=lambda p: True)
    assert fed.interrupted
    assert len(fed.members) <= 1
