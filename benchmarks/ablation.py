"""Which improvements of DQN matter where: each added to a plain agent, or removed from a full one.

python benchmarks/ablation.py                        everything, in hours
python benchmarks/ablation.py --only cartpole        some tasks, or TASK/AGENT as in doorkey/+noisy

The plain agent has the environment's tuned values; the full one has all components. Each agent
is one call of ``arlbench train``, which continues if it was interrupted, and those that have ended
are not run again, so the work can be spread over days. Folders are in ``--folder``; the table is in
``results/ablation.md`` and the figure in ``results/ablation.png``. What was written there before
stays until it is measured again, so the work can also be spread over machines.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

import command_line
import reporting
from arlbench.report.statistics import MeanInterval, mean_interval

#: What each component sets; values are those of its paper.
COMPONENTS: Mapping[str, Mapping[str, Any]] = {
    "double": {"double_q": "true"},
    "n-step": {"n_step": 3},
    "prioritised": {
        "buffer_prio_sampling": "true",
        "buffer_alpha": 0.5,
        "buffer_beta": 0.4,
        "buffer_beta_anneal": 1,
    },
    "dueling": {"dueling": "true"},
    "distribution": {"distribution": "categorical"},
    "noisy": {"noisy": "true", "initial_epsilon": 0, "target_epsilon": 0},
    "Munchausen": {"munchausen_alpha": 0.9, "munchausen_temperature": 0.03},
}

PLAIN, FULL = "plain", "full"


class Task(NamedTuple):
    """Where agents are compared.

    Attributes:
        env: The environment.
        timesteps: Environment steps of each seed.
        n_seeds: Seeds of each agent.
        returns: The range of its discounted returns, for the atoms of a distribution.
        plain: What the plain agent sets; components take precedence.
        options: More options of the command line.
    """

    env: str
    timesteps: int
    n_seeds: int
    returns: tuple[float, float]
    plain: Mapping[str, Any] = {}
    options: tuple[str, ...] = ()

    def settings(self, agent: str) -> list[str]:
        """What an agent sets here, as words of the command line."""
        chosen = dict(self.plain)
        for name in components_of(agent):
            chosen |= COMPONENTS[name]
        if "distribution" in chosen:
            low, high = self.returns
            chosen |= {"v_min": low, "v_max": high}
        return [f"{name}={value}" for name, value in chosen.items()]

    def run(self, agent: str, out: Path) -> np.ndarray:
        """Final returns of an agent's seeds ``[n_seeds]``, trained in the folder ``out``."""
        lengths = [f"--timesteps={self.timesteps}", f"--seeds={self.n_seeds}", "--evaluations=10"]
        words = [self.env, *self.settings(agent), *lengths, "--eval-episodes=20", *self.options]
        return command_line.trained(out, words)


# The tuned values of "arlbench train" use some of the components, so the plain agent has its own.
_PLAIN_DOORKEY = {
    "activation": "relu",
    "buffer_size": 100_000,
    "buffer_batch_size": 32,
    "exploration_fraction": 0.1368,
    "gamma": 0.9063,
    "gradient_steps": 1,
    "learning_rate": 1.3502e-3,
    "learning_starts": 1_000,
    "target_epsilon": 0.1305,
    "target_update_interval": 1_018,
    "train_freq": 1,
}

TASKS = {
    "cartpole": Task("CartPole-v1", 100_000, 10, (0, 100)),
    "doorkey": Task(
        "MiniGrid-DoorKey-5x5", 300_000, 10, (0, 1), _PLAIN_DOORKEY, ("--defaults", "--n-envs=4")
    ),
    "breakout": Task("Breakout-MinAtar", 300_000, 5, (0, 20)),
}


class Training(NamedTuple):
    """One agent in one task."""

    task: str
    agent: str

    @property
    def name(self) -> str:
        """Its name for ``--only``."""
        return f"{self.task}/{self.agent}"


def agents() -> list[str]:
    """The plain agent and what is added to it, then the full agent and what is removed from it."""
    added, removed = ([f"{sign}{name}" for name in COMPONENTS] for sign in "+-")
    return [PLAIN, *added, FULL, *removed]


def components_of(agent: str) -> list[str]:
    """The components of an agent."""
    if agent in {PLAIN, FULL}:
        return list(COMPONENTS) if agent == FULL else []
    sign, name = agent[0], agent[1:]
    return [name] if sign == "+" else [other for other in COMPONENTS if other != name]


def ended(folder: Path) -> Iterator[tuple[Training, MeanInterval]]:
    """Every training run that has ended: those in the folder, and others whose results are kept."""
    kept = reporting.read_json("ablation").get("mean_low_high", {})
    for training in (Training(task, agent) for task in TASKS for agent in agents()):
        if (found := command_line.final_returns(folder / training.name)) is not None:
            yield training, mean_interval(found)
        elif training.name in kept:
            yield training, MeanInterval(*kept[training.name])


def write(results: Mapping[Training, MeanInterval]) -> None:
    """Writes the numbers, the table and the figure."""
    numbers = {
        training.name: [round(float(x), 4) for x in found] for training, found in results.items()
    }
    reporting.write_json("ablation", {"mean_low_high": numbers})
    tasks = [task for task in TASKS if any(training.task == task for training in results)]
    rows = [
        [agent, *(reporting.interval(results.get(Training(t, agent)), 2) for t in tasks)]
        for agent in agents()
    ]
    text = (
        "# Which improvements of DQN matter where\n\n"
        "Final returns with 95 % intervals of the mean over seeds (Student's t): each component "
        "added to the plain agent, and removed from the one with all of them. Written by "
        "`python benchmarks/ablation.py`.\n\n"
    )
    described = [f"{TASKS[t].env}, {TASKS[t].n_seeds} seeds" for t in tasks]
    table = reporting.markdown_table(["agent", *described], rows)
    (reporting.RESULTS / "ablation.md").write_text(text + table + "\n")
    draw(results, tasks).savefig(reporting.RESULTS / "ablation.png", dpi=120)


def draw(results: Mapping[Training, MeanInterval], tasks: Sequence[str]) -> Figure:
    """One panel for each task: the mean and interval of each agent."""
    figure = Figure(figsize=(3.4 * len(tasks) + 1, 4.6), layout="constrained")
    panels = figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
    names = agents()
    for panel, task in zip(panels, tasks, strict=True):
        for i, agent in enumerate(names):
            if (found := results.get(Training(task, agent))) is not None:
                colour = "#1f6feb" if i < len(names) // 2 else "#d9480f"
                panel.plot([found.low, found.high], [i, i], color=colour, lw=1.5)
                panel.plot(found.mean, i, "o", color=colour, ms=5)
        panel.set_title(TASKS[task].env, fontsize=9, loc="left")
        panel.set_xlabel("final return", fontsize=9)
        panel.grid(axis="x", alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)  # the first agent at the top
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="TASK or TASK/AGENT, several with commas")
    parser.add_argument("--folder", type=Path, default=Path("runs/ablation"))
    arguments = parser.parse_args()
    words = [word for word in arguments.only.split(",") if word]
    every = [Training(task, agent) for task in TASKS for agent in agents()]
    wanted = [t for t in every if not words or {t.task, t.name} & set(words)]
    if not wanted:
        parser.error(f"--only names no training; tasks are {', '.join(TASKS)}.")
    for training in wanted:
        final = TASKS[training.task].run(training.agent, arguments.folder / training.name)
        print(training.name, final.mean().round(3), flush=True)
        write(dict(ended(arguments.folder)))


if __name__ == "__main__":
    main()
