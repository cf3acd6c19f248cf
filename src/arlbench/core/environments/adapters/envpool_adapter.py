"""Environments of envpool (https://envpool.readthedocs.io), which the published runs used.

Only the kinds of the published experiments are listed: the Atari games, LunarLander-v2 and
CartPole-v1. Settings have envpool's names. envpool resets a copy in the step after the end of its
episode. Here that step is taken immediately, and only for the copies that ended, so it never
becomes a transition.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Hashable, Mapping
from typing import Any

import envpool
import numpy as np

from arlbench.core.environments.adapters.adapting import (
    Interface,
    check_name,
    check_settings,
    listing,
    refusals,
)
from arlbench.core.environments.adapters.gymnasium_spaces import found_of
from arlbench.core.environments.adapters.host_batches import (
    Batch,
    BatchEnvironment,
    BatchStep,
    signed,
)
from arlbench.core.environments.adapters.host_calls import Declared
from arlbench.core.environments.adapters.lives import Lives
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.spec import EnvSpec

# In Atari, these defaults for training differ from envpool's; evaluations use envpool's.
_ATARI_TRAINING = {"episodic_life": True, "reward_clip": True}
_ATARI_EVALUATION = {"episodic_life": False, "reward_clip": False}

# Settings that users cannot change, because the adapter or envpool sets them.
_OWN = {
    "num_envs", "batch_size", "max_num_players", "base_path", "seed", "env_seed",
    "gym_reset_return_info", "task", "thread_affinity_offset",
}  # fmt: skip

_OTHERS = ("CartPole-v1", "LunarLander-v2")


class EnvpoolEnvironment(BatchEnvironment):
    """``n_envs`` copies in a pool of threads."""

    def __init__(self, spec: EnvSpec, interface: Interface, declared: Declared) -> None:
        super().__init__(spec, interface, declared)
        self._kwargs = _settings(spec)
        if _is_atari(spec.name):
            # Frames are the first axis of an observation.
            self.stacked_frames = (interface.observation_space.shape or (None,))[0]

    def make_batch(self) -> Batch:
        return EnvpoolBatch(self.env_name, self.n_envs, self._kwargs)

    def batch_kind(self) -> Hashable:
        return dataclasses.replace(self.spec, seed=None) if self.spec else id(self)


class EnvpoolBatch(Batch):
    """A pool, which is made again for the seeds of each reset.

    Args:
        name: The name of the environment.
        n_envs: The number of copies.
        settings: Settings for the library.
    """

    def __init__(self, name: str, n_envs: int, settings: Mapping[str, Any]) -> None:
        self._name, self._n_envs = name, n_envs
        self._settings = dict(settings)
        ends_with_life = bool(self._settings.pop("episodic_life", False))
        self._lives = Lives() if ends_with_life else None
        self._pool: Any = None

    def reset(self, seeds: np.ndarray) -> np.ndarray:
        self.close()
        settings = {
            **self._settings,
            "env_seed": signed(seeds).tolist(),
            "render_mode": "rgb_array",
        }
        self._pool = _pool(self._name, self._n_envs, settings)
        obs, info = self._pool.reset()
        if self._lives is not None:
            self._lives.begin(info["lives"])
        return np.asarray(obs)

    def step(self, actions: np.ndarray, seeds: np.ndarray) -> BatchStep:
        obs, reward, terminated, truncated, info = self._pool.step(actions)
        final, done = obs, terminated | truncated
        lives = info.get("lives")
        if done.any():
            ended = np.flatnonzero(done).astype(np.int32)
            nothing = np.zeros((len(ended), *actions.shape[1:]), actions.dtype)
            first, *_, begun = self._pool.step(nothing, ended)
            obs = obs.copy()
            obs[begun["env_id"]] = first
            if lives is not None:
                lives = np.array(lives)
                lives[begun["env_id"]] = begun["lives"]
        if self._lives is not None:
            terminated = terminated | self._lives.lost(lives, done)
        return BatchStep(obs, final, reward, terminated, truncated)

    def draw(self) -> np.ndarray | None:
        return np.asarray(self._pool.render()[0])

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    Raises:
        UnknownEnvironmentError: If it does not exist, or cannot be used.
        ConfigurationError: If a setting is unknown or impossible.
    """
    check_name(spec, envpool.list_all_envs())
    config = _config(spec.name)
    check_settings(spec, {key: value for key, value in config.items() if key not in _OWN})
    env = _single(spec.name, _settings(spec))
    actions = _quietly(getattr, env, "single_action_space")
    observations = _quietly(getattr, env, "single_observation_space")
    limit = int(spec.env_kwargs.get("max_episode_steps", config["max_episode_steps"]))
    return EnvpoolEnvironment(spec, *found_of(spec.name, observations, actions, limit))


def for_evaluation(spec: EnvSpec) -> EnvSpec:
    """The spec of the environment for evaluations of an agent that learns in ``spec``."""
    if not _is_atari(spec.name):
        return spec
    return dataclasses.replace(spec, env_kwargs={**spec.env_kwargs, **_ATARI_EVALUATION})


def list_environments() -> list[EnvListing]:
    """The environments of the published experiments, and further Atari games."""
    names = [name for name in envpool.list_all_envs() if name in _OTHERS or _is_atari(name)]
    specs = [EnvSpec("envpool", name) for name in sorted(names)]
    return [listing(spec, make(spec)._interface) for spec in specs]  # type: ignore[attr-defined]


@functools.cache
def _config(name: str) -> dict[str, Any]:
    return dict(_quietly(envpool.make_spec, name).config._asdict())


def _is_atari(name: str) -> bool:
    return name.endswith("-v5") and "zero_discount_on_life_loss" in _config(name)


def _settings(spec: EnvSpec) -> dict[str, Any]:
    return {**(_ATARI_TRAINING if _is_atari(spec.name) else {}), **spec.env_kwargs}


def _single(name: str, settings: Mapping[str, Any]) -> Any:
    """An environment of one copy, made to read its spaces."""
    with refusals(EnvSpec("envpool", name, env_kwargs=dict(settings))):
        return _pool(name, 1, settings)


def _pool(name: str, n_envs: int, settings: Mapping[str, Any]) -> Any:
    return _quietly(envpool.make_gymnasium, name, num_envs=n_envs, **settings)


def _quietly(call: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls the library without warnings, because it warns of the bounds of its own spaces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*args, **kwargs)
