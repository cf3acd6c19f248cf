"""Training without training: results that depend on nothing but the configuration and the seed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from arlbench.core.environments import EnvSpec
from arlbench.population import MemberResult, PopulationProgress
from arlbench.sweeps.design import SweepDesign

#: Rates above this diverge halfway.
DIVERGING_RATE = 0.05


def make_design(n_configs: int = 4, n_seeds: int = 3, **changes: Any) -> SweepDesign:
    """A design of three evaluations of four episodes; the last configuration diverges."""
    configs = [{"learning_rate": 10.0 ** (-5 + 3 * i / n_configs)} for i in range(n_configs - 1)]
    settings = {
        "env_spec": EnvSpec("gymnax", "CartPole-v1", n_envs=4),
        "configs": (*configs, {"learning_rate": 0.1, "buffer_batch_size": 256}),
        "seeds": tuple(range(7, 7 + n_seeds)),
        "n_total_timesteps": 3000,
        "n_eval_steps": 3,
        "n_eval_episodes": 4,
    }
    return SweepDesign(**{**settings, **changes})


def result_of(design: SweepDesign, config_index: int, seed_index: int) -> MemberResult:
    """What a training comes to; its wall-clock time is never the same."""
    config, seed = design.configs[config_index], design.seeds[seed_index]
    shape = (design.n_eval_steps, design.n_eval_episodes)
    rng = np.random.default_rng([config_index, seed])
    returns = np.cumsum(rng.random(shape), axis=0) - np.log10(config["learning_rate"])
    diverged = config["learning_rate"] > DIVERGING_RATE
    interval = design.n_total_timesteps // design.n_eval_steps
    timesteps = np.arange(1, design.n_eval_steps + 1) * interval
    if diverged:
        returns[1:] = np.nan
    return MemberResult(
        config_index=config_index,
        seed_index=seed_index,
        status="diverged" if diverged else "finished",
        returns=returns.astype(np.float32),
        timesteps=timesteps,
        diverged_at=int(timesteps[1]) - 8 if diverged else None,
        train_seconds=time.perf_counter(),
        compile_seconds=0.0,
        statistics=None,
        params=None,
        parts=None,
    )


class FakeResult:
    """What of a population's result a sweep reads."""

    compile_seconds = 1.5
    wall_seconds = 2.5


def fake_train(pause: float = 0.0, order: int = 1) -> Callable[..., FakeResult]:
    """A stand-in for ``train_population``: so many seconds a member, forwards or backwards."""

    def train(
        env_spec: EnvSpec,
        configs: Any,
        seeds: Any,
        *,
        members: Any,
        on_member: Callable[[MemberResult], None],
        on_progress: Callable[[PopulationProgress], bool | None],
        **settings: Any,
    ) -> FakeResult:
        names = ("n_total_timesteps", "n_eval_steps", "n_eval_episodes", "eval_env_spec")
        design = SweepDesign(env_spec, configs, seeds, **{name: settings[name] for name in names})
        steps = design.n_total_timesteps
        for done, member in enumerate(list(members)[::order]):
            if on_progress(
                PopulationProgress(
                    done, len(members), done * steps, len(members) * steps, 0, 1, False
                )
            ):
                break
            time.sleep(pause)
            on_member(result_of(design, *member))
        return FakeResult()

    return train
