"""A linear policy for many learners, and an episode with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from arlbench import AutoRLVectorEnv

FIXED = {
    "buffer_batch_size": 32,
    "buffer_size": 50_000,
    "exploration_fraction": 0.5,
    "gradient_steps": 64,
    "learning_starts": 512,
    "target_update_interval": 256,
    "tau": 0.3,
    "train_freq": 32,
}

# The ranges of what the policy sets: log10 of the learning rate, epsilon.
LOWER, UPPER = np.array([-5.0, 0.001]), np.array([-2.0, 0.2])
N_FEATURES = 4
MAX_RETURN = 500.0


class Episode(NamedTuple):
    """The results of a whole schedule of every learner.

    Attributes:
        returns: Mean return of each step's evaluations, ``[n_learners, n_steps]``.
        values: The chosen values, log10 of the learning rate and epsilon,
            ``[n_learners, n_steps, 2]``.
        compile_seconds: Time of compilation, in all processes.
        wall_seconds: Time of the episode.
    """

    returns: np.ndarray
    values: np.ndarray
    compile_seconds: float
    wall_seconds: float

    @property
    def scores(self) -> np.ndarray:
        """The objective: mean return over the whole schedule, ``[n_learners]``."""
        return self.returns.mean(axis=1)


# From features [n_learners, N_FEATURES] to values [n_learners, 2].
Policy = Callable[[np.ndarray], np.ndarray]


def features(obs: Mapping[str, np.ndarray], n_learners: int, n_steps: int) -> np.ndarray:
    """One, the fraction of the schedule done, the gradient's norm and the last return.

    All have a size of about one. After ``reset`` nothing is known, so all except the first are 0.
    """
    seen = np.zeros((n_learners, N_FEATURES))
    seen[:, 0] = 1.0
    if obs:
        done = obs["steps"][:, 0]
        seen[:, 1] = done / n_steps
        seen[:, 2] = np.log10(1.0 + obs["grad_info"][:, 0])
        seen[:, 3] = obs["return_history"][np.arange(n_learners), done - 1] / MAX_RETURN
    return seen


def linear(weights: np.ndarray) -> Policy:
    """Policies with weights ``[n_learners, 2, N_FEATURES]``, squashed into the ranges."""

    def policy(seen: np.ndarray) -> np.ndarray:
        logits = np.einsum("lvf,lf->lv", weights, seen)
        # The logistic function, in a form that cannot overflow.
        return LOWER + (UPPER - LOWER) * (1.0 + np.tanh(logits / 2.0)) / 2.0

    return policy


def constant(values: np.ndarray) -> Policy:
    return lambda seen: np.tile(values, (len(seen), 1))


def beside(policy: Policy, other: Policy, n_other: int) -> Policy:
    """One policy for most learners, and another one for the last ``n_other``."""

    def both(seen: np.ndarray) -> np.ndarray:
        return np.concatenate([policy(seen[:-n_other]), other(seen[-n_other:])])

    return both


def action(values: np.ndarray) -> dict[str, float]:
    return {"learning_rate": float(10 ** values[0]), "target_epsilon": float(values[1])}


def play(env: AutoRLVectorEnv, policy: Policy, seeds: Sequence[int]) -> Episode:
    """Runs one episode of the vector environment, with a new learner for each seed."""
    n_steps = env.config["n_steps"]
    obs, _ = env.reset(seed=seeds)
    # Hyperparameters that an action leaves out keep their values.
    further: Mapping[str, Any] = FIXED
    values, returns, infos = [], [], []
    for _ in range(n_steps):
        values.append(policy(features(obs, env.num_envs, n_steps)))
        obs, objectives, _, _, info = env.step([{**further, **action(v)} for v in values[-1]])
        further = {}
        returns.append(objectives["reward_auc"])
        infos.append(info)
    return Episode(
        # A learner that diverged counts as having learnt nothing.
        np.nan_to_num(np.stack(returns, axis=1)),
        np.stack(values, axis=1),
        sum(info["compile_seconds"] for info in infos),
        sum(info["wall_seconds"] for info in infos),
    )
