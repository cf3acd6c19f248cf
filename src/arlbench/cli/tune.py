"""``arlbench tune``: search with a method that learns from results, and keep the study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from arlbench.cli.arguments import (
    ALGORITHM,
    FRAMEWORK,
    RAY,
    WRAP,
    network_option,
    refuse_with_resume,
    start_workers,
    was_given,
)
from arlbench.cli.options import (
    AGENT,
    AS_JSON,
    DEFAULTS,
    ENV_KWARGS,
    ENV_WORKERS,
    EVAL_EPISODES,
    EXTENDED,
    MEMORY_LIMIT,
    N_ENVS,
    ONLY_NAMED,
    PRESET,
    QUIET,
    SEED,
    evaluations_option,
    seeds_option,
    timesteps_option,
)
from arlbench.cli.study_faults import named_after_file
from arlbench.cli.study_files import schema as schema_of_files
from arlbench.cli.tune_arguments import (
    DEFAULT_TRIALS,
    refuse_effectless,
    study_arguments,
    with_file,
)
from arlbench.cli.tune_running import Job, run, train_again
from arlbench.errors import ConfigurationError
from arlbench.experiments.published_studies import PROTOCOLS
from arlbench.tuning.tuners import DEFAULT_TUNER, tuner_names

# What may be given along with --resume.
_WITH_RESUME = (
    "resume", "more", "n_trials", "test_seeds", "test_last", "state_limit", "memory_limit",
    "optuna_storage", "ray", "quiet", "as_json",
)  # fmt: skip

_WITH_REPLAY = ("replay", "seeds", "seed", "memory_limit", "ray", "quiet", "as_json")

_SET = typer.Option(
    None, "--set", metavar="KEY=VALUE", help="A setting of the tuner, such as eta=3; repeatable."
)


_WORDS = typer.Argument(
    None,
    metavar="[ENV] [KEY=VALUE ...]",
    help="An environment or a study file, and what to search: KEY=VALUE, KEY=LOW..HIGH or "
    "KEY=a,b,c.",
)
_TUNER = typer.Option(
    DEFAULT_TUNER, help=f"One of {', '.join(tuner_names())}, or MODULE:CLASS for your own."
)
_N_TRIALS = typer.Option(
    None,
    help=f"Largest number of trials; {DEFAULT_TRIALS} if no limit is given and the tuner has none.",
    show_default=False,
)
_MAX_STEPS = typer.Option(None, help="Begin no trial after this many environment steps in total.")
_MAX_SECONDS = typer.Option(None, help="Begin no trial after this many seconds of work.")
_PARALLEL = typer.Option(
    None,
    help="How many trials train at the same time; the proposals depend on it.",
    show_default="what suits the tuner",
)
_TEST_SEEDS = typer.Option(
    3, help="How many seeds, other than tuning seeds, to test the best trials with."
)
_TEST_LAST = typer.Option(
    False, "--test-last", help="Test only the best trial, not those that were the best before it."
)
_OBJECTIVE = typer.Option(
    "final", help="What to maximise: final, best, area, or MODULE:FUNCTION for your own."
)
_MINIMISE = typer.Option(False, "--minimise", help="Minimise the objective instead.")
_RESTART = typer.Option(
    False, "--restart", help="Train promoted trials from step 0 instead of continuing them."
)
_START_FROM = typer.Option(
    None, help="Configurations to try first: a table, or a study's folder for its best ones."
)
_START_COUNT = typer.Option(
    None,
    help="How many to start from; by default all of a table, 8 of a study.",
    show_default=False,
)
_OUT = typer.Option(
    None, help="The study's folder; if it holds this study, it is continued. By default a new one."
)
_RESUME = typer.Option(None, help="Continue the study in this folder with its settings.")
_REPLAY = typer.Option(
    None, help="Train the best schedule of the study in this folder again, with --seeds new seeds."
)
_PROTOCOL = typer.Option(
    None, metavar="NAME",
    help=f"Run the tuner as the published studies did: {', '.join(PROTOCOLS)}.",
)  # fmt: skip
_REPEAT = typer.Option(
    None, help="Repeat the study with this many seeds of the tuner, in one folder."
)
_MORE = typer.Option(0, help="With --resume: how many trials to add to the study.")
_STATE_LIMIT = typer.Option(20.0, help="GiB on disk that the states of trials may take.")
_OPTUNA = typer.Option(
    None, metavar="URL", help="An Optuna storage to keep up to date, such as sqlite:///study.db."
)


def _print_schema(wanted: bool) -> None:
    if wanted:
        typer.echo(json.dumps(schema_of_files(), indent=1))
        raise typer.Exit


_SCHEMA = typer.Option(
    False, "--schema", callback=_print_schema, is_eager=True,
    help="Print the JSON schema of study files, for editors.",
)  # fmt: skip


def tune(
    context: typer.Context,
    words: list[str] = _WORDS,
    preset: str = PRESET,
    protocol: str = _PROTOCOL,
    tuner: str = _TUNER,
    settings: list[str] = _SET,
    n_trials: int = _N_TRIALS,
    max_steps: float = _MAX_STEPS,
    max_seconds: float = _MAX_SECONDS,
    parallel: int = _PARALLEL,
    seeds: int = seeds_option("each trial"),
    seed: int = SEED,
    test_seeds: int = _TEST_SEEDS,
    test_last: bool = _TEST_LAST,
    tuner_seed: int = typer.Option(0, help="The seed of the tuner."),
    objective: str = _OBJECTIVE,
    minimise: bool = _MINIMISE,
    restart: bool = _RESTART,
    start_from: Path = _START_FROM,
    start_count: int = _START_COUNT,
    repeat: int = _REPEAT,
    timesteps: float = timesteps_option("a full-length trial"),
    n_envs: int = N_ENVS,
    evaluations: int = evaluations_option("a full-length trial"),
    eval_episodes: int = EVAL_EPISODES,
    algorithm: str = ALGORITHM,
    framework: str = FRAMEWORK,
    env_kwargs: str = ENV_KWARGS,
    env_workers: int = ENV_WORKERS,
    wrap: list[str] = WRAP,
    cnn_policy: bool = network_option(None, "plain; tuned with --only-named"),
    agent: str = AGENT,
    extended: bool = EXTENDED,
    only_named: bool = ONLY_NAMED,
    defaults: bool = DEFAULTS,
    out: Path = _OUT,
    resume: Path = _RESUME,
    replay: Path = _REPLAY,
    more: int = _MORE,
    state_limit: float = _STATE_LIMIT,
    memory_limit: float = MEMORY_LIMIT,
    optuna_storage: str = _OPTUNA,
    ray: str = RAY,
    schema: bool = _SCHEMA,
    quiet: bool = QUIET,
    as_json: bool = AS_JSON,
) -> None:
    """Tune: arlbench tune CartPole-v1 learning_rate=1e-5..1e-2 --tuner random --n-trials 32"""
    given = dict(locals())
    if replay is not None:
        _replay(context, given)
    elif resume is not None:
        _continue(context, given)
    else:
        _begin(context, given)


def _replay(context: typer.Context, given: dict[str, Any]) -> None:
    """Trains the best trial of a study again with new seeds."""
    refuse_with_resume(context, _WITH_REPLAY, "--replay")
    start_workers(given["ray"])
    # Unless they were given, the study decides.
    first, limit = (
        given[name] if was_given(context, name) else None for name in ("seed", "memory_limit")
    )
    seeds = first, given["seeds"]
    train_again(given["replay"], seeds, limit, given["quiet"], given["as_json"])


def _continue(context: typer.Context, given: dict[str, Any]) -> None:
    """Continues a study, which is tested as it was begun unless other options are given."""
    refuse_with_resume(context, _WITH_RESUME)
    begun = _begun(given["resume"], given["more"], given["n_trials"], given["ray"])
    if "test_seeds" in begun and not was_given(context, "test_seeds"):
        given["test_seeds"] = None
    given["test_last"] = given["test_last"] or begun["test_last"]
    for limit in ("state_limit", "memory_limit"):
        if not was_given(context, limit):
            given[limit] = begun[f"{limit}_gib"]
    run(_job(given, given["resume"]), begun)


def _begin(context: typer.Context, given: dict[str, Any]) -> None:
    """Begins a study, or continues the one in the folder that was given."""
    if given["more"]:
        raise ConfigurationError("--more extends a study that exists; give --resume FOLDER too.")
    with named_after_file(context, given):
        given, env_name, ranges = with_file(context, given)
        refuse_effectless(context, given)
        arguments = study_arguments(given, env_name, ranges)
        if given["repeat"] is not None:
            arguments["repeats"] = given["repeat"]
        run(_job(given, given["out"] or _new_folder(env_name)), arguments)


def _job(given: dict[str, Any], folder: Path) -> Job:
    limits = _settings_of_call(given)
    return Job(folder, given["test_seeds"], limits, given["quiet"], given["as_json"])


def _settings_of_call(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a study that are not part of its definition."""
    names = {"state_limit": "state_limit_gib", "memory_limit": "memory_limit_gib"}
    names |= {name: name for name in ("test_last", "optuna_storage")}
    return {argument: given[option] for option, argument in names.items()}


def _new_folder(env_name: str) -> Path:
    from arlbench.core.files import next_folder

    return next_folder(Path("runs"), f"{env_name}-study")


def _begun(folder: Path, more: int, n_trials: int | None, ray: str | None) -> dict[str, Any]:
    """The arguments of a study that was begun, with another number of trials if one is given."""
    from arlbench.tuning.repeating import arguments_of_repeats
    from arlbench.tuning.repeats import is_repeated
    from arlbench.tuning.study import arguments_of

    start_workers(ray)
    read = arguments_of_repeats if is_repeated(folder) else arguments_of
    return read(folder, more=more, n_trials=n_trials)
