"""Calls and spaces that are compatible with arlbench 0.1.3."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
from gymnasium import spaces

from arlbench.core.environments.actions import uniform_actions
from arlbench.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")

# The parameter names of arlbench 0.1.3, and their order after the first two.
_NAMES = {"env_framework": "framework", "env_name": "name"}
_ORDER = ("cnn_policy", "n_envs", "seed", "env_kwargs")
_N_LEADING = len(_NAMES)


def published_calls(make: Callable[P, R]) -> Callable[P, R]:
    """Lets a function be called with the parameter names and the order of arlbench 0.1.3.

    The number of copies is never a bool, so a bool as the third argument is ``cnn_policy``.
    """

    @functools.wraps(make)
    def called(*args: Any, **kwargs: Any) -> R:
        given = list(kwargs.items())
        if len(args) > _N_LEADING and isinstance(args[_N_LEADING], bool):
            args, rest = args[:_N_LEADING], args[_N_LEADING:]
            if len(rest) > len(_ORDER):
                raise ConfigurationError(
                    f"{_N_LEADING + len(rest)} arguments were given, but the order of arlbench "
                    f"0.1.3 has six: env_framework, env_name, {', '.join(_ORDER)}."
                )
            given += zip(_ORDER, rest, strict=False)
        by_name: dict[str, Any] = {}
        for given_name, value in given:
            name = _NAMES.get(given_name, given_name)
            if name in by_name:
                raise ConfigurationError(f"{name} is given twice; keep one of them.")
            by_name[name] = value
        if len(args) + len(by_name.keys() & set(_NAMES.values())) < _N_LEADING:
            raise ConfigurationError(
                "An environment needs a framework and a name, as in make_env('gymnax', "
                "'CartPole-v1'); 'arlbench envs' lists both."
            )
        return make(*args, **by_name)

    return called


class Discrete(spaces.Discrete):
    """A finite set of actions that can also be sampled with a JAX random key.

    ``sample(key)`` is traceable; without a key, it samples like gymnasium.
    """

    def sample(self, mask: Any = None, *further: Any, rng: Any = None, **named: Any) -> Any:
        """One action from this key, int32 ``[]``; without a key, like gymnasium."""
        key = mask if isinstance(mask, jax.Array) else rng
        if key is None:
            return super().sample(mask, *further, **named)
        return uniform_actions(self, 1, key)[0]

    @classmethod
    def of(cls, space: spaces.Space) -> spaces.Space:
        """The same space; if it is Discrete, it can be sampled with keys too."""
        if type(space) is not spaces.Discrete:
            return space
        return cls(int(space.n), start=int(space.start))
