"""A schedule that reacts to the learner, compared with a constant configuration.

Exploration is reduced once the returns have passed a threshold. If the norms of the gradients
stagnate, the learning rate is raised for one step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import figures
from arlbench import AutoRLEnv
from arlbench.report.statistics import mean_interval

SCRIPT = "reactive_schedule"

# Without ``schedule_timesteps``, epsilon falls within the first step. In later steps it *is*
# ``target_epsilon``, so that changes of ``target_epsilon`` have an immediate effect.
SETTINGS = {
    "env_name": "CartPole-v1",
    "n_envs": 8,
    "nas_config": {"activation": "relu"},
    "state_features": ["grad_info", "return_history"],
    "n_steps": 24,
    "n_total_timesteps": 4096,
    "n_eval_steps": 2,
    "n_eval_episodes": 16,
}
QUICK = {"n_steps": 5, "n_total_timesteps": 1024, "n_eval_episodes": 4}
N_SEEDS, N_QUICK_SEEDS = 8, 2

CONSTANT = {
    "buffer_batch_size": 64,
    "buffer_size": 50_000,
    "exploration_fraction": 0.5,
    "gamma": 0.98,
    "gradient_steps": 64,
    "initial_epsilon": 1.0,
    "learning_rate": 3e-4,
    "learning_starts": 512,
    "target_epsilon": 0.2,
    "target_update_interval": 256,
    "tau": 0.3,
    "train_freq": 32,
}

THRESHOLD = 200.0
LOW_EPSILON = 0.02
SPIKE = 3e-3
WINDOW = 3
STAGNATION = 0.1


class Step(NamedTuple):
    """The hyperparameters of a step of the schedule, and its results.

    Attributes:
        epsilon: Its ``target_epsilon``.
        learning_rate: Its learning rate.
        final_return: Mean return of its last evaluation.
        grad_norm: Mean norm of its gradients.
        curve: Its learning curve, whose ``steps`` count from the start of the run.
        compile_seconds: Time of compilation.
    """

    epsilon: float
    learning_rate: float
    final_return: float
    grad_norm: float
    curve: pd.DataFrame
    compile_seconds: float


Run = list[Step]
Policy = Callable[[Sequence[Step]], dict[str, float]]


def constant(_: Sequence[Step]) -> dict[str, float]:
    return {}


def reactive(steps: Sequence[Step]) -> dict[str, float]:
    """The hyperparameters of the next step, from the results of earlier steps."""
    passed = any(step.final_return >= THRESHOLD for step in steps)
    return {
        "target_epsilon": LOW_EPSILON if passed else CONSTANT["target_epsilon"],
        "learning_rate": SPIKE if stagnates(steps[-WINDOW:]) else CONSTANT["learning_rate"],
    }


def stagnates(steps: Sequence[Step]) -> bool:
    """Whether the gradients' norms have hardly changed, in steps without a spike."""
    if len(steps) < WINDOW or any(step.learning_rate == SPIKE for step in steps):
        return False
    norms = np.array([step.grad_norm for step in steps])
    return bool(np.ptp(norms) <= STAGNATION * norms.mean())


def train(env: AutoRLEnv, policy: Policy, seed: int) -> Run:
    """Trains a new learner for a whole schedule."""
    env.reset(seed=seed)
    steps: Run = []
    truncated = False
    while not truncated:
        # Hyperparameters that an action leaves out keep their values.
        action = policy(steps) if steps else {**CONSTANT, **policy(steps)}
        obs, _, _, truncated, info = env.step(action)
        used = env.hpo_config
        steps.append(
            Step(
                epsilon=used["target_epsilon"],
                learning_rate=used["learning_rate"],
                final_return=float(obs["return_history"][len(steps)]),
                grad_norm=float(obs["grad_info"][0]),
                curve=since_the_beginning(info["train_info_df"], obs["steps"][1]),
                compile_seconds=info["compile_seconds"],
            )
        )
    return steps


def since_the_beginning(curve: pd.DataFrame, timesteps: int) -> pd.DataFrame:
    """A step's learning curve, with ``steps`` shifted to end at the run's ``timesteps``."""
    return curve.assign(steps=curve["steps"] + timesteps - curve["steps"].iloc[-1])


def joined(run: Run) -> pd.DataFrame:
    """The learning curve of a whole schedule."""
    return pd.concat([step.curve for step in run], ignore_index=True)


def returns(runs: Sequence[Run]) -> np.ndarray:
    """Mean return of each evaluation, ``[n_seeds, n_evaluations]``."""
    return np.array([joined(run)["returns"] for run in runs])


def draw(runs: dict[str, list[Run]]) -> Any:
    """Draws learning curves, and below them the learners' hyperparameters."""
    figure = figures.new_figure(7.6, 6.6)
    top, middle, bottom = figure.subplots(3, sharex=True, height_ratios=[3, 1, 1])
    for (name, of_seeds), color in zip(runs.items(), (figures.GREY, figures.BLUE), strict=True):
        steps = joined(of_seeds[0])["steps"].to_numpy()
        figures.draw_seeds(top, steps, returns(of_seeds), color, name)
        draw_values(middle, of_seeds, "epsilon", color)
        draw_values(bottom, of_seeds, "learning_rate", color)
    top.axhline(THRESHOLD, color="black", lw=1, ls=":", label="threshold of the reaction")
    top.set_title("A reactive schedule for DQN on CartPole-v1", loc="left", fontsize=11)
    top.legend(frameon=False, loc="lower right")
    top.set_ylim(bottom=0)
    middle.set_ylim(0, 0.22)
    figures.by_orders_of_magnitude(bottom)
    figures.calm(top, "return (mean of episodes)")
    figures.calm(middle, "exploration\n(target_epsilon)")
    middle.set_title("first seed, and faintly the others", **figures.REMARK)
    figures.calm(bottom, "learning rate")
    figures.count_timesteps(bottom)
    figure.align_ylabels()
    return figure


def draw_values(axes: Any, runs: Sequence[Run], name: str, color: str) -> None:
    """Draws a hyperparameter over time: for the first seed, and faintly for the others."""
    for seed, run in enumerate(runs):
        ends = [0, *(step.curve["steps"].iloc[-1] for step in run)]
        values = [getattr(step, name) for step in run]
        look = {"lw": 0.8, "alpha": 0.25} if seed else {"lw": 1.8}
        axes.stairs(values, ends, baseline=None, color=color, **look)


def report(runs: dict[str, list[Run]]) -> None:
    """Prints the results."""
    for name, of_seeds in runs.items():
        curves = returns(of_seeds)
        print(f"{name:>9}: mean return {curves.mean():.1f}, at the end {curves[:, -1].mean():.1f}")
    gains = returns(runs["reactive"]).mean(axis=1) - returns(runs["constant"]).mean(axis=1)
    mean, low, high = mean_interval(gains)
    print(f"reactive - constant: {mean:+.1f} (95 % interval {low:+.1f} to {high:+.1f})")
    spikes = [sum(step.learning_rate == SPIKE for step in run) for run in runs["reactive"]]
    print(f"spikes of the learning rate, by seed: {', '.join(map(str, spikes))}")
    every_run = [*runs["constant"], *runs["reactive"]]
    compiling = [step.compile_seconds for run in every_run for step in run]
    print(
        f"compile seconds: {compiling[0]:.2f} in the first step, {sum(compiling[1:]):.2f} in the "
        f"{len(compiling) - 1} after it"
    )


def main() -> None:
    given = figures.arguments(SCRIPT, __doc__)
    env = AutoRLEnv({**SETTINGS, **(QUICK if given.quick else {})})
    seeds = range(N_QUICK_SEEDS if given.quick else N_SEEDS)
    policies: dict[str, Policy] = {"constant": constant, "reactive": reactive}
    runs = {name: [train(env, policy, s) for s in seeds] for name, policy in policies.items()}
    report(runs)
    figures.save(draw(runs), given.out, SCRIPT)


if __name__ == "__main__":
    main()
