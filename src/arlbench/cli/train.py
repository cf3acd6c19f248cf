"""``arlbench train``: train DQN over seeds and keep what came of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import typer

from arlbench.cli.arguments import (
    FRAMEWORK,
    WRAP,
    network_option,
    parse_env_kwargs,
    parse_wrappers,
    refuse_beside_resume,
    split_words,
)

if TYPE_CHECKING:
    from arlbench.cli.stopping import StoppableWork
    from arlbench.runs.folder import RunFolder
    from arlbench.runs.run import RunResult
    from arlbench.runs.saving import Saving
    from arlbench.runs.settings import RunSettings

DEFAULT_ENV = "CartPole-v1"

# What may stand beside --resume; all else was decided when the run began.
_WITH_RESUME = {"resume", "checkpoint_every", "keep", "quiet", "as_json"}


class _Job(NamedTuple):
    """What is to be trained, and how to talk about it."""

    settings: RunSettings
    folder: RunFolder
    saving: Saving
    resumed: bool
    quiet: bool
    as_json: bool

    @property
    def talkative(self) -> bool:
        return not (self.quiet or self.as_json)

    def notice(self, sentence: str) -> None:
        """Tells the user something that went otherwise than planned."""
        from arlbench.cli import display

        if not self.quiet:
            display.notice(sentence)


def train(
    context: typer.Context,
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
    framework: str = FRAMEWORK,
    env_kwargs: str = typer.Option("{}", help="Settings of the environment, as JSON."),
    wrap: list[str] = WRAP,
    cnn_policy: bool = network_option(None, "tuned, or plain"),
    defaults: bool = typer.Option(
        False, "--defaults", help="Begin with the space's defaults, not with tuned values."
    ),
    memory_limit: float = typer.Option(4.0, help="Refuse runs that would take more, in GiB."),
    resume: Path = typer.Option(
        None, metavar="RUN", help="Continue the run in this folder, as if it had not stopped."
    ),
    checkpoint_every: float = typer.Option(
        60.0, help="Seconds between two checkpoints; 0 writes one only when the run is stopped."
    ),
    keep: int = typer.Option(2, help="How many checkpoints to keep."),
    quiet: bool = typer.Option(False, "--quiet", help="Print nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the summary as JSON only."),
) -> None:
    """Train DQN: arlbench train CartPole-v1 learning_rate=1e-3 hidden_size=128"""
    started = time.perf_counter()
    if resume is not None:
        refuse_beside_resume(context, _WITH_RESUME)
    saving = _checked_saving(checkpoint_every, keep)
    if resume is not None:
        settings, folder, note = _reopen(resume)
    else:
        asked = {
            "first_seed": seed,
            "n_seeds": seeds,
            "n_total_timesteps": timesteps,
            "n_eval_steps": evaluations,
            "n_eval_episodes": eval_episodes,
            "memory_limit_gib": memory_limit,
            "tuned": not defaults,
            "cnn_policy": cnn_policy,
        }
        env = {"framework": framework, "n_envs": n_envs, "env_kwargs": env_kwargs, "wrap": wrap}
        settings, folder, note = _begin(words or [], env, out, asked)
    job = _Job(settings, folder, saving, resume is not None, quiet, as_json)
    with folder:
        if note:
            job.notice(note)
        _run(job, started)


def _checked_saving(every_seconds: float, keep: int) -> Saving:
    from arlbench.runs.saving import Saving

    return Saving.checked(every_seconds, keep)


def _begin(
    words: list[str], env: dict[str, Any], out: Path | None, asked: dict[str, Any]
) -> tuple[RunSettings, RunFolder, str]:
    """The settings and the folder of a new run."""
    env_name, overrides = split_words(words, DEFAULT_ENV)
    kwargs, wrappers = parse_env_kwargs(env["env_kwargs"]), parse_wrappers(env["wrap"] or [])

    from arlbench.core.environments import EnvSpec, find_framework
    from arlbench.runs.folder import RunFolder, next_folder
    from arlbench.runs.settings import resolve

    framework = env["framework"] or find_framework(env_name)
    spec = EnvSpec(framework, env_name, env["n_envs"], kwargs, wrappers=wrappers)
    settings = resolve(spec, overrides, **asked)
    folder = RunFolder(out or next_folder(Path("runs"), env_name))
    folder.write_settings(settings)
    return settings, folder, ""


def _reopen(path: Path) -> tuple[RunSettings, RunFolder, str]:
    """The settings and the folder of an earlier run, and what has changed since."""
    from arlbench.runs.folder import RunFolder

    folder = RunFolder.reopen(path)
    settings, note = folder.read_settings()
    return settings, folder, note


def _run(job: _Job, started: float) -> None:
    """Trains what is left of a run, and says what came of it."""
    from arlbench.cli import display

    if job.folder.is_finished():
        job.notice(f"The run in {job.folder.path} is finished; nothing is left to do.")
    else:
        if job.talkative:
            display.header(job.settings, job.folder.path)
        result, work = _train(job, started)
        if result is None or result.status == "interrupted":
            if not job.quiet:
                display.interrupted(job.folder.path)
            _leave(128 + work.signal, at_once=result is None)
    if job.as_json:
        typer.echo(json.dumps(job.folder.read_summary()))


def _leave(code: int, at_once: bool) -> NoReturn:
    if at_once:
        # Something is still compiling and cannot be stopped; nothing of it is to be saved.
        os._exit(code)
    raise typer.Exit(code)


def _train(job: _Job, started: float) -> tuple[RunResult | None, StoppableWork]:
    """Trains in a thread, shows progress, draws the curve; no result if it did not stop."""
    from arlbench.cli import display
    from arlbench.cli.stopping import StoppableWork
    from arlbench.runs.run import train_run

    start_up = time.perf_counter() - started
    with display.progress_bar(job.settings, job.talkative) as show:
        work = StoppableWork(
            lambda: train_run(
                job.settings,
                job.folder,
                job.saving,
                on_progress=lambda progress: show(progress) or work.wants_to_stop(),
                on_notice=job.notice,
                resumed=job.resumed,
            )
        )
        work.start()
        # Drawing needs slow imports; they happen here while the other thread compiles.
        from arlbench.report import learning_curve

        result = work.finish()
    if result is not None:
        try:
            learning_curve.draw(job.folder.path)
        except OSError as error:
            job.notice(f"The learning curve could not be drawn ({error.strerror or error}).")
        if job.talkative:
            display.closing_table(result, start_up, job.folder.path)
    return result, work
