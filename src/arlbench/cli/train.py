"""``arlbench train``: train DQN over seeds and keep what came of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from arlbench.cli.arguments import parse_env_kwargs, split_words

if TYPE_CHECKING:
    from arlbench.runs.run import RunResult
    from arlbench.runs.settings import RunSettings

DEFAULT_ENV = "CartPole-v1"

_INTERRUPTED = 130


def train(
    words: list[str] = typer.Argument(
        None, metavar="[ENV] [KEY=VALUE ...]", help="An environment, and hyperparameters."
    ),
    timesteps: float = typer.Option(100_000, help="Environment steps of each seed, such as 1e5."),
    seeds: int = typer.Option(3, help="How many seeds to train."),
    seed: int = typer.Option(0, help="The first seed."),
    out: Path = typer.Option(None, help="The run's folder; by default the next in runs/."),
    n_envs: int = typer.Option(8, help="Environments that step together."),
    evaluations: int = typer.Option(20, help="Evaluations of each seed."),
    eval_episodes: int = typer.Option(32, help="Episodes of each evaluation."),
    framework: str = typer.Option("gymnax", help="The library that provides the environment."),
    env_kwargs: str = typer.Option("{}", help="Settings of the environment, as JSON."),
    defaults: bool = typer.Option(
        False, "--defaults", help="Begin with the space's defaults, not with tuned values."
    ),
    memory_limit: float = typer.Option(4.0, help="Refuse runs that would take more, in GiB."),
    quiet: bool = typer.Option(False, "--quiet", help="Print nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the summary as JSON only."),
) -> None:
    """Train DQN: arlbench train CartPole-v1 learning_rate=1e-3 hidden_size=128"""
    started = time.perf_counter()
    env_name, overrides = split_words(words or [], DEFAULT_ENV)
    settings_kwargs = parse_env_kwargs(env_kwargs)

    from arlbench.cli import display
    from arlbench.core.environments import EnvSpec
    from arlbench.runs.folder import RunFolder, next_folder
    from arlbench.runs.settings import resolve

    settings = resolve(
        EnvSpec(framework, env_name, n_envs, settings_kwargs),
        overrides,
        first_seed=seed,
        n_seeds=seeds,
        n_total_timesteps=timesteps,
        n_eval_steps=evaluations,
        n_eval_episodes=eval_episodes,
        memory_limit_gib=memory_limit,
        tuned=not defaults,
    )
    folder = RunFolder(out if out is not None else next_folder(Path("runs"), env_name))
    talkative = not (quiet or as_json)
    if talkative:
        display.header(settings, folder.path)
    result = _train(settings, folder, talkative, time.perf_counter() - started)
    if result is None:
        # Something is still compiling and cannot be stopped; nothing of it is to be saved.
        if not quiet:
            display.interrupted(folder.path, (folder.path / "evaluations.csv").exists())
        os._exit(_INTERRUPTED)
    if as_json:
        typer.echo(json.dumps(json.loads((folder.path / "summary.json").read_text())))
    if result.status == "interrupted":
        if not quiet:
            display.interrupted(folder.path, bool(result.returns))
        raise typer.Exit(_INTERRUPTED)


def _train(
    settings: RunSettings, folder: Any, talkative: bool, start_up: float
) -> RunResult | None:
    """Trains in a thread, shows progress, draws the curve; None if it did not stop in time."""
    from arlbench.cli import display
    from arlbench.cli.stopping import StoppableWork
    from arlbench.runs.run import Run

    with display.progress_bar(settings, talkative) as show:
        work = StoppableWork(
            lambda: Run(settings, folder, lambda p: show(p) or work.stop.is_set()).train()
        )
        work.start()
        # Drawing needs slow imports; they happen here while the other thread compiles.
        from arlbench.report import learning_curve

        result = work.finish()
    if result is None:
        return None
    learning_curve.draw(folder.path)
    if talkative:
        display.closing_table(result, start_up, folder.path)
    return result
