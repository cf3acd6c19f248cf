"""Environments of gymnasium whose copies step together: vector environments, or processes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from arlbench.core.environments.adapters.adapting import check_at_least_one, constructing
from arlbench.core.environments.adapters.copies import (
    ENV_WORKERS,
    EVALUATE_IN_PLACE,
    PER_COPY,
    Copies,
)
from arlbench.core.environments.adapters.gymnasium_spaces import Found, found_of
from arlbench.core.environments.adapters.gymnasium_vectors import (
    VectorBatch,
    make_vector,
)
from arlbench.core.environments.adapters.host_batches import BATCHES, Batch, BatchEnvironment
from arlbench.core.environments.adapters.host_rows import Rows
from arlbench.core.environments.adapters.host_trial import misfit
from arlbench.core.environments.adapters.host_values import MisfitError
from arlbench.core.environments.adapters.host_workers import Hire, WorkerBatch
from arlbench.core.environments.adapters.recipes import MadeByRecipe, Recipe
from arlbench.core.environments.faults import raised_by
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import ArlbenchError, ConfigurationError


class WorkerEnvironment(MadeByRecipe, BatchEnvironment):
    """Copies of a single environment that are spread over processes.

    Results equal those of copies in this process, bit for bit.
    """

    def __init__(
        self, spec: EnvSpec, recipe: Recipe, found: Found, copies: Copies, content: bytes | None
    ) -> None:
        """Copies made by a recipe, which other processes get as ``content``.

        Raises:
            ConfigurationError: As in :class:`BatchEnvironment`.
        """
        super().__init__(spec, recipe, found)
        self._hires = [
            Hire(_share(spec, copies, part.tolist()), content, int(part[0]))
            for part in np.array_split(np.arange(spec.n_envs), copies.n_workers)
        ]

    def make_batch(self) -> Batch:
        return WorkerBatch(self.env_name, self._hires)

    def batch_kind(self) -> Hashable:
        return self._recipe, tuple(hire.spec for hire in self._hires)


class VectorEnvironment(MadeByRecipe, BatchEnvironment):
    """A vector environment of gymnasium, or of the user's own."""

    def __init__(self, spec: EnvSpec, recipe: Recipe, found: Found, copies: Copies) -> None:
        """A vector environment that a recipe makes.

        Raises:
            ConfigurationError: As in :class:`BatchEnvironment`.
        """
        super().__init__(spec, recipe, found, copies.evaluate_in_place)
        self._settings = _settings(spec)

    def make_batch(self) -> Batch:
        return _made(self._recipe, self._settings)

    def batch_kind(self) -> Hashable:
        return self._recipe, self._settings


class _Existing(Recipe):
    """The recipe of a vector environment that exists."""

    def __init__(self, name: str, env: VectorEnv) -> None:
        self.name, self.env = name, env

    def _content(self) -> tuple[Any, ...]:
        return (self.env,)


def of_recipe(spec: EnvSpec, recipe: Recipe, copies: Copies) -> VectorEnvironment:
    """A vector environment; one is made, and takes a step, before anything is compiled.

    Raises:
        ConfigurationError: If a setting is impossible.
        EnvironmentFaultError: If its first reset or step returns wrong values.
    """
    if copies.per_copy:
        raise ConfigurationError(
            f"{spec.name} makes all copies together, so {PER_COPY} cannot give each its own "
            "settings; use a class or function that makes a single copy."
        )
    if copies.n_workers:
        raise ConfigurationError(
            f"{spec.name} makes all copies together, so {ENV_WORKERS} cannot spread them over "
            "processes; leave it out, or use a class or function that makes a single copy."
        )
    return VectorEnvironment(spec, recipe, _found(recipe, _settings(spec)), copies)


def of_object(env: VectorEnv, spec: EnvSpec) -> VectorEnvironment:
    """An existing vector environment, which evaluations use too.

    Raises:
        ConfigurationError: If another number of copies, or settings, are requested.
    """
    name = str(env.spec.id) if env.spec else type(env.unwrapped).__name__
    if spec.n_envs not in {1, env.num_envs} or spec.env_kwargs:
        raise ConfigurationError(
            f"This {name} has {env.num_envs} copies, so n_envs must be {env.num_envs} and "
            "env_kwargs empty; for others, give its class or a function that takes num_envs."
        )
    in_place = dataclasses.replace(
        spec, name=name, n_envs=int(env.num_envs), env_kwargs={EVALUATE_IN_PLACE: True}
    )
    found = of_recipe(in_place, _Existing(name, env), Copies.of(in_place))
    found.spec = None
    return found


def _settings(spec: EnvSpec) -> EnvSpec:
    """The part of a spec that defines the vector environment itself."""
    env_kwargs = {k: v for k, v in spec.env_kwargs.items() if k != EVALUATE_IN_PLACE}
    return EnvSpec(spec.framework, spec.name, spec.n_envs, env_kwargs)


@functools.lru_cache(maxsize=256)
def _found(recipe: Recipe, spec: EnvSpec) -> Found:
    """The facts found by making one batch, which is kept for later use."""
    batch = _made(recipe, spec)
    try:
        found = _found_in(spec, batch.env)
        _try_out(spec.name, batch, found)
    except BaseException:
        batch.close()
        raise
    BATCHES.keep((recipe, spec), batch)
    return found


def _made(recipe: Recipe, spec: EnvSpec) -> VectorBatch:
    """Makes a vector environment, or takes the existing one.

    Raises:
        ConfigurationError: If it cannot be used.
        EnvironmentFaultError: If it raises an error.
    """
    if isinstance(recipe, _Existing):
        return VectorBatch(recipe.env, recipe.name, is_the_users=True)
    copies = Copies.of(spec)
    if copies.vectorization_mode is not None:
        check_at_least_one(spec, "max_episode_steps")
    with constructing(spec):
        env = make_vector(recipe, spec.n_envs, copies.settings, copies.vectorization_mode)
    if env.num_envs != spec.n_envs:
        raise ConfigurationError(
            f"{recipe.name} made {env.num_envs} copies where num_envs={spec.n_envs} was asked for."
        )
    return VectorBatch(env, recipe.name)


def _found_in(spec: EnvSpec, env: VectorEnv) -> Found:
    actions = env.single_action_space
    if isinstance(actions, spaces.Discrete) and actions.start != 0:
        raise ConfigurationError(
            f"The actions of {spec.name} begin with {actions.start}; those of a vector environment "
            "must begin with 0."
        )
    limit = getattr(env.spec, "max_episode_steps", None)
    limit = spec.env_kwargs.get("max_episode_steps", limit)
    return found_of(spec.name, env.single_observation_space, actions, limit)


def _try_out(name: str, batch: VectorBatch, found: Found) -> None:
    """Checks what a reset and a step return."""
    rows, env = Rows(found.declared.observation_space), batch.env
    seeds = np.arange(env.num_envs, dtype=np.uint32)
    env.action_space.seed(0)

    def check(obs: Any) -> None:
        arrays = [np.repeat(one, env.num_envs, 0) for one in rows.of_one(_first(obs))]
        staged = rows.staged(arrays)
        rows.write_all(staged, obs)
        rows.finish(staged, arrays)

    for when, call in (
        ("at its first reset", lambda: batch.reset(seeds)),
        ("at its first step", lambda: batch.step(env.action_space.sample(), seeds).obs),
    ):
        try:
            check(call())
        except MisfitError as error:
            raise misfit(name, when, error) from None
        except ArlbenchError:
            raise
        except Exception as error:
            raise raised_by(name, when, error) from None


def _first(obs: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], obs)


def _share(spec: EnvSpec, copies: Copies, numbers: list[int]) -> EnvSpec:
    """The spec of the copies of one worker, which steps them in its own process."""
    env_kwargs: dict[str, Any] = {k: v for k, v in spec.env_kwargs.items() if k != ENV_WORKERS}
    if copies.per_copy:
        env_kwargs[PER_COPY] = _values_of(copies.per_copy, numbers)
    return EnvSpec(spec.framework, spec.name, len(numbers), env_kwargs)


def _values_of(per_copy: Mapping[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
    return {name: [values[i] for i in numbers] for name, values in per_copy.items()}
