"""Tries a reset, a step and another reset, before anything is compiled for an environment."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.adapters.host_rows import Rows
from arlbench.core.environments.adapters.host_values import (
    MisfitError,
    first_observation,
    flag_of,
    parts_of_step,
    reward_of,
)
from arlbench.core.environments.faults import raised_by
from arlbench.core.observations import ACTION_MASK
from arlbench.errors import EnvironmentFaultError

_SEED = 0

T = TypeVar("T")


def try_out(name: str, env: gymnasium.Env) -> None:
    """Checks what a reset and a step return.

    Warns if the same seed does not begin the same episode.

    Args:
        name: The environment's name for people.
        env: A copy, which is at the start of an episode afterwards.

    Raises:
        EnvironmentFaultError: If they return wrong values, or raise an error.
    """
    rows = Rows(env.observation_space)

    def reset() -> tuple[list[np.ndarray], Any]:
        obs = first_observation(env.reset(seed=_SEED))
        return rows.of_one(obs), _action(env.action_space, obs)

    def step() -> None:
        obs, reward, terminated, truncated = parts_of_step(env.step(action))
        rows.of_one(obs)
        reward_of(reward)
        flag_of("terminated", terminated)
        flag_of("truncated", truncated)

    bare = env.unwrapped
    first, action = _tried(name, "at its first reset", reset, lambda: _check_reset(bare))
    _tried(name, "at its first step", step, lambda: parts_of_step(bare.step(action)))
    again, _ = _tried(name, "at its second reset", reset, lambda: _check_reset(bare))
    if not all(map(np.array_equal, first, again)):
        warnings.warn(
            f"{name} began two different episodes from the same seed, so runs cannot be "
            "reproduced; begin its reset with super().reset(seed=seed) and draw all randomness "
            "from self.np_random.",
            RuntimeWarning,
            stacklevel=2,
        )


def misfit(name: str, when: str, error: MisfitError) -> EnvironmentFaultError:
    """The error for wrong values from an environment."""
    return EnvironmentFaultError(f"{name} {error.what} {when}; {error.cure}.")


def _tried(name: str, when: str, call: Callable[[], T], explain: Callable[[], object]) -> T:
    """The result of a call; if it raises an error, ``explain`` finds the reason."""
    try:
        return call()
    except MisfitError as error:
        raise misfit(name, when, error) from None
    except (TypeError, ValueError) as error:
        # A wrapper of gymnasium may have failed because of wrong values from the environment.
        raise _explained(name, when, error, explain) from None
    except Exception as error:
        raise raised_by(name, when, error) from None


def _explained(
    name: str, when: str, error: Exception, explain: Callable[[], object]
) -> EnvironmentFaultError:
    try:
        explain()
    except MisfitError as found:
        return misfit(name, when, found)
    except Exception:  # most likely the same error
        pass
    return raised_by(name, when, error)


def _check_reset(bare: gymnasium.Env) -> None:
    """Raises if ``reset`` does not accept gymnasium's arguments, or returns wrong values."""
    parameters = inspect.signature(bare.reset).parameters.values()
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    missing = {"seed", "options"} - {p.name for p in parameters}
    if missing and not takes_all:
        names = " and ".join(repr(name) for name in sorted(missing, reverse=True))
        cure = (
            "write 'def reset(self, *, seed=None, options=None)' and begin it with "
            "super().reset(seed=seed)"
        )
        raise MisfitError(f"has a reset that does not accept {names}", cure)
    first_observation(bare.reset(seed=_SEED))


def _action(space: spaces.Space, obs: Any) -> Any:
    """Any action, but a legal one if the observation has a mask."""
    drawn = copy.deepcopy(space)
    drawn.seed(_SEED)
    mask = obs.get(ACTION_MASK) if isinstance(obs, Mapping) else None
    if mask is not None and isinstance(drawn, spaces.Discrete):
        return drawn.sample(mask=np.asarray(mask, np.int8))
    return drawn.sample()
