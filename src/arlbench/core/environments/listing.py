"""What a list of environments says of each."""

from __future__ import annotations

from typing import NamedTuple


class EnvListing(NamedTuple):
    """One environment in a list.

    Attributes:
        framework: The library that provides it.
        name: Its name there.
        observation: Its observation, for people.
        n_actions: The number of actions; None where they are not a finite set that is counted,
            or nothing is known of them.
        time_limit: Steps until an episode is cut off, None where it never is.
        unusable: Why it cannot be used, whatever the algorithm; None where it can.
        extra: This package's extra that it needs where its library is not enough.
        action_kind: The class of its action space, such as ``"Discrete"`` or ``"Box"``; None
            where nothing is known of it.
    """

    framework: str
    name: str
    observation: str = "?"
    n_actions: int | None = None
    time_limit: int | None = None
    unusable: str | None = None
    extra: str | None = None
    action_kind: str | None = None
