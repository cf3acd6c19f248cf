"""What ``autorl_env.py`` measures: a schedule, a step compared with its training, many learners."""

from __future__ import annotations

import dataclasses
import functools
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environments
import jax
import numpy as np
import processes
import workloads
from environments import OURS, PEERS

import measuring
from arlbench import DQN, AutoRLEnv, AutoRLVectorEnv, make_env

RUNNER = Path(__file__).resolve().with_name("autorl_env_published.py")

COLD, WARM, PUBLISHED = "this project, empty cache", "this project, filled cache", "arlbench 0.1.3"
STEP, TRAINING = "`step`", "`DQN.train`"
VECTOR, SINGLE = "`AutoRLVectorEnv`", "`AutoRLEnv`s, one after another"

N_ENVS, N_EPISODES, SEED = 8, 10, 0
ENVIRONMENT = ("gymnax", "CartPole-v1")

#: Every hyperparameter has a value, so that the packages' defaults do not matter.
HYPERPARAMETERS = {**workloads.BASE, "train_freq": 4}

Results = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Scale:
    """The sizes of the measurements.

    Attributes:
        n_steps: Configurations in a schedule.
        timesteps: Environment steps of each configuration.
        lengths: Environment steps of the steps that are compared with their trainings.
        n_learners: Learners of the vector environment.
        n_single: The number of them that are also measured in single environments.
    """

    n_steps: int = 10
    timesteps: int = 10_000
    lengths: tuple[int, ...] = (10_000, 100_000)
    n_learners: int = 64
    n_single: int = 8


QUICK = Scale(n_steps=2, timesteps=2_000, lengths=(2_000, 4_000), n_learners=4, n_single=2)


def settings(scale: Scale, **changes: Any) -> dict[str, Any]:
    """Settings of AutoRLEnv, which have the same names in both packages."""
    framework, name = ENVIRONMENT
    return {
        "seed": SEED,
        "env_framework": framework,
        "env_name": name,
        "n_envs": N_ENVS,
        "nas_config": dict(workloads.NETWORK),
        "objectives": ["reward_mean"],
        "state_features": [],
        "n_steps": scale.n_steps,
        "n_total_timesteps": scale.timesteps,
        "n_eval_steps": 1,
        "n_eval_episodes": N_EPISODES,
        **changes,
    }


def actions(scale: Scale, n_learners: int = 1) -> list[list[dict[str, Any]]]:
    """A complete configuration for each step and learner; three hyperparameters differ."""
    # The first is the logarithm of the learning rate.
    lower, upper = (-4.0, 0.9, 0.01), (-2.5, 0.999, 0.2)
    drawn = np.random.default_rng(SEED).uniform(lower, upper, (scale.n_steps, n_learners, 3))
    return [
        [
            HYPERPARAMETERS | {"learning_rate": 10**rate, "gamma": gamma, "target_epsilon": epsilon}
            for rate, gamma, epsilon in learners
        ]
        for learners in drawn.tolist()
    ]


# -- (a) a schedule, in its own process ---------------------------------------------------


def measure_schedule(scale: Scale, n_repeats: int, folder: Path) -> Results:
    """Each variant in turn; the second one reuses what the first one has compiled."""
    peers = {COLD: OURS, WARM: OURS, PUBLISHED: PEERS["published"]}
    pythons = {name: environments.interpreter(peer, folder) for name, peer in peers.items()}
    job = {"settings": settings(scale), "actions": [step[0] for step in actions(scale)]}
    answers: dict[str, list[Results]] = {name: [] for name in peers}
    for turn in range(n_repeats):
        with tempfile.TemporaryDirectory() as cache:
            for name, peer in peers.items():
                runnable = dataclasses.replace(peer, runner=str(RUNNER))
                answer = processes.run_job(pythons[name], runnable, job, Path(cache))
                answers[name].append(answer)
                print(f"  round {turn + 1}: {name}: {answer['schedule_seconds']:.2f} s", flush=True)
    kinds = ("schedule_seconds", "process_seconds")
    samples = {k: {name: [a[k] for a in answers[name]] for name in peers} for k in kinds}
    return {
        "variants": {name: _schedule_summary(answers[name]) for name in peers},
        "published_over": {
            name: {kind: measuring.ratio(samples[kind], PUBLISHED, name) for kind in kinds}
            for name in (COLD, WARM)
        },
    }


def _schedule_summary(answers: list[Results]) -> Results:
    each = [answer["step_seconds"] for answer in answers]
    timed = ("schedule_seconds", "process_seconds", "ready_seconds")
    fixed = ("observed_steps", "returns", "step_programs", "versions", "compilations")
    return {
        **{key: measuring.summary([answer[key] for answer in answers]) for key in timed},
        "first_step_seconds": measuring.summary([steps[0] for steps in each]),
        "later_step_seconds": measuring.summary([statistics.median(s[1:]) for s in each]),
        **{key: answers[-1][key] for key in fixed},
    }


# -- (b) a step after the first, and the training in it ----------------------------------


@functools.cache
def compilations() -> list[str]:
    """A list that grows with every program that JAX lowers, whether it is cached on disk or not."""
    names: list[str] = []

    def listen(event: str, _: float, **further: Any) -> None:
        if event == "/jax/core/compile/jaxpr_to_mlir_module_duration":
            names.append(str(further.get("fun_name", "?")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    return names


class SecondStep:
    """The same training as a step and as a call of ``train`` on a prepared state."""

    def __init__(self, timesteps: int) -> None:
        scale = Scale(n_steps=2, timesteps=timesteps)
        self.settings = settings(scale)
        self.timesteps = timesteps
        (self.first,), (self.second,) = actions(scale)
        self.compiled: list[str] = []
        self.returns: set[float] = set()

    def step(self) -> float:
        """Seconds of the second step of a new schedule."""
        env = AutoRLEnv(self.settings)
        env.reset()
        env.step(self.first)
        before = len(compilations())
        results: list[Any] = []
        seconds = measuring.seconds(lambda: results.extend(env.step(self.second)))
        self.compiled += compilations()[before:]
        self.returns.add(round(results[1]["reward_mean"], 3))
        return seconds

    def train(self) -> float:
        """Seconds of the training that this step does."""
        env = make_env(*ENVIRONMENT, n_envs=N_ENVS)
        dqn = DQN(self.first, env, nas_config=workloads.NETWORK)
        lengths = (self.timesteps, 1, N_EPISODES)
        state, _ = dqn.train(*dqn.init(jax.random.key(SEED)), *lengths)
        dqn.update_hpo_config(self.second)
        results: list[Any] = []
        seconds = measuring.seconds(
            lambda: results.extend(
                jax.block_until_ready(dqn.train(*state, *lengths, timesteps_before=self.timesteps))
            )
        )
        self.returns.add(round(float(results[1].eval_rewards.mean()), 3))
        return seconds


def measure_step(timesteps: int, n_repeats: int) -> Results:
    """Measures both in turn, and what the steps compiled, including the process's first one."""
    second = SecondStep(timesteps)
    variants: dict[str, Callable[[], float]] = {STEP: second.step, TRAINING: second.train}
    for warm_up in variants.values():
        warm_up()
    samples = measuring.interleaved(variants, n_repeats)
    return {
        "timesteps": timesteps,
        "seconds": {name: measuring.summary(values) for name, values in samples.items()},
        "ratio": measuring.ratio(samples, STEP, TRAINING),
        "compilations": second.compiled,
        "same_returns": len(second.returns) == 1,
    }


# -- (c) many learners -------------------------------------------------------------------


def _run_vector(env: AutoRLVectorEnv, steps: list[list[dict[str, Any]]]) -> list[float]:
    """Mean returns of every learner after the last step."""
    env.reset()
    for step in steps:
        _, objectives, *_ = env.step(step)
    return objectives["reward_mean"].tolist()


def _run_single(envs: list[AutoRLEnv], steps: list[list[dict[str, Any]]]) -> list[float]:
    """Mean returns of learners in single environments after the last step."""
    for env in envs:
        env.reset()
    for step in steps:
        results = [env.step(action) for env, action in zip(envs, step, strict=False)]
    return [result[1]["reward_mean"] for result in results]


def measure_learners(scale: Scale, n_repeats: int) -> Results:
    """Measures whole schedules in turn, including reset, after everything has been compiled."""
    n_learners, n_single = scale.n_learners, scale.n_single
    steps = actions(scale, n_learners)
    vector = AutoRLVectorEnv(n_learners, settings(scale))
    singles = [AutoRLEnv(settings(scale, seed=SEED + i)) for i in range(n_single)]
    returns = {VECTOR: _run_vector(vector, steps[:2]), SINGLE: _run_single(singles, steps[:2])}
    variants = {
        VECTOR: lambda: measuring.seconds(lambda: _run_vector(vector, steps)) / n_learners,
        SINGLE: lambda: measuring.seconds(lambda: _run_single(singles, steps)) / n_single,
    }
    samples = measuring.interleaved(variants, n_repeats)
    timesteps = scale.n_steps * scale.timesteps
    return {
        "learners": {VECTOR: n_learners, SINGLE: n_single},
        "seconds_a_learner": {name: measuring.summary(v) for name, v in samples.items()},
        "steps_per_second": {
            name: timesteps / statistics.median(values) for name, values in samples.items()
        },
        "speed_over_single": measuring.ratio(samples, SINGLE, VECTOR),
        "same_returns": returns[VECTOR][:n_single] == returns[SINGLE],
    }
