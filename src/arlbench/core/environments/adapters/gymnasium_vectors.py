"""Gymnasium's own vector environments, whose copies step together.

The modes SAME_STEP and DISABLED are accepted, because in them every step is a transition. In
DISABLED, each episode begins with its own seed, so results are those of single copies. NEXT_STEP
is refused: the step after the end of an episode only resets that copy.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv, VectorWrapper

from arlbench.core.environments.adapters.copies import ENV_WORKERS, VECTORIZATION_MODE
from arlbench.core.environments.adapters.host_batches import Batch, BatchStep, death
from arlbench.core.environments.adapters.host_values import (
    MisfitError,
    first_observation,
    parts_of_step,
)
from arlbench.core.environments.adapters.recipes import Recipe
from arlbench.errors import ConfigurationError

# Modes of gymnasium.make_vec. "async" would fork this process, in which JAX has threads.
_SYNC = "sync"
_MODES = (_SYNC, "vector_entry_point")


class VectorBatch(Batch):
    """A vector environment.

    Args:
        env: The vector environment.
        name: Its name for people.
        is_the_users: Whether the user made it, and so closes it.
    """

    def __init__(self, env: VectorEnv, name: str, is_the_users: bool = False) -> None:
        self.env = env
        self._name = name
        self._is_the_users = is_the_users
        self._takes_one_seed: bool | None = None
        self._resets = checked_mode(env, name) is AutoresetMode.DISABLED

    def reset(self, seeds: np.ndarray) -> Any:
        return self._begun(seeds)

    def step(self, actions: np.ndarray, seeds: np.ndarray) -> BatchStep:
        outcome = self._called(lambda: self.env.step(actions))
        obs, reward, terminated, truncated = parts_of_step(outcome)
        # Copies, because an environment may return its own arrays, and overwrite them in a reset.
        reward = self._of_all("a reward", reward, np.float64)
        terminated = self._of_all("terminated", terminated, bool)
        truncated = self._of_all("truncated", truncated, bool)
        final, done = obs, terminated | truncated
        if done.any():
            final, obs = self._apart(obs, outcome[4] or {}, done, seeds)
        return BatchStep(obs, final, reward, terminated, truncated)

    def _apart(self, obs: Any, info: Mapping[str, Any], done: np.ndarray, seeds: Any) -> Any:
        """The last observations of ended episodes, and the first ones of the next.

        Raises:
            MisfitError: If the last observation of a copy is missing, or the reset of some
                copies changes the observations of others.
        """
        final = _copied(obs)
        if self._resets:
            options = {"reset_mask": np.array(done)}
            first = self._begun(seeds, options=options)
            # Wrappers may change what they pass on; some normalise by all observations so far.
            if not isinstance(self.env, VectorWrapper) and not _are_same(final, first, ~done):
                what = "changed the observations of copies whose episodes had not ended"
                cure = "reset only the copies that are true in options['reset_mask']"
                raise MisfitError(what, cure)
            return final, first
        for i in np.flatnonzero(done):
            _put(final, int(i), _last_of(info, int(i)))
        return final, obs

    def _begun(self, seeds: np.ndarray, **options: Any) -> Any:
        """The observations after a reset."""
        return first_observation(self._called(lambda: self._reset(seeds, **options)))

    def _reset(self, seeds: np.ndarray, **options: Any) -> Any:
        """The result of a reset with a seed for each copy, or with a single one.

        gymnasium's own vector environments take both, but the signature of ``VectorEnv`` has a
        single seed, and its ``reset`` refuses a list. The first reset finds out.
        """
        if self._takes_one_seed:
            return self.env.reset(seed=int(seeds[0]), **options)
        try:
            returned = self.env.reset(seed=seeds.tolist(), **options)
        except (gymnasium.error.Error, TypeError):
            if self._takes_one_seed is not None:
                raise
            with contextlib.suppress(Exception):
                returned = self.env.reset(seed=int(seeds[0]), **options)
                self._takes_one_seed = True
                return returned
            raise
        self._takes_one_seed = False
        return returned

    def _of_all(self, what: str, values: Any, dtype: Any) -> np.ndarray:
        """A copy of the values of all copies, ``[n_envs]``.

        Raises:
            MisfitError: If their shape is another one.
        """
        array, shape = np.array(values, dtype), (self.env.num_envs,)
        if array.shape != shape:
            cure = f"return an array of shape {shape} from step, with one value for each copy"
            raise MisfitError(f"gave {what} of shape {array.shape}", cure)
        return array

    def _called(self, call: Callable[[], Any]) -> Any:
        """The result of a call.

        Raises:
            EnvironmentFaultError: If a process that steps a copy has died.
        """
        try:
            return call()
        except (EOFError, BrokenPipeError, ConnectionError):
            dead = _dead(self.env)
            if not dead:
                raise
            copies = ", ".join(str(copy) for copy in dead)
            raise death(f"copy {copies}", self._name) from None

    def close(self) -> None:
        if self._is_the_users:
            return
        self.env.close(**({"terminate": True} if isinstance(self.env, AsyncVectorEnv) else {}))


def checked_mode(env: VectorEnv, name: str) -> AutoresetMode:
    """How a vector environment begins the next episode.

    Raises:
        ConfigurationError: If a separate step, which is not a transition, begins it.
    """
    mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
    if AutoresetMode(mode) is AutoresetMode.NEXT_STEP:
        raise ConfigurationError(
            f"{name} resets a copy in the step after the end of its episode, which is not a "
            "transition; make it with autoreset_mode=AutoresetMode.SAME_STEP or DISABLED."
        )
    return AutoresetMode(mode)


def makes_all_copies(recipe: Recipe, mode: str | None) -> bool:
    """Whether a recipe makes a vector environment: it takes ``num_envs``, or a mode is given."""
    if mode is not None:
        return True
    try:
        return "num_envs" in inspect.signature(recipe.creator).parameters
    except (TypeError, ValueError):
        return False


def make_vector(recipe: Recipe, n_envs: int, settings: Mapping[str, Any], mode: str | None) -> Any:
    """Makes a vector environment.

    Raises:
        ConfigurationError: If the mode does not exist, or the result is something else.
    """
    if mode is None:
        made = recipe.creator(num_envs=n_envs, **settings)
    else:
        if mode not in _MODES:
            raise ConfigurationError(
                f"{VECTORIZATION_MODE} of {recipe.name} must be {' or '.join(_MODES)}, not "
                f"{mode!r}; {ENV_WORKERS} steps copies in other processes."
            )
        chosen = {"autoreset_mode": AutoresetMode.DISABLED} if mode == _SYNC else {}
        made = gymnasium.make_vec(recipe.entry, n_envs, mode, chosen, **settings)
    if not isinstance(made, VectorEnv):
        raise ConfigurationError(
            f"{recipe.name} takes num_envs, but made a {type(made).__name__}, not a "
            "gymnasium.vector.VectorEnv; rename the parameter, or return a VectorEnv."
        )
    return made


def _dead(env: VectorEnv) -> list[int]:
    """The copies whose processes have ended."""
    processes = getattr(env.unwrapped, "processes", [])
    return [i for i, process in enumerate(processes) if not process.is_alive()]


def _copied(obs: Any) -> Any:
    if isinstance(obs, dict):
        return {key: _copied(value) for key, value in obs.items()}
    if isinstance(obs, tuple):
        return tuple(map(_copied, obs))
    return np.array(obs)


def _are_same(one: Any, other: Any, rows: np.ndarray) -> bool:
    """Whether two observations are equal in the rows of a mask; NaN is equal to NaN."""
    if isinstance(one, dict):
        return all(_are_same(value, other[key], rows) for key, value in one.items())
    if isinstance(one, tuple):
        return all(_are_same(*pair, rows) for pair in zip(one, other, strict=True))
    is_float = one.dtype.kind == "f"
    return np.array_equal(one[rows], np.asarray(other)[rows], equal_nan=is_float)


def _last_of(info: Mapping[str, Any], i: int) -> Any:
    """The last observation of a copy whose episode ended.

    Raises:
        MisfitError: If it is missing.
    """
    try:
        last = info["final_obs"][i]
    except (KeyError, IndexError, TypeError):
        last = None
    if last is None:
        cure = "store the last observation of each ended copy there, at the copy's number"
        raise MisfitError("ended an episode without info['final_obs']", cure, copy=i)
    return last


def _put(rows: Any, i: int, value: Any) -> None:
    """Writes the observation of one copy."""
    if isinstance(rows, dict):
        for key, array in rows.items():
            _put(array, i, value[key])
    elif isinstance(rows, tuple):
        for array, part in zip(rows, value, strict=True):
            _put(array, i, part)
    else:
        rows[i] = value
