"""An environment that draws itself and has known episodes, and agents made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.environments import Environment, EnvSpec, SingleStep
from arlbench.core.environments.listing import EnvListing
from arlbench.core.environments.registry import Framework, adopt_frameworks
from arlbench.experiments.run_folder import RunFolder
from arlbench.experiments.run_settings import RunSettings, resolve
from probes import Probe, observation

adopt_frameworks({"drawn": Framework("drawn_framework", "tests", None)})

#: The last place of the corridor.
GOAL = 3

#: The height of a picture of the corridor.
HEIGHT, WIDTH = 2, GOAL + 1

#: The colour of the agent's place; everything else is black.
AGENT = (250, 120, 0)


class Corridor(Probe):
    """Starts at a random place before the goal; action 1 goes one step right, action 0 stays.

    A step from place ``p`` earns ``p + 1``. The time limit is 5 steps.
    """

    def __init__(self, n_envs: int = 4, max_episode_steps: int = 5) -> None:
        super().__init__(n_envs, max_episode_steps)

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        place = jax.random.randint(rng, (), 0, GOAL)
        return (place, jnp.int32(0)), observation(place)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        before, n_steps = env_state
        place, n_steps = before + action, n_steps + 1
        out_of_time = n_steps == self.max_episode_steps
        state = (place, n_steps)
        return SingleStep(state, observation(place), before + 1.0, place == GOAL, out_of_time)

    def render_one(self, env_state: Any) -> np.ndarray:
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[:, int(env_state[0])] = AGENT
        return picture


class Unseen(Corridor):
    """A corridor that cannot be drawn."""

    def render_one(self, env_state: Any) -> np.ndarray:
        return Environment.render(self, env_state)


def make(spec: EnvSpec) -> Environment:
    env = {"Corridor": Corridor, "Unseen": Unseen}[spec.name](n_envs=spec.n_envs, **spec.env_kwargs)
    env.spec = spec
    return env


def list_environments() -> list[EnvListing]:
    return []


def place_of(frame: np.ndarray) -> int:
    """The agent's place in a picture."""
    return int(np.flatnonzero((frame == AGENT).all(axis=(0, 2)))[0])


def params_of(settings: RunSettings, action: int) -> Any:
    """Parameters of a network that gives an action the value 1 and the other one 0."""
    shapes = settings.make_algorithm().checkpoint_template()["params"]
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    params["params"]["out"]["bias"][action] = 1.0
    return params


def settings_of(
    *actions: int, name: str = "Corridor", n_envs: int = 4, wrappers: Any = (), **hpo: Any
) -> RunSettings:
    """Settings of a run with a seed for each action, from 0."""
    spec = EnvSpec("drawn", name, n_envs, wrappers=wrappers)
    overrides = {"learning_starts": 16, "hidden_size": 8, **hpo}
    return resolve(
        spec, overrides, n_seeds=len(actions), n_total_timesteps=400, n_eval_steps=2,
        n_eval_episodes=2, tuned=False,
    )  # fmt: skip


def write_run(path: Path, *actions: int, **settings: Any) -> Path:
    """A finished run in which each seed's agent always takes the same action."""
    resolved = settings_of(*actions, **settings)
    with RunFolder(path, resolved) as folder:
        for seed, action in enumerate(actions):
            folder.write_part(seed, "params", params_of(resolved, action))
        folder.write_summary({"status": "finished"})
    return path
