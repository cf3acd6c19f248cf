"""What ``host_speed.py`` measures: libraries' own loops, trainings, and stable-baselines3."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

import environments
import gymnasium
import jax
import numpy as np
import processes
from environments import Peer

import environment_speed
from arlbench import DQN, make_env
from arlbench.experiments.presets import tuned_for

#: Longer than any measurement, so that learning never begins.
NEVER = environment_speed.NEVER

#: Random actions of a library's loop are drawn before, and used again after this many steps.
N_DRAWN = 1024

RUNNER = Path(__file__).resolve().with_name("host_speed_sb3.py")

# What stable-baselines3 needs for these environments comes on top of its requirements.
SB3 = Peer(
    "sb3-host",
    "stable-baselines3",
    str(RUNNER),
    "stable_baselines3",
    {},
    (("sb3.txt",), ("sb3-host.txt",)),
)


class Case(NamedTuple):
    """Copies of an environment.

    Attributes:
        framework: The library.
        name: The environment's name there.
        n_envs: Copies that step together.
        why_not: Why it is not measured; empty if it is.
    """

    framework: str
    name: str
    n_envs: int = 8
    why_not: str = ""

    @property
    def title(self) -> str:
        """Its name in tables."""
        return f"{self.framework}: {self.name}, {self.n_envs} copies"


def cases() -> list[Case]:
    """Every case of part (a)."""
    found = [
        Case("ale", "Pong-v5"),
        Case("ale", "Pong-v5", 16),
        Case("gymnasium", "CartPole-v1"),
        Case("gymnasium", "LunarLander-v3"),
        Case("envpool", "Pong-v5"),
        Case("envpool", "Pong-v5", 16),
        Case("envpool", "CartPole-v1"),
        Case("envpool", "LunarLander-v2"),
    ]
    if util.find_spec("envpool") is not None:
        return found
    missing = "envpool is not installed in this environment"
    return [c._replace(why_not=missing) if c.framework == "envpool" else c for c in found]


class Speed(NamedTuple):
    """Environment steps per second.

    Attributes:
        wall: Per second of wall-clock time.
        processor: Per second of processor time, summed over threads, which depends little on what
            else the machine does.
    """

    wall: float
    processor: float


def speed(n_steps: int, run: Callable[[int], Any]) -> Callable[[], Speed]:
    """Measures ``run(n)``, which takes ``n`` turns of ``n_steps`` environment steps each.

    A measurement has as many turns as take about ``LENGTH`` seconds.
    """

    def took(n: int) -> tuple[float, float]:
        begin = time.perf_counter(), time.process_time()
        jax.block_until_ready(run(n))
        return time.perf_counter() - begin[0], time.process_time() - begin[1]

    took(1)
    n = 4
    while took(n)[0] < environment_speed.LENGTH / 4:
        n *= 4
    n = max(int(n * environment_speed.LENGTH / took(n)[0]), 1)

    def measure() -> Speed:
        return Speed(*(n * n_steps / seconds for seconds in took(n)))

    return measure


# -- (a) libraries' own loops, and trainings without a learner ---------------------------


def library_loop(case: Case) -> Callable[[], Speed]:
    """Measures the library's own loop with random actions."""
    env, n_actions = _LIBRARIES[case.framework](case)
    env.reset(**({} if case.framework == "envpool" else {"seed": 0}))
    drawn = np.random.default_rng(0).integers(n_actions, size=(N_DRAWN, case.n_envs))
    drawn = drawn.astype(env.action_space.dtype)

    def run(n: int) -> None:
        for i in range(n):
            env.step(drawn[i % N_DRAWN])

    return speed(case.n_envs, run)


def _ale(case: Case) -> tuple[Any, int]:
    from ale_py.vector_env import AtariVectorEnv

    env = AtariVectorEnv(
        case.name.removesuffix("-v5").lower(),
        case.n_envs,
        autoreset_mode="SameStep",
        repeat_action_probability=0.0,
    )
    return env, env.single_action_space.n  # type: ignore[attr-defined]


def _gymnasium(case: Case) -> tuple[Any, int]:
    env = gymnasium.make_vec(case.name, case.n_envs, "sync")
    return env, env.single_action_space.n  # type: ignore[attr-defined]


def _envpool(case: Case) -> tuple[Any, int]:
    import envpool

    env = envpool.make_gymnasium(case.name, num_envs=case.n_envs)
    return env, env.action_space.n


_LIBRARIES: dict[str, Callable[[Case], tuple[Any, int]]] = {
    "ale": _ale,
    "gymnasium": _gymnasium,
    "envpool": _envpool,
}


def adapter_loop(case: Case) -> Callable[[], Speed]:
    """Measures random actions through this project's adapter, in a compiled loop."""
    env = make_env(case.framework, case.name, n_envs=case.n_envs)
    return speed(case.n_envs, environment_speed.random_turns(env))


def training(case: Case, **changes: Any) -> Callable[[], Speed]:
    """Measures a training run with the tuned hyperparameters, and some changed."""
    dqn = agent(case, **changes)
    return speed(dqn.steps_per_iteration, environment_speed.turns(dqn))


def agent(case: Case, **changes: Any) -> DQN:
    """An agent with the tuned hyperparameters, and some changed."""
    env = make_env(case.framework, case.name, n_envs=case.n_envs)
    tuned = tuned_for(case.name)
    nas_config = {k: v for k, v in tuned.hyperparameters.items() if k in _NETWORK}
    hpo_config = {k: v for k, v in tuned.hyperparameters.items() if k not in _NETWORK}
    return DQN(
        {"buffer_size": 100_000, **hpo_config, **changes},
        env,
        nas_config=nas_config,
        cnn_policy=tuned.cnn_policy,
    )


_NETWORK = ("activation", "hidden_size")

# -- (b) compared with stable-baselines3 -------------------------------------------------


def sb3_job(case: Case, seconds: float) -> dict[str, Any]:
    """The same environment, network, buffer and updates for stable-baselines3."""
    dqn = agent(case, learning_starts=0)
    return {
        "environment": case.name,
        "n_envs": case.n_envs,
        "cnn_policy": tuned_for(case.name).cnn_policy,
        "config": {**dqn.hpo_config, **dqn.nas_config},
        "seconds": seconds,
    }


def sb3_training(case: Case, folder: Path, seconds: float) -> Callable[[], dict[str, Any]]:
    """Measures stable-baselines3, in a new process for each measurement."""
    python = environments.interpreter(SB3, folder)
    job = sb3_job(case, seconds)
    return lambda: processes.run_job(python, SB3, job)


def updates_per_step(case: Case) -> float:
    """Gradient steps for each environment step."""
    dqn = agent(case)
    return float(dqn.hpo_config["gradient_steps"] / dqn.steps_per_iteration)


def updates_of(case: Case) -> str:
    """What both do for each vector step, in words."""
    config = agent(case).hpo_config
    network = tuned_for(case.name).hyperparameters.get("hidden_size", 64)
    kind = "convolutions and" if tuned_for(case.name).cnn_policy else "two layers of"
    return (
        f"{config['gradient_steps']} gradient steps on {config['buffer_batch_size']} transitions "
        f"for {config['train_freq'] * case.n_envs} environment steps, {kind} {network} units"
    )
