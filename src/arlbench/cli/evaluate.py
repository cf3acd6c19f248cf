"""``arlbench evaluate``: measures the returns of trained agents."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from arlbench.core.text_values import count
from arlbench.report.numbers import finite_or_none

if TYPE_CHECKING:
    from arlbench.core.algorithms.harness.evaluation import EpisodeOutcomes
    from arlbench.experiments.agents import StoredAgents
    from arlbench.report.statistics import MeanInterval


# Returns of this size or more are shown without decimals.
_LARGE = 100_000


class _Asked(NamedTuple):
    """How to play the episodes."""

    n_episodes: int
    seed: int
    epsilon: float


class Row(NamedTuple):
    """The results of some agents in some episodes.

    Attributes:
        name: The agent's name, or ``all``.
        origin: What was loaded; empty for ``all``.
        spread: Mean return and its 95 % interval, or the range of fewer than four samples.
        over: What the samples are, ``episodes`` or ``seeds``.
        n_samples: The number of samples.
        outcomes: The outcomes of every episode.
    """

    name: str
    origin: str
    spread: MeanInterval
    over: str
    n_samples: int
    outcomes: EpisodeOutcomes


def evaluate(
    run: Path = typer.Argument(..., metavar="RUN", help="The folder of a run, or a checkpoint."),
    episodes: int = typer.Option(100, help="Episodes of each agent."),
    seed: int = typer.Option(0, help="The seed of the episodes."),
    run_seed: int = typer.Option(
        None,
        help="Only the agent trained with this seed; by default those of all seeds.",
        show_default=False,
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
        positive_whole("--episodes", episodes),
        seed_in_range(seed),
        probability("--epsilon", epsilon),
    )


def _play(stored: StoredAgents, asked: _Asked) -> list[EpisodeOutcomes]:
    """Plays the episodes of every agent in a thread, so that Ctrl-C works at any time."""
    import jax
    import numpy as np

    from arlbench.cli.stopping import StoppableWork
    from arlbench.experiments.agents import load_agent
    from arlbench.experiments.playing import make_player

    algorithm = stored.make_algorithm(epsilon=asked.epsilon)
    # All are loaded before the first one plays, because a file may be damaged.
    states = [load_agent(algorithm, agent) for agent in stored.agents]
    play = make_player(algorithm, asked.n_episodes, greedy=asked.epsilon == 0)
    work = StoppableWork(
        lambda: [jax.tree.map(np.asarray, play(state, asked.seed)) for state in states]
    )
    work.start()
    outcomes = work.finish()
    if outcomes is None:
        work.leave(at_once=True)
    return outcomes


def _rows(stored: StoredAgents, outcomes: list[EpisodeOutcomes]) -> list[Row]:
    """One row for each agent, and one for all of them if there are several."""
    import jax
    import numpy as np

    from arlbench.report.statistics import spread

    returns = [np.asarray(outcome.returns, np.float64) for outcome in outcomes]
    rows = [
        Row(agent.name, agent.origin, spread(of_agent), "episodes", len(of_agent), outcome)
        for agent, of_agent, outcome in zip(stored.agents, returns, outcomes, strict=True)
    ]
    if len(rows) > 1:
        together = jax.tree.map(lambda *of_agents: np.concatenate(of_agents), *outcomes)
        means = np.array([of_agent.mean() for of_agent in returns])
        rows.append(Row("all", "", spread(means), "seeds", len(means), together))
    return rows


def _print(run: Path, stored: StoredAgents, asked: _Asked, rows: list[Row]) -> None:
    from rich.markup import escape

    from arlbench.cli import results, tables

    console = results.console()
    policy = f"epsilon {asked.epsilon:g}" if asked.epsilon else "greedy"
    console.print(
        f"[bold]{escape(stored.env_spec.name)}[/] ({stored.env_spec.framework}), "
        f"{count(asked.n_episodes, 'episode')} each, {policy}, seed {asked.seed}"
    )
    console.print(f"{run}: {_origins(rows)}", soft_wrap=True, markup=False)
    # In a terminal, the rightmost columns are left out if they do not fit.
    cells = _table(rows)
    n_columns = tables.fitting(cells, results.width())
    title, *lines = tables.lines([row[:n_columns] for row in cells], range(1, len(cells[0])))
    results.say([title], "bold")
    results.say(lines)
    results.say([_explanation(rows)], "dim")


def _origins(rows: list[Row]) -> str:
    """What was loaded, in words."""
    agents = [row for row in rows if row.origin]
    if len(agents) == 1:
        row = agents[0]
        return row.origin if row.origin.startswith(row.name) else f"{row.origin}, {row.name}"
    # The seeds of a run that was stopped may have different numbers of steps.
    seeds: dict[str, list[str]] = {}
    for row in agents:
        seeds.setdefault(row.origin, []).append(row.name.removeprefix("seed "))
    return "; ".join(
        f"{origin} of seed{'s' if len(names) > 1 else ''} {', '.join(names)}"
        for origin, names in seeds.items()
    )


def _table(rows: list[Row]) -> list[tuple[str, ...]]:
    """A header and a line for each row."""
    header = ("", "return", _name_of_spreads(rows), "median length", "min", "max")
    return [header, *(_cells(row) for row in rows)]


def _cells(row: Row) -> tuple[str, ...]:
    import numpy as np

    mean, low, high = map(float, row.spread)
    returns, lengths = row.outcomes
    return (
        row.name,
        _short(mean),
        "-" if math.isnan(low) else f"{_short(low)} to {_short(high)}",
        f"{np.median(lengths):g}",
        _short(float(returns.min())),
        _short(float(returns.max())),
    )


def _short(value: float) -> str:
    """A return with two decimals, or six digits of a large one."""
    return f"{value:.2f}" if abs(value) < _LARGE else f"{value:.6g}"


def _name_of_spreads(rows: list[Row]) -> str:
    """The name of the two values in the rows: an interval or a range."""
    from arlbench.report.statistics import spread_name

    names = {spread_name(row.n_samples, row.over) for row in rows}
    return names.pop() if len(names) == 1 else "interval"


def _explanation(rows: list[Row]) -> str:
    from arlbench.report.statistics import LEAST_FOR_INTERVAL

    few = 1 < rows[-1].n_samples < LEAST_FOR_INTERVAL
    if len(rows) == 1:
        what = "range" if few else "interval"
        return f"The {what} is over episodes of this agent; it says nothing about other seeds."
    if few:
        return (
            "In the row of a seed, the 95 % interval is over episodes; the last row has the range "
            "of the seeds' means."
        )
    return "In the row of a seed, the interval is over episodes; in the last row, over seeds."


def _cap_note(rows: list[Row]) -> str:
    """A sentence about episodes that were cut off; empty if all of them ended."""
    from arlbench.core.algorithms.harness.evaluation import EPISODE_STEP_CAP

    n_cut = int((rows[-1].outcomes.lengths >= EPISODE_STEP_CAP).sum())
    was = "was" if n_cut == 1 else "were"
    cut = f"{count(n_cut, 'episode')} {was} cut off after {EPISODE_STEP_CAP:,} steps."
    return cut if n_cut else ""


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
                "returns": [finite_or_none(value) for value in row.outcomes.returns.tolist()],
                "lengths": row.outcomes.lengths.tolist(),
            }
            for row in rows[:n_agents]
        ],
        "all": _row_as_json(rows[-1]),
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    import numpy as np

    from arlbench.report.statistics import spread_name

    mean, low, high = map(float, row.spread)
    return {
        "name": row.name,
        "parameters": row.origin,
        "return_mean": finite_or_none(mean),
        "interval": [finite_or_none(low), finite_or_none(high)],
        "interval_kind": spread_name(row.n_samples, row.over),
        "interval_over": row.over,
        "return_min": finite_or_none(float(row.outcomes.returns.min())),
        "return_max": finite_or_none(float(row.outcomes.returns.max())),
        "length_median": float(np.median(row.outcomes.lengths)),
    }
