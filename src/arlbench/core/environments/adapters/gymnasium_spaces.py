"""What an agent must know about an environment, from gymnasium's spaces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from arlbench.core.environments.adapters import host_spaces
from arlbench.core.environments.adapters.adapting import Interface, unusable
from arlbench.core.environments.adapters.host_calls import Declared
from arlbench.errors import UnknownEnvironmentError


class Found(NamedTuple):
    """Facts about an environment, found by making it once.

    Attributes:
        interface: What an agent must know.
        declared: What the environment declares.
    """

    interface: Interface
    declared: Declared


def found_of(
    name: str, observations: spaces.Space, actions: spaces.Space, time_limit: int | None
) -> Found:
    """The facts about an environment with these spaces.

    Raises:
        UnknownEnvironmentError: If it cannot be used.
    """
    try:
        narrowed = host_spaces.narrowed(observations)
    except host_spaces.TooWideError as error:
        raise UnknownEnvironmentError(f"{name} cannot be used as it is: {error}.") from None
    except TypeError as error:
        raise unusable(name, str(error)) from None
    declared = Declared(observations, np.dtype(actions.dtype))
    return Found(Interface(actions_of(name, actions), narrowed, time_limit), declared)


def actions_of(name: str, space: spaces.Space) -> spaces.Space:
    """The space of actions as JAX arrays; a finite set of actions counts from 0.

    Raises:
        UnknownEnvironmentError: If no algorithm can choose them.
    """
    if isinstance(space, spaces.Discrete):
        return spaces.Discrete(int(space.n))
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        return host_spaces.narrowed(space)
    raise unusable(name, f"its actions are of the kind {type(space).__name__}")
