"""``arlbench sweep``: train many configurations and keep what came of each."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import typer

from arlbench.cli.arguments import (
    FRAMEWORK,
    WRAP,
    network_option,
    parse_env_kwargs,
    parse_wrappers,
    split_words,
)
from arlbench.errors import ConfigurationError, SweepStoreError

if TYPE_CHECKING:
    from arlbench.cli.stopping import StoppableWork
    from arlbench.report.sweep_results import SweepResults
    from arlbench.sweeps.design import SweepDesign
    from arlbench.sweeps.store import SweepStore
    from arlbench.sweeps.sweep import SweepOutcome

DEFAULT_ENV = "CartPole-v1"

_DEFAULT_N_CONFIGS = 64


class _Chosen(NamedTuple):
    """How the configurations are to be found."""

    sampler: str
    file: Path | None
    n_configs: int | None
    sampler_seed: int


class _Job(NamedTuple):
    """What is to be trained, and how to talk about it."""

    store: SweepStore
    memory_limit: float
    quiet: bool
    as_json: bool

    @property
    def talkative(self) -> bool:
        return not (self.quiet or self.as_json)


def sweep(
    words: list[str] = typer.Argument(
        None,
        metavar="[ENV] [KEY=VALUE ...]",
        help="An environment, and where to search: KEY=VALUE, KEY=LOW..HIGH or KEY=a,b,c.",
    ),
    sampler: str = typer.Option("sobol", help="sobol, random, grid or file."),
    file: Path = typer.Option(None, help="Configurations: YAML, JSON or CSV, for sampler file."),
    n_configs: int = typer.Option(
        None, help="How many configurations: 64, or all of the file.", show_default=False
    ),
    seeds: int = typer.Option(3, help="How many seeds to train each configuration with."),
    seed: int = typer.Option(0, help="The first seed."),
    sampler_seed: int = typer.Option(0, help="The seed of the sampler."),
    timesteps: float = typer.Option(100_000, help="Environment steps of each training."),
    n_envs: int = typer.Option(8, help="Environments that step together."),
    evaluations: int = typer.Option(10, help="Evaluations of each training."),
    eval_episodes: int = typer.Option(32, help="Episodes of each evaluation."),
    framework: str = FRAMEWORK,
    env_kwargs: str = typer.Option("{}", help="Settings of the environment, as JSON."),
    wrap: list[str] = WRAP,
    cnn_policy: bool = network_option(False),
    out: Path = typer.Option(
        None, help="The sweep's folder; the same sweep in it goes on. By default a new one."
    ),
    memory_limit: float = typer.Option(4.0, help="Refuse trainings that would take more, in GiB."),
    quiet: bool = typer.Option(False, "--quiet", help="Print nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the summary as JSON only."),
) -> None:
    """Search: arlbench sweep CartPole-v1 learning_rate=1e-5..1e-2 train_freq=4 --n-configs 64"""
    chosen = _Chosen(sampler, file, n_configs, sampler_seed)
    settings = {
        "n_total_timesteps": timesteps,
        "n_eval_steps": evaluations,
        "n_eval_episodes": eval_episodes,
    }
    env_name, ranges = split_words(words or [], DEFAULT_ENV, parse=str)
    env = {
        "framework": framework,
        "name": env_name,
        "n_envs": n_envs,
        "env_kwargs": parse_env_kwargs(env_kwargs),
        "cnn_policy": cnn_policy,
        "wrappers": parse_wrappers(wrap or []),
    }
    _start_workers()
    design, note = _design(chosen, ranges, env, (seed, seeds), settings)
    if note and not quiet:
        from arlbench.cli import display

        display.notice(note)
    with _open(design, out, memory_limit) as store:
        _run(_Job(store, memory_limit, quiet, as_json))


def _start_workers() -> None:
    """Lets other processes import what they need, while this one does."""
    from arlbench.population import use_cores

    use_cores()


def _design(
    chosen: _Chosen,
    words: dict[str, str],
    env: dict[str, Any],
    seeds: tuple[int, int],
    settings: dict[str, Any],
) -> tuple[SweepDesign, str]:
    """What to train, and a sentence about what was left out of it."""
    from arlbench.core.environments import EnvSpec, find_framework
    from arlbench.sweeps.design import SweepDesign, seed_range

    env = {**env, "framework": env["framework"] or find_framework(env["name"])}
    configs, note = _configs(chosen, words)
    origin = {
        "sampler": chosen.sampler,
        "sampler_seed": chosen.sampler_seed,
        "file": chosen.file and str(chosen.file),
        "words": words,
    }
    design = SweepDesign(
        env_spec=EnvSpec(**env),
        configs=tuple(configs),
        seeds=seed_range(*seeds),
        origin=origin,
        **settings,
    )
    return design, note


def _configs(chosen: _Chosen, words: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
    from arlbench.sweeps import config_files, sampling

    sampler = sampling.check_sampler(chosen.sampler)
    if (sampler == "file") != (chosen.file is not None):
        raise ConfigurationError(
            "--sampler file and --file belong together: give both, or neither of them."
        )
    if chosen.file is not None:
        return config_files.read_configs(chosen.file, words, chosen.n_configs)
    if sampler == "grid":
        if chosen.n_configs is not None:
            raise ConfigurationError(
                "A grid has as many configurations as its lists give; leave --n-configs out."
            )
        return sampling.grid(words), ""
    n_configs = _DEFAULT_N_CONFIGS if chosen.n_configs is None else chosen.n_configs
    return sampling.draw(sampler, words, n_configs, chosen.sampler_seed), ""


def _open(design: SweepDesign, out: Path | None, memory_limit: float) -> SweepStore:
    """The folder, once it is known that the sweep can be trained."""
    from arlbench.runs.folder import next_folder
    from arlbench.sweeps.store import SweepStore
    from arlbench.sweeps.sweep import check

    check(design, memory_limit)
    return SweepStore(out or next_folder(Path("runs"), f"{design.env_spec.name}-sweep"), design)


def _run(job: _Job) -> None:
    """Trains what is missing, and says what came of it."""
    from arlbench.cli import display, sweep_display

    store = job.store
    n_missing = len(store.missing())
    if job.talkative:
        sweep_display.header(store.design, n_missing, store.path)
        if note := store.versions_note():
            display.notice(note)
    if not n_missing and not job.quiet:
        display.notice(f"The sweep in {store.path} is finished; nothing is left to train.")
    outcome, work = _train(job)
    if outcome is None or outcome.status == "interrupted":
        # Where the work goes on in its thread, what has ended is kept all the same.
        store.flush()
        if not job.quiet:
            kept = store.design.n_members - len(store.missing())
            command = command_to_go_on(sys.argv, store.path)
            sweep_display.interrupted(kept, store.design.n_members, command)
        _leave(128 + work.signal, at_once=outcome is None)
    _close(job, outcome)


def command_to_go_on(argv: list[str], folder: Path) -> str:
    """The command that was given, with its folder."""
    words = ["arlbench", *argv[1:]]
    named = any(word == "--out" or word.startswith("--out=") for word in words)
    return shlex.join(words if named else [*words, "--out", str(folder)])


def _train(job: _Job) -> tuple[SweepOutcome | None, StoppableWork]:
    """Trains in a thread and shows progress; no outcome if it did not stop."""
    from arlbench.cli import sweep_display
    from arlbench.cli.stopping import StoppableWork
    from arlbench.sweeps.sweep import train_missing

    with sweep_display.progress_bar(shown=job.talkative and job.store.missing() != []) as show:
        work = StoppableWork(
            lambda: train_missing(
                job.store,
                memory_limit_gib=job.memory_limit,
                on_progress=lambda progress: show(progress) or work.wants_to_stop(),
            )
        )
        work.start()
        # Drawing needs slow imports; they happen here while the other thread compiles.
        from arlbench.report import sweep_pictures  # noqa: F401

        outcome = work.finish()
    return outcome, work


def _close(job: _Job, outcome: SweepOutcome) -> None:
    """Draws the pictures and prints the best configurations."""
    from arlbench.cli import sweep_display
    from arlbench.report import sweep_pictures
    from arlbench.report.sweep_results import read_results

    results = read_results(job.store.path)
    if results is None:
        return
    try:
        pictures = sweep_pictures.draw(job.store.path)
    except OSError as error:
        raise SweepStoreError(
            f"The pictures cannot be written to {job.store.path} ({error.strerror}); make room and "
            "give the command again. All results are whole."
        ) from error
    if job.talkative:
        sweep_display.closing_table(results, outcome, pictures)
    if job.as_json:
        typer.echo(json.dumps(summarise(job.store.path, results, outcome)))


def summarise(folder: Path, results: SweepResults, outcome: SweepOutcome) -> dict[str, Any]:
    """What came of a sweep, as JSON values; the best configurations first."""
    from arlbench.report.sweep_results import ranking

    return {
        "folder": str(folder),
        "status": outcome.status,
        "n_configs": len(results.configs),
        "n_seeds": len(results.seeds),
        "diverged": int(results.diverged.sum()),
        "trained_now": outcome.members_trained,
        "compile_seconds": round(outcome.compile_seconds, 3),
        "wall_seconds": round(outcome.wall_seconds, 3),
        "ranking": [
            {
                "config": rank.config,
                "final_return_mean": _number(rank.mean),
                "interval": [_number(rank.low), _number(rank.high)],
                "varied": {k: h.values.tolist()[rank.row] for k, h in results.varied.items()},
            }
            for rank in ranking(results)
        ],
    }


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return None if math.isnan(value) else value


def _leave(code: int, at_once: bool) -> NoReturn:
    if at_once:
        # Something is still compiling and cannot be stopped; nothing of it is to be kept.
        os._exit(code)
    raise typer.Exit(code)
