"""``arlbench train``: trains several seeds and keeps the results."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from arlbench.cli.arguments import (
    ALGORITHM,
    FRAMEWORK,
    RAY,
    WRAP,
    network_option,
    parse_algorithm_options,
    parse_env_kwargs,
    parse_wrappers,
    refuse_with_resume,
    required_environment,
    split_words,
    start_workers,
)
from arlbench.cli.options import (
    AGENT,
    ALGORITHM_OPTIONS,
    AS_JSON,
    ENV_KWARGS,
    ENV_WORKERS,
    EVAL_EPISODES,
    MEMORY_LIMIT,
    N_ENVS,
    QUIET,
    SEED,
    evaluations_option,
)
from arlbench.errors import ConfigurationError

if TYPE_CHECKING:
    from arlbench.cli.stopping import StoppableWork
    from arlbench.experiments.run import RunResult
    from arlbench.experiments.run_folder import RunFolder, Saving

# Options that may be given with --resume; all others were fixed when the run began.
_WITH_RESUME = {"resume", "checkpoint_every", "keep", "ray", "quiet", "as_json"}

# With fewer environment steps over all seeds, another process would hardly have started before
# this one has done the work.
_WORTH_PROCESSES = 200_000

# A segment or an evaluation is one program, which nothing can interrupt.
_FINISHING = (
    "stopping: the evaluation or part of the training in progress is finished first, then all is "
    "saved; press Ctrl-C again to leave without saving"
)

_CHECKPOINT_EVERY = typer.Option(
    60.0, help="Seconds between two checkpoints; 0 writes one only when the run is stopped."
)


class _Job(NamedTuple):
    """What to train, and how much to print."""

    run: RunFolder
    quiet: bool
    as_json: bool

    @property
    def talkative(self) -> bool:
        return not (self.quiet or self.as_json)

    def notice(self, sentence: str) -> None:
        """Tells the user about something that did not go as planned."""
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
    seed: int = SEED,
    out: Path = typer.Option(None, help="The run's folder; by default a new one in runs/."),
    n_envs: int = N_ENVS,
    evaluations: int = evaluations_option("each seed", 20),
    eval_episodes: int = EVAL_EPISODES,
    algorithm: str = ALGORITHM,
    algorithm_options: str = ALGORITHM_OPTIONS,
    framework: str = FRAMEWORK,
    env_kwargs: str = ENV_KWARGS,
    env_workers: int = ENV_WORKERS,
    wrap: list[str] = WRAP,
    cnn_policy: bool = network_option(None, "tuned, or plain"),
    agent: str = AGENT,
    defaults: bool = typer.Option(
        False, "--defaults", help="Start from the space's defaults, not from tuned values."
    ),
    memory_limit: float = MEMORY_LIMIT,
    resume: Path = typer.Option(
        None, metavar="RUN", help="Continue the run in this folder, as if it had not stopped."
    ),
    checkpoint_every: float = _CHECKPOINT_EVERY,
    keep: int = typer.Option(2, help="How many checkpoints of each seed to keep."),
    ray: str = RAY,
    quiet: bool = QUIET,
    as_json: bool = AS_JSON,
) -> None:
    """Train: arlbench train CartPole-v1 learning_rate=1e-3 hidden_size=128"""
    given, started = dict(locals()), time.perf_counter()
    run = _begin(context, given) if resume is None else _reopen(context, given)
    with run:
        _run(_Job(run, quiet, as_json), started)


def _start_workers(timesteps: float, n_seeds: int, ray: str | None) -> None:
    """Starts other processes, which import what they need while this process does so too."""
    if ray is not None:
        start_workers(ray)
        return
    from arlbench.population import workers

    if timesteps >= _WORTH_PROCESSES and n_seeds > 1:
        n_useful = min(workers.available_cores(), n_seeds)
        workers.start_workers(max(n_useful - 1, workers.n_started()))


def _begin(context: typer.Context, given: dict[str, Any]) -> RunFolder:
    """The folder of a new run."""
    env_name, overrides = split_words(given["words"] or [])
    env_name = required_environment(context, env_name)
    _refuse_ranges(overrides)
    n_seeds = given["seeds"]
    _start_workers(n_seeds * given["timesteps"], n_seeds, given["ray"])
    saving = _saving(given)
    asked = _asked(given)
    kwargs = parse_env_kwargs(given["env_kwargs"], given["env_workers"])
    wrappers = parse_wrappers(given["wrap"] or [])

    from arlbench.cli import display
    from arlbench.core.environments import EnvSpec, find_framework
    from arlbench.core.files import next_folder
    from arlbench.experiments.run_folder import RunFolder
    from arlbench.experiments.run_settings import notes_on_ignored, resolve

    framework = given["framework"] or find_framework(env_name)
    spec = EnvSpec(framework, env_name, given["n_envs"], kwargs, wrappers=wrappers)
    settings = resolve(spec, overrides, **asked)
    for note in [] if given["quiet"] else notes_on_ignored(settings, overrides):
        display.notice(note)
    return RunFolder(given["out"] or next_folder(Path("runs"), env_name), settings, saving)


def _refuse_ranges(overrides: dict[str, Any]) -> None:
    """Raises if a hyperparameter has a range or a list, as in sweeps and studies."""
    for name, value in overrides.items():
        if isinstance(value, str) and (".." in value or "," in value):
            raise ConfigurationError(
                f"{name}={value} is more than one value, which only 'arlbench sweep' and 'arlbench "
                "tune' take; give a single value."
            )


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the run's settings."""
    return {
        "first_seed": given["seed"],
        "n_seeds": given["seeds"],
        "n_total_timesteps": given["timesteps"],
        "n_eval_steps": given["evaluations"],
        "n_eval_episodes": given["eval_episodes"],
        "memory_limit_gib": given["memory_limit"],
        "tuned": not given["defaults"],
        "cnn_policy": given["cnn_policy"],
        "options": parse_algorithm_options(given["algorithm_options"]),
        "agent": given["agent"],
        **({"algorithm": given["algorithm"]} if given["algorithm"] else {}),
    }


def _reopen(context: typer.Context, given: dict[str, Any]) -> RunFolder:
    """The folder of an earlier run."""
    refuse_with_resume(context, _WITH_RESUME)
    _start_workers(0, given["seeds"], given["ray"])
    saving = _saving(given)

    from arlbench.experiments.run_folder import RunFolder

    return RunFolder(given["resume"], saving=saving)


def _saving(given: dict[str, Any]) -> Saving:
    from arlbench.experiments.run_folder import Saving

    return Saving.checked(given["checkpoint_every"], given["keep"])


def _run(job: _Job, started: float) -> None:
    """Trains the rest of a run, and reports the results."""
    from arlbench.cli import display

    run = job.run
    if run.reopened and (note := run.settings.versions_note()):
        job.notice(note)
    if run.is_finished():
        job.notice(f"The run in {run.path} is finished; nothing is left to do.")
        if job.talkative:
            display.stored_results(run.read_summary() or {}, run.path)
    else:
        if job.talkative:
            display.header(run)
        result, work = _train(job, started)
        if result is None or result.status == "interrupted":
            if not job.quiet:
                display.interrupted(run.path)
            if job.as_json and (summary := _kept(run, result, work.begun.is_set())) is not None:
                typer.echo(json.dumps(summary))
            work.leave(at_once=result is None)
    if job.as_json:
        typer.echo(json.dumps(run.read_summary()))


def _kept(run: RunFolder, result: RunResult | None, begun: bool) -> dict[str, Any] | None:
    """The summary of a run that was stopped; None if nothing of it is kept."""
    if result is None and begun:
        # The run had no time to write one.
        run.read_saved()
        return run.summarise("interrupted") if run.totals()[0] else None
    summary = run.read_summary()
    return None if summary is None else {**summary, "status": "interrupted"}


def _train(job: _Job, started: float) -> tuple[RunResult | None, StoppableWork[RunResult]]:
    """Trains in a thread, shows progress, draws the curve; None if the thread did not stop."""
    from arlbench.cli import display
    from arlbench.cli.stopping import StoppableWork
    from arlbench.experiments.run import train_run

    run = job.run
    start_up = time.perf_counter() - started
    with display.progress_bar(run.settings.seeds, job.talkative) as show:
        work = StoppableWork(
            lambda: train_run(
                run,
                on_progress=lambda progress: show(progress) or work.wants_to_stop(),
                on_notice=job.notice,
            ),
            on_wait=lambda: job.notice(_FINISHING),
        )
        work.start()
        # Drawing needs slow imports, which run here while the other thread compiles.
        from arlbench.report import learning_curve  # noqa: F401

        result = work.finish()
    if result is not None:
        _draw(job)
        if job.talkative:
            total = len(run.settings.seeds) * int(run.evaluation_timesteps[-1])
            display.closing_table(result, start_up, run.path, total)
    return result, work


def _draw(job: _Job) -> None:
    """Draws the learning curve into the run's folder."""
    from arlbench.core import files
    from arlbench.report import learning_curve

    problem = job.run.settings.problem
    title = f"{problem.algorithm_class.title} on {problem.env_spec.name}"
    picture = learning_curve.draw(job.run.evaluations(), title, problem.n_eval_episodes)
    try:
        if picture is not None:
            files.write(job.run.path / "learning_curve.png", picture)
    except OSError as error:
        job.notice(f"The learning curve could not be drawn ({error.strerror or error}).")
