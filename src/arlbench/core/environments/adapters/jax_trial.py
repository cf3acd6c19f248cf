"""Traces a reset and a step of a user's own compiled environment.

JAX's errors about code that cannot be compiled, and those that wrong kinds of values cause later,
name neither the environment nor what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
from gymnasium import spaces

from arlbench.core.environments.actions import action_shapes
from arlbench.core.environments.adapters.host_values import MisfitError
from arlbench.core.environments.adapters.jax_attributes import require_stateless, snapshot
from arlbench.core.environments.adapters.jax_values import (
    arrays,
    require_bool,
    require_equal,
    require_fitting,
    require_number,
)
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.faults import own_frames, raised_by
from arlbench.core.environments.vectorised import SingleStep, VectorisedEnvironment
from arlbench.errors import EnvironmentFaultError

_SINGLE_STEP = "return SingleStep(env_state, obs, reward, terminated, truncated)"
_TIMESTEP = "return env_state, (obs, reward, done, info)"
_INFO = ("terminated", "truncated", "final_observation")

# What JAX's errors mean, and what to write instead; the first that fits is used.
_UNCOMPILED: tuple[tuple[type[Exception], str, str], ...] = (
    (
        jax.errors.TracerBoolConversionError,
        "decides with a Python 'if', 'while', 'and', 'or' or 'not' on a value",
        "use jnp.where, jax.lax.cond or the operators &, | and ~",
    ),
    (
        jax.errors.NonConcreteBooleanIndexError,
        "selects rows with a mask",
        "use jnp.where, which keeps the shape",
    ),
    (
        jax.errors.TracerIntegerConversionError,
        "uses a value as a Python number, such as the index of a list,",
        "make the list an array of jax.numpy, or use jax.lax.fori_loop",
    ),
    (
        jax.errors.TracerArrayConversionError,
        "passes numpy or Python a value",
        "use jax.numpy instead of numpy",
    ),
    (
        jax.errors.ConcretizationTypeError,
        "needs the number in a value",
        "use .astype instead of int and float, and shapes that do not depend on values",
    ),
)


def try_out(name: str, env: Environment) -> None:
    """Checks the spaces, and the kinds of what a reset and a step return; compiles nothing.

    Args:
        name: The environment's name for people.
        env: The environment.

    Raises:
        EnvironmentFaultError: If they cannot be traced, or return values of wrong kinds.
    """
    try:
        _check_spaces(name, env)
        if isinstance(env, VectorisedEnvironment):
            _try_one(name, env)
        else:
            _try_all(name, env)
    except MisfitError as error:
        raise EnvironmentFaultError(f"{name} {error.what}; {error.cure}.") from None


def _check_spaces(name: str, env: Environment) -> None:
    for which in ("action_space", "observation_space"):
        try:
            space = getattr(env, which)
        except Exception as error:
            raise raised_by(name, f"in {which}", error) from None
        if not isinstance(space, spaces.Space):
            what = f"has a {type(space).__name__} as its {which}"
            raise MisfitError(what, "make it a space of gymnasium.spaces")


def _try_one(name: str, env: VectorisedEnvironment) -> None:
    key = jax.random.key(0)
    actions = action_shapes(env.action_space)
    begun = _traced(name, env, "reset_one", _begun("reset_one"), key)
    require_fitting(env.observation_space, begun[1])
    state, obs = _traced(name, env, "step_one", _single_step, begun[0], actions, key)
    # A step may return another precision than a reset in its state, which is then converted, but
    # not in its observation.
    require_equal("states", begun[0], state, any_precision=True)
    require_equal("observations", begun[1], obs)


def _try_all(name: str, env: Environment) -> None:
    key = jax.random.key(0)
    actions = action_shapes(env.action_space, env.n_envs)
    begun = _traced(name, env, "reset", _begun("reset"), key)
    require_fitting(env.observation_space, begun[1], n_batch_axes=1)
    check = _timestep(env.n_envs)
    state, obs, final = _traced(name, env, "step", check, begun[0], actions, key)
    require_equal("states", begun[0], state)
    require_equal("observations", begun[1], obs)
    require_equal("observations in info['final_observation']", begun[1], final)


def _traced(
    name: str, env: Environment, method: str, check: Callable[[Any], Any], *args: Any
) -> Any:
    """The shapes of what a method returns, after ``check``."""
    function, before = getattr(env, method), snapshot(env)
    try:
        shapes = jax.eval_shape(lambda *given: check(function(*given)), *args)
    except MisfitError:
        raise
    except Exception as error:
        for kind, what, cure in _UNCOMPILED:
            if isinstance(error, kind):
                sentence = (
                    f"{name} {what} that is known only when the compiled program runs (in "
                    f"{method}); {cure}."
                )
                raise EnvironmentFaultError("\n".join([sentence, *own_frames(error)])) from None
        raise raised_by(name, f"in {method}", error) from None
    require_stateless(env, before)
    return shapes


def _begun(method: str) -> Callable[[Any], Any]:
    """Checks the result of a reset."""

    def check(returned: Any) -> Any:
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            what = f"returned {_kind(returned)} from {method}, not a state and an observation"
            raise MisfitError(what, "end it with 'return env_state, obs'")
        return arrays(*returned)

    return check


def _single_step(returned: Any) -> Any:
    """The state and the observation in the result of ``step_one``."""
    if not isinstance(returned, SingleStep):
        what = f"returned {_kind(returned)} from step_one, not a SingleStep"
        raise MisfitError(what, _SINGLE_STEP)
    for field in ("reward", "terminated", "truncated"):
        require_number(field, getattr(returned, field), ())
    return arrays(returned.env_state, returned.obs)


def _timestep(n_envs: int) -> Callable[[Any], Any]:
    """Checks the result of a step of all copies; gives the state and both observations."""

    def check(returned: Any) -> Any:
        is_pair = isinstance(returned, tuple | list) and len(returned) == 2
        if not is_pair or not isinstance(returned[1], tuple | list) or len(returned[1]) != 4:
            what = f"returned {_kind(returned)} from step, not a state and a timestep"
            raise MisfitError(what, _TIMESTEP)
        state, (obs, reward, done, info) = returned
        missing = [key for key in _INFO if not isinstance(info, Mapping) or key not in info]
        if missing:
            what = f"returned an info without {', '.join(map(repr, missing))} from step"
            raise MisfitError(what, "return a dict with them")
        flags = {key: info[key] for key in _INFO[:2]}
        for field, value in {"reward": reward, "done": done, **flags}.items():
            require_number(field, value, (n_envs,))
        for field, value in {"done": done, **flags}.items():
            require_bool(field, value)
        return *arrays(state, obs), arrays((), info[_INFO[2]])[1]

    return check


def _kind(returned: Any) -> str:
    if returned is None:
        return "nothing"
    kind = type(returned).__name__
    is_sequence = isinstance(returned, tuple | list)
    return f"a {kind} of {len(returned)} values" if is_sequence else f"a {kind}"
