"""``arlbench play``: makes a film of a trained agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from arlbench.errors import ConfigurationError

if TYPE_CHECKING:
    from arlbench.experiments.agents import StoredAgents
    from arlbench.experiments.playing import WatchedEpisode
    from arlbench.report.film import Reel

# GIF files count time in hundredths of a second, and viewers do not show frames that fast.
_MAX_FPS = 50


class _Asked(NamedTuple):
    """What to show."""

    n_episodes: int
    max_steps: int
    seed: int
    fps: int | None
    talkative: bool


def play(
    run: Path = typer.Argument(..., metavar="RUN", help="The folder of a run, or a checkpoint."),
    episodes: int = typer.Option(1, help="How many episodes to play."),
    film_format: str = typer.Option(
        None,
        "--format",
        help="gif, mp4 or png (a sheet of stills); by default as in --out, or gif.",
    ),
    seed: int = typer.Option(0, help="The seed of the episodes."),
    run_seed: int = typer.Option(
        None, help="The agent trained with this seed; by default the first.", show_default=False
    ),
    out: Path = typer.Option(
        None, help="The film's file; by default play.gif in the run's folder."
    ),
    max_steps: int = typer.Option(500, help="Cut an episode off after this many steps."),
    fps: int = typer.Option(
        None, help="Frames per second; by default fewer for short episodes.", show_default=False
    ),
    quiet: bool = typer.Option(False, "--quiet", help="Print nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the results as JSON only."),
) -> None:
    """Watch a trained agent: arlbench play runs/CartPole-v1-001 --episodes 3"""
    asked = _checked(episodes, max_steps, seed, fps, talkative=not (quiet or as_json))

    from arlbench.cli import display
    from arlbench.experiments.agents import find_agents
    from arlbench.report import film

    stored = find_agents(run, run_seed)
    chosen = film.choose_format(film_format, out)
    path = out or stored.film.with_name(f"{stored.film.name}.{chosen}")
    film.check_writable(path, chosen)
    if asked.talkative:
        for note in stored.notes:
            display.notice(note)
    try:
        reel, watched = _watch(stored, asked)
        film.write(path, reel, chosen, asked.fps or film.frames_per_second(reel))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if asked.talkative:
        _print(stored, watched, path)
    if as_json:
        typer.echo(json.dumps(_as_json(stored, watched, asked, path)))


def _checked(episodes: int, max_steps: int, seed: int, fps: int | None, talkative: bool) -> _Asked:
    from arlbench.core.checks import positive_whole, seed_in_range

    if fps is not None and positive_whole("--fps", fps) > _MAX_FPS:
        raise ConfigurationError(f"--fps must be at most {_MAX_FPS}, not {fps}.")
    return _Asked(
        positive_whole("--episodes", episodes),
        positive_whole("--max-steps", max_steps),
        seed_in_range(seed),
        fps,
        talkative,
    )


def _watch(stored: StoredAgents, asked: _Asked) -> tuple[Reel, list[WatchedEpisode]]:
    """Plays and draws the episodes of the first agent."""
    from rich.console import Console

    from arlbench.experiments.agents import load_agent
    from arlbench.experiments.playing import watch
    from arlbench.report.film import Reel

    algorithm = stored.make_algorithm(n_envs=1)
    runner_state = load_agent(algorithm, stored.agents[0])
    reel = Reel()
    watched: list[WatchedEpisode] = []
    console = Console(stderr=True, quiet=not asked.talkative)
    with console.status("compiling") as status:

        def on_frame(frame: Any) -> None:
            reel.add(frame)
            status.update(f"episode {len(watched) + 1} of {asked.n_episodes}, frame {len(reel)}")

        for episode in watch(
            algorithm, runner_state, asked.seed, asked.n_episodes, asked.max_steps, on_frame
        ):
            reel.end_episode()
            watched.append(episode)
    return reel, watched


def _print(stored: StoredAgents, watched: list[WatchedEpisode], path: Path) -> None:
    from rich.markup import escape

    from arlbench.cli import results

    console = results.console()
    agent = stored.agents[0]
    console.print(
        f"[bold]{escape(stored.env_spec.name)}[/], {escape(f'{agent.name}: {agent.origin}')}",
        soft_wrap=True,
    )
    for number, episode in enumerate(watched, start=1):
        cut = "" if episode.ended else ", cut off there"
        console.print(
            f"episode {number}: return {episode.episode_return:.2f}, {episode.length} steps{cut}"
        )
    console.print(f"film: {path}", soft_wrap=True, markup=False)


def _as_json(
    stored: StoredAgents, watched: list[WatchedEpisode], asked: _Asked, path: Path
) -> dict[str, Any]:
    return {
        "film": str(path),
        "name": stored.agents[0].name,
        "parameters": stored.agents[0].origin,
        "seed": asked.seed,
        "episodes": [
            {"return": e.episode_return, "length": e.length, "ended": e.ended} for e in watched
        ],
    }
