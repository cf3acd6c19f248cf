"""Random search over a few hyperparameters, with one environment for all trials.

The searched ones are inputs of the compiled program, so only the first trial compiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from ConfigSpace import ConfigurationSpace
from matplotlib.colors import LogNorm

import figures
from arlbench import AutoRLEnv
from arlbench.report.statistics import mean_interval

SCRIPT = "random_search"

# A schedule of one step: a trial is one training run with one configuration.
SETTINGS = {
    "env_name": "CartPole-v1",
    "n_envs": 8,
    "nas_config": {"activation": "relu"},
    "n_steps": 1,
    "n_total_timesteps": 32_768,
    "n_eval_steps": 1,
    "n_eval_episodes": 64,
}
QUICK = {"n_total_timesteps": 2048, "n_eval_episodes": 8}
# The number of trials, the seeds of each, and other seeds for the best one.
NUMBERS, QUICK_NUMBERS = (40, 3, 10), (5, 1, 2)

FIXED = {
    "buffer_batch_size": 64,
    "buffer_size": 50_000,
    "gradient_steps": 64,
    "learning_starts": 512,
    "tau": 0.3,
    "train_freq": 32,
}
SEARCHED = (
    "learning_rate",
    "gamma",
    "target_epsilon",
    "exploration_fraction",
    "target_update_interval",
)
SAMPLER_SEED = 1
N_SHOWN = 5


class Trial(NamedTuple):
    """A configuration and its results.

    Attributes:
        number: Its number, from 1.
        config: The searched hyperparameters.
        returns: Mean return of the last evaluation, for each seed.
        compile_seconds: Time of compilation.
        train_seconds: Time of the trainings.
    """

    number: int
    config: Mapping[str, Any]
    returns: np.ndarray
    compile_seconds: float
    train_seconds: float

    @property
    def mean(self) -> float:
        return float(self.returns.mean())


def searched_space(env: AutoRLEnv) -> ConfigurationSpace:
    """The part of the environment's space to search; ``env.action_space`` is the whole space."""
    space = ConfigurationSpace(seed=SAMPLER_SEED)
    space.add([env.config_space[name] for name in SEARCHED])
    return space


def evaluate(
    env: AutoRLEnv, config: Mapping[str, Any], seeds: Iterable[int], number: int = 0
) -> Trial:
    """Trains a new learner with a configuration, once for each seed."""
    returns, infos = [], []
    for seed in seeds:
        env.reset(seed=seed)
        _, objectives, _, _, info = env.step({**FIXED, **config})
        returns.append(objectives["reward_mean"])
        infos.append(info)
    return Trial(
        number,
        config,
        # A learner that diverged counts as having learnt nothing.
        np.nan_to_num(returns),
        sum(info["compile_seconds"] for info in infos),
        sum(info["train_seconds"] for info in infos),
    )


def search(env: AutoRLEnv, n_trials: int, seeds: Sequence[int]) -> list[Trial]:
    """Runs all trials, in the order in which they were sampled."""
    configs = map(dict, searched_space(env).sample_configuration(n_trials))
    return [evaluate(env, config, seeds, i) for i, config in enumerate(configs, 1)]


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda trial: trial.mean, reverse=True)


def short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2g}"


def table(trials: Sequence[Trial]) -> str:
    """A table with one row for each trial."""
    header = ["trial", "return", *SEARCHED, "compile s", "train s"]
    rows = [
        [
            str(trial.number),
            f"{trial.mean:.1f}",
            *(short(trial.config[name]) for name in SEARCHED),
            f"{trial.compile_seconds:.2f}",
            f"{trial.train_seconds:.2f}",
        ]
        for trial in trials
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, *rows]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def draw(trials: Sequence[Trial], again: np.ndarray) -> Any:
    """Draws the return of each trial, the best so far, and the best one with other seeds."""
    figure = figures.new_figure(7.6, 4.4)
    axes = figure.subplots()
    numbers = [trial.number for trial in trials]
    values = np.array([trial.mean for trial in trials])
    axes.step(
        numbers, np.maximum.accumulate(values), where="post", color=figures.ORANGE, lw=2,
        label="best so far",
    )  # fmt: skip
    axes.axhline(
        again.mean(), color=figures.GREY, lw=1.4, ls="--",
        label=f"best configuration, mean of {len(again)} other seeds",
    )  # fmt: skip
    rates = [trial.config["learning_rate"] for trial in trials]
    points = axes.scatter(
        numbers, values, c=rates, norm=LogNorm(1e-6, 1e-1), cmap="cividis", s=34,
        edgecolor="white", lw=0.6, zorder=3, label="trial, mean of its seeds",
    )  # fmt: skip
    figure.colorbar(points, label="learning rate", pad=0.02, aspect=30)
    axes.set_title("Random search for DQN on CartPole-v1", loc="left", fontsize=11)
    figures.calm(axes, "final return (mean of episodes)", "trial")
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def report(trials: Sequence[Trial], again: np.ndarray) -> None:
    """Prints the results."""
    best = ranked(trials)[0]
    print(f"The best {min(N_SHOWN, len(trials))} of {len(trials)} trials:\n")
    print(table(ranked(trials)[:N_SHOWN]))
    rest = sum(trial.compile_seconds for trial in trials[1:])
    print(
        f"\ncompile seconds: {trials[0].compile_seconds:.2f} in the first trial, {rest:.2f} in the "
        f"{len(trials) - 1} after it"
    )
    mean, low, high = mean_interval(again)
    print(
        f"the best configuration with {len(again)} other seeds: {mean:.1f} "
        f"(95 % interval {low:.1f} to {high:.1f}); in the search it had {best.mean:.1f}"
    )


def main() -> None:
    given = figures.arguments(SCRIPT, __doc__)
    env = AutoRLEnv({**SETTINGS, **(QUICK if given.quick else {})})
    n_trials, n_seeds, n_fresh = QUICK_NUMBERS if given.quick else NUMBERS
    trials = search(env, n_trials, range(n_seeds))
    # The best of many trials is partly lucky; new seeds show its true return.
    again = evaluate(env, ranked(trials)[0].config, range(n_seeds, n_seeds + n_fresh)).returns
    report(trials, again)
    figures.save(draw(trials, again), given.out, SCRIPT)


if __name__ == "__main__":
    main()
