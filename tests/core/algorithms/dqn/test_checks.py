"""Whether DQN can learn in an environment, both in a list and in one that was made."""

from __future__ import annotations

from typing import Any

import pytest
from gymnasium import spaces

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.environments import EnvListing, list_environments, make_env
from arlbench.errors import UnknownEnvironmentError
from probes import OneStep


@pytest.mark.parametrize(
    ("listing", "reason"),
    [
        (EnvListing("a", "one", n_actions=2, action_kind="Discrete"), None),
        (EnvListing("a", "one", n_actions=2), None),
        (EnvListing("a", "one"), None),
        (EnvListing("a", "one", action_kind="Box"), "continuous actions"),
        (EnvListing("a", "one", action_kind="MultiDiscrete"), "consists of several choices"),
        (EnvListing("a", "one", action_kind="Text"), "actions of the kind Text"),
    ],
)
def test_a_list_is_enough_to_know_where_it_cannot_learn(
    listing: EnvListing, reason: str | None
) -> None:
    found = DQN.cannot_learn(listing)
    assert found is None if reason is None else reason in str(found)
    assert Algorithm.cannot_learn(listing) is None


def test_a_usable_gymnax_environment_is_made_and_judged_as_it_is_listed() -> None:
    listings = [x for x in list_environments() if x.framework == "gymnax" and not x.unusable]
    refused = {listing.name for listing in listings if DQN.cannot_learn(listing)}
    assert "Pendulum-v1" in refused
    for name in refused:
        with pytest.raises(UnknownEnvironmentError, match=rf"{name} \(continuous actions\)"):
            DQN(None, make_env("gymnax", name))


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (spaces.Box(-1, 1, (1,)), "continuous actions"),
        (spaces.MultiBinary(2), "several choices"),
        (spaces.Text(3), "actions of the kind Text"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_other_actions_are_refused_with_the_kind_and_a_cure(space: Any, words: str) -> None:
    class Other(OneStep):
        action_space = space

    with pytest.raises(
        UnknownEnvironmentError, match=rf"DQN cannot learn in .*{words}.*another environment"
    ):
        DQN(None, Other())
