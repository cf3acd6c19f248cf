"""Trainings in two halves, the second of which may run in another process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from arlbench.autorl import Checkpointer
from arlbench.core.algorithms.dqn import DQN
from probes import as_numpy, small_dqn

#: Environment steps of a whole training, which has an evaluation after each half.
TIMESTEPS = 1600

N_EPISODES = 3

TRACKED = {"track_trajectories": True, "track_metrics": True}

KINDS: dict[str, dict[str, Any]] = {
    "uniform": {"buffer_prio_sampling": False},
    "prioritised": {"buffer_prio_sampling": True, "buffer_alpha": 0.7},
    "normalised": {"buffer_prio_sampling": True, "normalize_observations": True},
    "tracked": {"buffer_prio_sampling": False, "settings": TRACKED},
}


def train_half(dqn: DQN, state: Any) -> Any:
    """Runs half a training, with the schedule of the whole."""
    return dqn.train(*state, TIMESTEPS // 2, 1, N_EPISODES, schedule_timesteps=TIMESTEPS)


def records_of(result: Any) -> Any:
    """The records; the trees are equal whether they come from memory or from a file."""
    return {"eval_rewards": result.eval_rewards, **records(result.trajectories, result.metrics)}


def records(trajectories: Any, metrics: Any) -> Any:
    """The records of one half, without those that were not tracked."""
    loss, grads, td_error = metrics or (None, None, None)
    return {"trajectories": trajectories, "loss": loss, "grads": grads, "td_error": td_error}


def bits(state: Any, recorded: Any) -> list[np.ndarray]:
    """All numbers of a state and of the records so far."""
    return as_numpy((state, recorded))


def train_second_halves(folder: Path) -> None:
    """Continues from ``folder/KIND`` with a second half; writes ``folder/KIND.npz``."""
    for kind, settings in KINDS.items():
        dqn = small_dqn(**settings)
        loaded = Checkpointer.load(folder / kind, dqn)
        parts = {name: loaded.parts.get(name) for name in records_of_nothing()}
        state, result = train_half(dqn, loaded.state)
        both = jax.tree.map(lambda *x: np.concatenate(x), parts, records_of(result))
        np.savez(folder / kind, *bits(state, both))


def records_of_nothing() -> Any:
    """The names of the records."""
    return {"eval_rewards": None, **records(None, None)}
