"""Entries in a list of environments."""

from __future__ import annotations

from typing import NamedTuple


class EnvListing(NamedTuple):
    """One environment in a list.

    Attributes:
        framework: The library that provides it.
        name: Its name there.
        observation: A description of its observation, for people.
        n_actions: The number of actions; None if they are not a finite set, or are unknown.
        time_limit: Steps until an episode is cut off; None if it never is.
        unusable: Why it cannot be used with any algorithm; None if it can.
        extra: The extra of arlbench that it needs in addition to its library; None if none.
        action_kind: The class of its action space, such as ``"Discrete"`` or ``"Box"``; None if
            it is unknown.
    """

    framework: str
    name: str
    observation: str = "?"
    n_actions: int | None = None
    time_limit: int | None = None
    unusable: str | None = None
    extra: str | None = None
    action_kind: str | None = None
