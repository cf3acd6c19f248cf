"""Atari games of the Arcade Learning Environment, by ale-py (https://ale.farama.org).

All copies step in one call of its vectorised environment. The defaults are those of the DQN
literature (Mnih et al. 2015; Machado et al. 2018), which differ from the library's own.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Hashable, Mapping
from typing import Any

import ale_py
import gymnasium
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium import spaces

from arlbench.core.checks import finite
from arlbench.core.environments.adapters.adapting import (
    Interface,
    check_at_least_one,
    check_name,
    check_settings,
    listing,
)
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
from arlbench.errors import ConfigurationError, RenderingError

#: The settings, and their defaults.
DEFAULTS: dict[str, Any] = {
    "screen_size": 84,
    "grayscale": True,
    "frame_stack": 4,
    "frame_skip": 4,
    "noop_max": 30,
    "fire_reset": True,
    "repeat_action_probability": 0.0,
    "episodic_life": True,
    "clip_rewards": True,
    "full_action_space": False,
    "max_episode_steps": 27_000,
    "n_threads": 0,
}

#: A setting: other settings that apply to evaluations only.
EVALUATION = "evaluation"

# Evaluations play whole games for their real score.
_EVALUATION_DEFAULTS = {"episodic_life": False, "clip_rewards": False}

_VERSION = "-v5"
_NAMESPACE = "ALE/"

# Only some versions of the library do this when they are imported.
gymnasium.register_envs(ale_py)

# A picture in the console's own size and colours.
_COLOURS = {"grayscale": False, "img_height": 210, "img_width": 160, "stack_num": 1}


class AleEnvironment(BatchEnvironment):
    """``n_envs`` copies of a game.

    Observations are uint8 ``[frame_stack, screen_size, screen_size]``, the oldest frame first; in
    colour they have a last axis of 3. At the start of an episode, frames before its first one are
    black. With ``episodic_life`` a lost life is a termination for the learner, but the game
    continues.
    """

    def __init__(self, spec: EnvSpec) -> None:
        """Makes the environment with this spec, whose settings have been checked."""
        interface = _interface(spec)
        declared = Declared(interface.observation_space, np.dtype(np.int64))
        super().__init__(spec, interface, declared)
        self._kwargs = dict(spec.env_kwargs)
        # Frames are the first axis of an observation.
        self.stacked_frames = (interface.observation_space.shape or (None,))[0]

    def make_batch(self) -> Batch:
        return AleBatch(_game(self.env_name), self.n_envs, self._kwargs)

    def batch_kind(self) -> Hashable:
        return dataclasses.replace(self.spec, seed=None) if self.spec else id(self)


class AleBatch(Batch):
    """The library's vectorised environment.

    Args:
        game: The library's name of the game.
        n_envs: The number of copies.
        settings: Settings that differ from the defaults.
    """

    def __init__(self, game: str, n_envs: int, settings: Mapping[str, Any]) -> None:
        self._settings = {**DEFAULTS, **settings}
        self._game, self._n_envs = game, n_envs
        self._env = _vector_env(game, n_envs, self._settings)
        self._lives = Lives() if self._settings["episodic_life"] else None
        self._seeds = np.zeros(n_envs, np.int64)
        self._n_steps = 0
        self._in_colour: AtariVectorEnv | None = None
        self._picture: np.ndarray | None = None

    def reset(self, seeds: np.ndarray) -> np.ndarray:
        self._seeds, self._n_steps = signed(seeds), 0
        begun: Any = self._env.reset(seed=self._seeds)
        obs, info = begun
        if self._lives is not None:
            self._lives.begin(info["lives"])
        self._in_colour = self._picture = None
        return obs

    def step(self, actions: np.ndarray, seeds: np.ndarray) -> BatchStep:
        outcome: Any = self._env.step(actions)
        obs, reward, terminated, truncated, info = outcome
        self._n_steps += 1
        if self._in_colour is not None:
            self._picture = _first_picture(self._in_colour.step(actions)[0])
        final = obs
        done = terminated | truncated
        if done.any():
            # The library fills the rows of copies that have ended, and no others.
            final = obs.copy()
            final[done] = info["final_obs"][done]
        if self._lives is not None:
            terminated = terminated | self._lives.lost(info["lives"], done)
        return BatchStep(obs, final, reward.astype(np.float32), terminated, truncated)

    def draw(self) -> np.ndarray | None:
        """The screen of the first copy, in colour.

        Observations are small and gray. Therefore the first call makes a second set of emulators
        with colours, which then takes the same steps.

        Raises:
            RenderingError: If the first call since the last reset comes after a step.
        """
        if self._in_colour is None:
            if self._n_steps > 0:
                raise RenderingError(
                    f"The game {self._game} cannot be drawn for the first time after a step; draw "
                    "it once right after a reset, then after any step."
                )
            settings = {**self._settings, **_COLOURS}
            self._in_colour = _vector_env(self._game, self._n_envs, settings)
            self._picture = _first_picture(self._in_colour.reset(seed=self._seeds)[0])
        return self._picture

    def close(self) -> None:
        self._env.close()
        if self._in_colour is not None:
            self._in_colour.close()


def make(spec: EnvSpec) -> Environment:
    """Makes the environment that ``spec`` describes.

    Names are those of gymnasium (``"Pong-v5"``, ``"ALE/Pong-v5"``) or of the library (``"pong"``).

    Raises:
        UnknownEnvironmentError: If the game does not exist.
        ConfigurationError: If a setting is unknown or impossible.
    """
    spec = dataclasses.replace(spec, name=canonical_name(spec.name))
    check_name(spec, _games())
    check_settings(spec, {**DEFAULTS, EVALUATION: {}})
    _check_evaluation(spec)
    env_kwargs = {key: v for key, v in spec.env_kwargs.items() if key != EVALUATION}
    _check_values(dataclasses.replace(spec, env_kwargs=env_kwargs))
    plain = dataclasses.replace(spec, env_kwargs=env_kwargs)
    env = AleEnvironment(plain)
    # The spec keeps the settings of evaluations, from which their environment is made.
    env.spec = dataclasses.replace(spec, seed=env.spec.seed) if env.spec else None
    return env


def for_evaluation(spec: EnvSpec) -> EnvSpec:
    """The spec of the environment for evaluations of an agent that learns in ``spec``."""
    own = dict(spec.env_kwargs)
    changed = own.pop(EVALUATION, {})
    return dataclasses.replace(spec, env_kwargs={**own, **_EVALUATION_DEFAULTS, **changed})


def list_environments() -> list[EnvListing]:
    """All games."""
    return [listing(spec, _interface(spec)) for spec in map(_spec, _games())]


def canonical_name(name: str) -> str:
    """The name of a game as in gymnasium, without its namespace, such as ``"Pong-v5"``."""
    by_game = {game: own for own, game in _games().items()}
    return by_game.get(name, name.removeprefix(_NAMESPACE))


@functools.cache
def _games() -> dict[str, str]:
    """The library's names of all games for one player, by gymnasium's names."""
    return {
        entry.id.removeprefix(_NAMESPACE): entry.kwargs["game"]
        for entry in gymnasium.registry.values()
        if entry.namespace == _NAMESPACE.rstrip("/") and entry.id.endswith(_VERSION)
    }


def _game(name: str) -> str:
    return _games()[name]


def _spec(name: str) -> EnvSpec:
    return EnvSpec("ale", name)


def _interface(spec: EnvSpec) -> Interface:
    settings = {**DEFAULTS, **spec.env_kwargs}
    size, channels = settings["screen_size"], () if settings["grayscale"] else (3,)
    shape = (settings["frame_stack"], size, size, *channels)
    pictures = spaces.Box(0, 255, shape, np.uint8)
    n_actions = _n_actions(_game(spec.name), bool(settings["full_action_space"]))
    return Interface(spaces.Discrete(n_actions), pictures, settings["max_episode_steps"])


@functools.cache
def _n_actions(game: str, full: bool) -> int:
    env: Any = _vector_env(game, 1, {**DEFAULTS, "full_action_space": full})
    return int(env.single_action_space.n)


def _vector_env(game: str, n_envs: int, settings: Mapping[str, Any]) -> AtariVectorEnv:
    size = settings["screen_size"]
    shape = {"img_height": size, "img_width": size, "stack_num": settings["frame_stack"]}
    return AtariVectorEnv(
        game,
        n_envs,
        num_threads=settings["n_threads"],
        max_num_frames_per_episode=settings["max_episode_steps"] * settings["frame_skip"],
        repeat_action_probability=settings["repeat_action_probability"],
        full_action_space=settings["full_action_space"],
        autoreset_mode="SameStep",
        grayscale=settings["grayscale"],
        frameskip=settings["frame_skip"],
        maxpool=True,
        noop_max=settings["noop_max"],
        # The library's own episodic lives reset the game; see AleBatch.
        episodic_life=False,
        life_loss_info=False,
        reward_clipping=settings["clip_rewards"],
        use_fire_reset=settings["fire_reset"],
        **{key: settings.get(key, value) for key, value in shape.items()},
    )


def _first_picture(obs: np.ndarray) -> np.ndarray:
    """The newest frame of the first copy."""
    return np.array(obs[0, -1])


def _check_evaluation(spec: EnvSpec) -> None:
    changed = spec.env_kwargs.get(EVALUATION, {})
    if not isinstance(changed, Mapping):
        raise ConfigurationError(
            f"{EVALUATION} of {spec.name} must map settings to values, such as "
            f'{{"repeat_action_probability": 0.25}}, not {changed!r}.'
        )
    for_them = dataclasses.replace(spec, env_kwargs=dict(changed))
    check_settings(for_them, DEFAULTS)
    _check_values(for_them)


def _check_values(spec: EnvSpec) -> None:
    check_at_least_one(spec, "screen_size", "frame_stack", "frame_skip", "max_episode_steps")
    for key in ("noop_max", "n_threads"):
        if spec.env_kwargs.get(key, 0) < 0:
            raise ConfigurationError(
                f"{key} of {spec.name} must be 0 or more, not {spec.env_kwargs[key]}."
            )
    key = "repeat_action_probability"
    probability = finite(key, spec.env_kwargs.get(key, 0.0))
    if not 0 <= probability <= 1:
        raise ConfigurationError(f"{key} of {spec.name} must lie in [0, 1], not {probability}.")
