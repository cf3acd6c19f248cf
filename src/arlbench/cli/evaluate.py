"""``arlbench evaluate``: what trained agents earn."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from arlbench.core.algorithms.harness.evaluation import EpisodeOutcomes
    from arlbench.experiments.agents import StoredAgents
    from arlbench.report.statistics import MeanInterval


class _Asked(NamedTuple):
    """How the episodes are to be played."""

    n_episodes: int
    seed: int
    epsilon: float


class Row(NamedTuple):
    """What some agents earned in some episodes.

    Attributes:
        name: Of the agent, or ``all``.
        origin: What was loaded; empty for all.
        interval: Mean and 95 % interval of the return.
        over: What the interval is over, ``episodes`` or ``seeds``.
        outcomes: Of every episode.
    """

    name: str
    origin: str
    interval: MeanInterval
    over: str
    outcomes: EpisodeOutcomes


def evaluate(
    run: Path = typer.Argument(
        ..., metavar="RUN", help="A folder that a training made, or a checkpoint."
    ),
    episodes: int = typer.Option(100, help="Episodes of each agent."),
    seed: int = typer.Option(0, help="The seed of the episodes."),
    run_seed: int = typer.Option(
        None, help="Only the run's agent of this seed; by default those of all.", show_default=False
    ),
    epsilon: float = typer.Option(0.0, help="Probability of a random action."),
    as_json: bool = typer.Option(False, "--json", help="Print everything as JSON only."),
) -> None:
    """Measure trained agents: arlbench evaluate runs/CartPole-v1-001 --episodes 100"""
    asked = _checked(episodes, seed, epsilon)

    from arlbench.cli import display
    from arlbench.experiments.agents import find_agents

    stored = find_agents(run, run_seed)
    if not as_json:
        for note in stored.notes:
            display.notice(note)
    rows = _rows(stored, _play(stored, asked))
    if as_json:
        typer.echo(json.dumps(_as_json(run, stored, asked, rows)))
        return
    _print(run, stored, asked, rows)
    if note := _cap_note(rows):
        display.notice(note)


def _checked(episodes: int, seed: int, epsilon: float) -> _Asked:
    from arlbench.core.algorithms.declarations import probability
    from arlbench.core.checks import positive_whole, seed_in_range

    return _Asked(
        positive_whole("episodes", episodes),
        seed_in_range(seed),
        probability("epsilon", epsilon),
    )


def _play(stored: StoredAgents, asked: _Asked) -> list[EpisodeOutcomes]:
    """Plays the episodes of every agent in a thread, so that Ctrl-C is heard."""
    import jax
    import numpy as np

    from arlbench.cli.stopping import StoppableWork
    from arlbench.experiments.agents import load_agent
    from arlbench.experiments.playing import make_player

    algorithm = stored.make_algorithm(epsilon=asked.epsilon)
    # All of them before the first plays: a file may be damaged.
    states = [load_agent(algorithm, agent) for agent in stored.agents]
    play = make_player(algorithm, asked.n_episodes, greedy=asked.epsilon == 0)
    work = StoppableWork(
        lambda: [jax.tree.map(np.asarray, play(state, asked.seed)) for state in states]
    )
    work.start()
    outcomes = work.finish()
    if outcomes is None:
        # Something is still playing and cannot be stopped; there is nothing to keep.
        os._exit(128 + work.signal)
    return outcomes


def _rows(stored: StoredAgents, outcomes: list[EpisodeOutcomes]) -> list[Row]:
    """One for each agent, and one for all if there are several."""
    import jax
    import numpy as np

    from arlbench.report.statistics import mean_interval

    returns = [np.asarray(outcome.returns, np.float64) for outcome in outcomes]
    rows = [
        Row(agent.name, agent.origin, mean_interval(of_agent), "episodes", outcome)
        for agent, of_agent, outcome in zip(stored.agents, returns, outcomes, strict=True)
    ]
    if len(rows) > 1:
        together = jax.tree.map(lambda *of_agents: np.concatenate(of_agents), *outcomes)
        means = np.array([of_agent.mean() for of_agent in returns])
        rows.append(Row("all", "", mean_interval(means), "seeds", together))
    return rows


def _print(run: Path, stored: StoredAgents, asked: _Asked, rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    policy = f"epsilon {asked.epsilon:g}" if asked.epsilon else "greedy"
    console.print(
        f"[bold]{stored.env_spec.name}[/] ({stored.env_spec.framework}), "
        f"{asked.n_episodes} episodes each, {policy}, seed {asked.seed}"
    )
    console.print(f"{run}: {_origins(rows)}", soft_wrap=True, markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for column in ("return", "95 % interval", "median length", "min", "max"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    console.print(table)
    console.print(_explanation(rows), style="dim", soft_wrap=True)


def _origins(rows: list[Row]) -> str:
    """What was loaded."""
    agents = [row for row in rows if row.origin]
    names = ", ".join(row.name.removeprefix("seed ") for row in agents)
    if len(agents) > 1:
        return f"{agents[0].origin} of seeds {names}"
    row = agents[0]
    return row.origin if row.origin.startswith(row.name) else f"{row.origin}, {row.name}"


def _cells(row: Row) -> tuple[str, ...]:
    import numpy as np

    mean, low, high = row.interval
    returns, lengths = row.outcomes
    interval = "-" if math.isnan(low) else f"{low:.2f} to {high:.2f}"
    return (
        row.name,
        f"{mean:.2f}",
        interval,
        f"{np.median(lengths):g}",
        f"{returns.min():.2f}",
        f"{returns.max():.2f}",
    )


def _explanation(rows: list[Row]) -> str:
    if len(rows) == 1:
        return "The interval is over episodes: it is this agent's, not that of its algorithm."
    return "Intervals are over episodes in the row of a seed, and over seeds in the last one."


def _cap_note(rows: list[Row]) -> str:
    """A sentence about episodes that would not end; empty if all did."""
    from arlbench.core.algorithms.harness.evaluation import EPISODE_STEP_CAP

    n_cut = int((rows[-1].outcomes.lengths >= EPISODE_STEP_CAP).sum())
    return f"{n_cut} episodes were cut off after {EPISODE_STEP_CAP:,} steps." if n_cut else ""


def _as_json(run: Path, stored: StoredAgents, asked: _Asked, rows: list[Row]) -> dict[str, Any]:
    n_agents = len(stored.agents)
    return {
        "path": str(run),
        "env_spec": stored.env_spec.to_mapping(),
        "episodes": asked.n_episodes,
        "seed": asked.seed,
        "epsilon": asked.epsilon,
        "notes": list(stored.notes),
        "agents": [
            {
                **_row_as_json(row),
                "returns": [_number(value) for value in row.outcomes.returns.tolist()],
                "lengths": row.outcomes.lengths.tolist(),
            }
            for row in rows[:n_agents]
        ],
        "all": _row_as_json(rows[-1]),
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    import numpy as np

    mean, low, high = map(float, row.interval)
    return {
        "name": row.name,
        "parameters": row.origin,
        "return_mean": _number(mean),
        "interval": [_number(low), _number(high)],
        "interval_over": row.over,
        "return_min": _number(float(row.outcomes.returns.min())),
        "return_max": _number(float(row.outcomes.returns.max())),
        "length_median": float(np.median(row.outcomes.lengths)),
    }


def _number(value: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return value if math.isfinite(value) else None
