"""Learning to configure: a small policy sets hyperparameters from the progress of learning.

The policy is a linear function from features of the learner to its learning rate and exploration
in the next step. The cross-entropy method finds its weights: each generation is one episode of a
vector environment, with a learner for each candidate and seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

import figures
from arlbench import AutoRLVectorEnv
from arlbench.report.statistics import mean_interval
from linear_policy import N_FEATURES, Episode, action, beside, constant, linear, play

SCRIPT = "learned_policy"

SETTINGS = {
    "env_name": "CartPole-v1",
    "n_envs": 8,
    "nas_config": {"activation": "relu"},
    "objectives": ["reward_auc"],
    "state_features": ["grad_info", "return_history"],
    "n_steps": 6,
    "n_total_timesteps": 4096,
    "n_eval_steps": 2,
    "n_eval_episodes": 16,
}
# log10 of the learning rate, and target_epsilon.
DEFAULTS = np.array([np.log10(3e-4), 0.05])

# Keeps the search from converging too early.
LEAST_SPREAD = 0.1
SEED = 0
FIRST_FRESH_SEED = 1000
COLORS = figures.BLUE, figures.ORANGE, figures.GREY


class Scale(NamedTuple):
    """The size of the search.

    Attributes:
        n_candidates: Policies in a generation.
        n_elite: The number of best policies from which the next generation is drawn.
        n_seeds: Learners for each policy.
        n_generations: Generations; each is one episode of the vector environment.
        n_fresh_seeds: Learners for the comparison at the end.
    """

    n_candidates: int = 12
    n_elite: int = 4
    n_seeds: int = 2
    n_generations: int = 10
    n_fresh_seeds: int = 16


QUICK_SCALE = Scale(n_candidates=3, n_elite=2, n_seeds=1, n_generations=2, n_fresh_seeds=2)
QUICK = {"n_steps": 2, "n_total_timesteps": 1024, "n_eval_episodes": 4}


class Generation(NamedTuple):
    """Scores of the candidates, ``[n_candidates]``, and of the defaults in the same episode."""

    scores: np.ndarray
    of_defaults: float


def learn(settings: Mapping[str, Any], scale: Scale) -> tuple[np.ndarray, list[Generation]]:
    """Runs the cross-entropy method, and returns its final weights, ``[2, N_FEATURES]``."""
    rng = np.random.default_rng(SEED)
    env = AutoRLVectorEnv((scale.n_candidates + 1) * scale.n_seeds, settings)
    mean, spread = np.zeros((2, N_FEATURES)), np.ones((2, N_FEATURES))
    generations = []
    for number in range(scale.n_generations):
        draws = rng.standard_normal((scale.n_candidates, 2, N_FEATURES))
        candidates = mean + spread * draws
        generations.append(try_out(env, candidates, scale.n_seeds, number))
        elite = candidates[np.argsort(generations[-1].scores)[-scale.n_elite :]]
        mean, spread = elite.mean(axis=0), np.maximum(elite.std(axis=0), LEAST_SPREAD)
    return mean, generations


def try_out(env: AutoRLVectorEnv, candidates: np.ndarray, n_seeds: int, number: int) -> Generation:
    """Runs one episode. All candidates have the same seeds; each generation has other seeds."""
    seeds = [*range(number * n_seeds, (number + 1) * n_seeds)] * (len(candidates) + 1)
    policy = linear(np.repeat(candidates, n_seeds, axis=0))
    # Some seeds are harder than others; the score of the defaults shows how hard these are.
    episode = play(env, beside(policy, constant(DEFAULTS), n_seeds), seeds)
    *scores, of_defaults = episode.scores.reshape(-1, n_seeds).mean(axis=1)
    print(
        f"generation {number + 1:2d}: mean {np.mean(scores):5.1f}, best {max(scores):5.1f}, "
        f"defaults {of_defaults:5.1f}; {episode.wall_seconds:4.1f} s, compile seconds "
        f"{episode.compile_seconds:.2f}",
        flush=True,
    )
    return Generation(np.array(scores), of_defaults)


def compare(settings: Mapping[str, Any], weights: np.ndarray, n_seeds: int) -> dict[str, Episode]:
    """Compares the learned policy with constant configurations, on new seeds."""
    env = AutoRLVectorEnv(n_seeds, settings)
    seeds = range(FIRST_FRESH_SEED, FIRST_FRESH_SEED + n_seeds)
    learned = play(env, linear(np.tile(weights, (n_seeds, 1, 1))), seeds)
    return {
        "learned policy": learned,
        # Shows whether the changes matter, or only the averages of the values.
        "constant, its average": play(env, constant(learned.values.mean(axis=(0, 1))), seeds),
        "constant, the defaults": play(env, constant(DEFAULTS), seeds),
    }


def report(episodes: Mapping[str, Episode]) -> None:
    """Prints the results."""
    learned = episodes["learned policy"].scores
    print(f"\nMean return over the schedule, {len(learned)} fresh seeds:")
    for name, episode in episodes.items():
        set_to = action(episode.values.mean(axis=(0, 1)))
        print(
            f"  {name:22s} {episode.scores.mean():6.1f}   learning rate "
            f"{set_to['learning_rate']:.2g}, target_epsilon {set_to['target_epsilon']:.3f}"
        )
    for name, episode in episodes.items():
        if name != "learned policy":
            print(f"learned policy - {name}: {verdict(learned - episode.scores)}")


def verdict(gains: np.ndarray) -> str:
    """The mean of the differences by seed, and whether it is clear."""
    mean, low, high = mean_interval(gains)
    said = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    return f"{mean:+.1f} (95 % interval {low:+.1f} to {high:+.1f}): {said}"


def draw(generations: Sequence[Generation], episodes: Mapping[str, Episode]) -> Any:
    """Draws the search on the left, and its result with fresh seeds on the right."""
    figure = figures.new_figure(9.6, 5.6)
    panels = figure.subplot_mosaic(
        [["search", "returns"], ["search", "rate"], ["search", "epsilon"]],
        height_ratios=[1.6, 1, 1],
    )
    draw_search(panels["search"], generations)
    for (name, episode), color in zip(episodes.items(), COLORS, strict=True):
        steps = np.arange(1, episode.returns.shape[1] + 1)
        figures.draw_seeds(panels["returns"], steps, episode.returns, color, name)
        draw_values(panels["rate"], steps, 10 ** episode.values[..., 0], color)
        draw_values(panels["epsilon"], steps, episode.values[..., 1], color)
    figures.by_orders_of_magnitude(panels["rate"])
    figures.calm(panels["returns"], "return")
    figures.calm(panels["rate"], "learning rate")
    figures.calm(panels["epsilon"], "target_epsilon", "step of the schedule")
    panels["returns"].legend(frameon=False, fontsize=9, loc="lower right")
    panels["returns"].set_title("With fresh seeds", loc="left", fontsize=11)
    panels["rate"].set_title("mean of the seeds, and faintly each", **figures.REMARK)
    for panel in panels.values():
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels["returns"].tick_params(labelbottom=False)
    panels["rate"].tick_params(labelbottom=False)
    figure.align_ylabels()
    return figure


def draw_values(axes: Any, steps: np.ndarray, values: np.ndarray, color: str) -> None:
    """Draws the chosen values ``[n_learners, n_steps]``: their mean, and faintly each learner."""
    axes.plot(steps, values.T, color=color, lw=0.8, alpha=0.25)
    axes.plot(steps, values.mean(axis=0), color=color, lw=2.2)


def draw_search(axes: Any, generations: Sequence[Generation]) -> None:
    """Draws every candidate's score, their mean, and the score of the defaults."""
    numbers = np.arange(1, len(generations) + 1)
    scores = np.array([generation.scores for generation in generations])
    axes.plot(numbers, scores, "o", ms=4, mew=0, alpha=0.4, color=COLORS[0])
    axes.plot([], [], "o", ms=4, mew=0, alpha=0.4, color=COLORS[0], label="candidate")
    axes.plot(numbers, scores.mean(axis=1), color=COLORS[0], lw=2.2, label="mean of candidates")
    of_defaults = [generation.of_defaults for generation in generations]
    axes.plot(numbers, of_defaults, color=COLORS[2], lw=2.2, ls="--", label="defaults, same seeds")
    axes.set_title("Cross-entropy method", loc="left", fontsize=11)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="lower right")
    figures.calm(axes, "objective: mean return over the schedule", "generation")


def main() -> None:
    given = figures.arguments(SCRIPT, __doc__)
    scale = QUICK_SCALE if given.quick else Scale()
    settings = {**SETTINGS, **(QUICK if given.quick else {})}
    weights, generations = learn(settings, scale)
    episodes = compare(settings, weights, scale.n_fresh_seeds)
    report(episodes)
    figures.save(draw(generations, episodes), given.out, SCRIPT)


if __name__ == "__main__":
    main()
