"""Plain and extended DQN in MinAtar with sticky actions, in a million steps.

python benchmarks/minatar.py                         Breakout and Freeway
python benchmarks/minatar.py Asterix Seaquest SpaceInvaders

The plain agent has the tuned values of ``arlbench train``: one gradient step for every 8 steps. The
extended one also has all components of ``ablation.py``. Actions are repeated with probability
0.1, as in Young and Tian (2019). Each agent is one call of ``arlbench train`` that continues if it
was interrupted; those that have ended are not run again. The results of other games stay as they
were written.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from pathlib import Path

import command_line
import reporting
from ablation import FULL, PLAIN, Task
from arlbench.report.statistics import MeanInterval, mean_interval

GAMES = ("Breakout", "Freeway", "Asterix", "Seaquest", "SpaceInvaders")

AGENTS = {"plain": PLAIN, "extended": FULL}

TASKS = {
    game: Task(
        f"{game}-MinAtar",
        timesteps=1_000_000,
        n_seeds=3,
        returns=(0, 20),
        options=("--wrap", "sticky_action:probability=0.1"),
    )
    for game in GAMES
}


def ended(folder: Path) -> dict[str, dict[str, MeanInterval]]:
    """Final returns by game: of the agents that have ended in the folder, and those kept."""
    kept = reporting.read_json("minatar").get("mean_low_high", {})
    found: dict[str, dict[str, MeanInterval]] = {}
    for game, agent in itertools.product(GAMES, AGENTS):
        if (returns := command_line.final_returns(folder / game / agent)) is not None:
            found.setdefault(game, {})[agent] = mean_interval(returns)
        elif agent in kept.get(game, {}):
            found.setdefault(game, {})[agent] = MeanInterval(*kept[game][agent])
    return found


def write(results: Mapping[str, Mapping[str, MeanInterval]]) -> None:
    """Writes the numbers and the table."""
    numbers = {
        game: {agent: [round(float(x), 2) for x in interval] for agent, interval in agents.items()}
        for game, agents in results.items()
    }
    reporting.write_json("minatar", {"mean_low_high": numbers})
    rows = [
        [game, *(reporting.interval(agents.get(agent), 1) for agent in AGENTS)]
        for game, agents in results.items()
    ]
    text = (
        "# MinAtar with sticky actions\n\n"
        "Final returns after a million steps, with 95 % intervals of the mean over three seeds "
        "(Student's t). Written by `python benchmarks/minatar.py`.\n\n"
    )
    table = reporting.markdown_table(["game", *AGENTS], rows)
    (reporting.RESULTS / "minatar.md").write_text(text + table + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("games", nargs="*", default=["Breakout", "Freeway"], metavar="GAME")
    parser.add_argument("--folder", type=Path, default=Path("runs/minatar"))
    arguments = parser.parse_args()
    if unknown := set(arguments.games) - set(GAMES):
        parser.error(f"unknown games: {', '.join(sorted(unknown))}; known are {', '.join(GAMES)}.")
    for game in arguments.games:
        for name, agent in AGENTS.items():
            final = TASKS[game].run(agent, arguments.folder / game / name)
            print(game, name, final.round(2), flush=True)
            write(ended(arguments.folder))


if __name__ == "__main__":
    main()
