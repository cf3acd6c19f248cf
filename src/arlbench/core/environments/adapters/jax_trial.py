"""Traces a reset and a step of a user's own compiled environment.

JAX's errors about code that cannot be compiled, and those that wrong kinds of values cause later,
name neither the environment nor what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.actions import action_shapes
from arlbench.core.environments.adapters.host_values import MisfitError
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.faults import own_frames, raised_by
from arlbench.core.environments.vectorised import SingleStep, VectorisedEnvironment
from arlbench.errors import EnvironmentFaultError

_SINGLE_STEP = "return SingleStep(env_state, obs, reward, terminated, truncated)"
_TIMESTEP = "return env_state, (obs, reward, done, info)"
_LEAVES = (jax.Array, np.ndarray, np.generic, bool, int, float)
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
        _check_spaces(env)
        if isinstance(env, VectorisedEnvironment):
            _try_one(name, env)
        else:
            _try_all(name, env)
    except MisfitError as error:
        raise EnvironmentFaultError(f"{name} {error.what}; {error.cure}.") from None


def _check_spaces(env: Environment) -> None:
    for which in ("action_space", "observation_space"):
        space = getattr(env, which)
        if not isinstance(space, spaces.Space):
            what = f"has a {type(space).__name__} as its {which}"
            raise MisfitError(what, "make it a space of gymnasium.spaces")


def _try_one(name: str, env: VectorisedEnvironment) -> None:
    key = jax.random.key(0)
    actions = action_shapes(env.action_space)
    begun = _traced(name, "reset_one", env.reset_one, _begun("reset_one"), key)
    state, obs = _traced(name, "step_one", env.step_one, _single_step, begun[0], actions, key)
    # A step may return another precision than a reset in its state, which is then converted, but
    # not in its observation.
    _require_equal("states", begun[0], state, with_dtype=False)
    _require_equal("observations", begun[1], obs)


def _try_all(name: str, env: Environment) -> None:
    key = jax.random.key(0)
    actions = action_shapes(env.action_space, env.n_envs)
    begun = _traced(name, "reset", env.reset, _begun("reset"), key)
    check = _timestep(env.n_envs)
    state, obs = _traced(name, "step", env.step, check, begun[0], actions, key)
    _require_equal("states", begun[0], state)
    _require_equal("observations", begun[1], obs)


def _traced(
    name: str, method: str, function: Callable[..., Any], check: Callable[[Any], Any], *args: Any
) -> Any:
    """The shapes of what a method returns, after ``check``."""
    try:
        return jax.eval_shape(lambda *given: check(function(*given)), *args)
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


def _begun(method: str) -> Callable[[Any], Any]:
    """Checks the result of a reset."""

    def check(returned: Any) -> Any:
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            what = f"returned {_kind(returned)} from {method}, not a state and an observation"
            raise MisfitError(what, "end it with 'return env_state, obs'")
        return _arrays(*returned)

    return check


def _single_step(returned: Any) -> Any:
    """The state and the observation in the result of ``step_one``."""
    if not isinstance(returned, SingleStep):
        what = f"returned {_kind(returned)} from step_one, not a SingleStep"
        raise MisfitError(what, _SINGLE_STEP)
    for field in ("reward", "terminated", "truncated"):
        _require_shape(field, getattr(returned, field), ())
    return _arrays(returned.env_state, returned.obs)


def _timestep(n_envs: int) -> Callable[[Any], Any]:
    """Checks the result of a step of all copies."""

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
            _require_shape(field, value, (n_envs,))
        return _arrays(state, obs)

    return check


def _arrays(state: Any, obs: Any) -> tuple[Any, Any]:
    """Both, if they consist of arrays and numbers only."""
    for what, tree in (("state", state), ("observation", obs)):
        for leaf in jax.tree.leaves(tree):
            if not isinstance(leaf, _LEAVES):
                kind = type(leaf).__name__
                raise MisfitError(f"has a {kind} in its {what}", "use arrays of jax.numpy")
    return state, obs


def _require_shape(field: str, value: Any, shape: tuple[int, ...]) -> None:
    if jnp.shape(value) != shape:
        wanted = f"an array of the shape {shape}" if shape else "a scalar"
        cure = "return one value for each copy" if shape else f"use {field}[0] or sum it up"
        raise MisfitError(f"gave a {field} of the shape {jnp.shape(value)}, not {wanted}", cure)


def _require_equal(what: str, begun: Any, stepped: Any, with_dtype: bool = True) -> None:
    """Raises if a step returns a tree that cannot take the place of what a reset returns."""
    cure = "make them equal"
    structures: list[Any] = [jax.tree.structure(tree) for tree in (begun, stepped)]
    if structures[0] != structures[1]:
        raise MisfitError(
            f"returns {what} of another structure from a step than from a reset", cure
        )
    after = jax.tree.leaves(stepped)
    for (path, before), now in zip(jax.tree.leaves_with_path(begun), after, strict=True):
        if before.shape != now.shape or (with_dtype and before.dtype != now.dtype):
            where = jax.tree_util.keystr(path)
            difference = f"{_shown(now)} after a step, but {_shown(before)} after a reset"
            raise MisfitError(f"returns {what}{where and f' with {where} of'} {difference}", cure)


def _shown(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


def _kind(returned: Any) -> str:
    if returned is None:
        return "nothing"
    kind = type(returned).__name__
    is_sequence = isinstance(returned, tuple | list)
    return f"a {kind} of {len(returned)} values" if is_sequence else f"a {kind}"
