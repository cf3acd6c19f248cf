"""``arlbench sweep``: trains many configurations and keeps the results of each."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from arlbench.cli.arguments import (
    ALGORITHM,
    FRAMEWORK,
    RAY,
    WRAP,
    network_option,
    refuse_with_resume,
    required_environment,
    split_words,
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
from arlbench.cli.problems import environment_and_lengths, searched_problem, with_fixed
from arlbench.cli.study_files import completed, options_of_preset
from arlbench.cli.sweep_running import Job, run
from arlbench.errors import ConfigurationError
from arlbench.experiments.samplers import DEFAULT_SAMPLER, sampler_names

if TYPE_CHECKING:
    from arlbench.core.problem import Problem
    from arlbench.experiments.experiment import Experiment
    from arlbench.experiments.folder import SweepFolder
    from arlbench.experiments.sampler import Sampler, Trial

_DEFAULT_N_CONFIGS = 64

# Options that may be given with --resume; all others were fixed when the sweep began.
_WITH_RESUME = {"resume", "memory_limit", "ray", "quiet", "as_json"}

# The key of the memory limit in the origin of an experiment.
_LIMIT = "memory_limit_gib"


class _Chosen(NamedTuple):
    """How to generate the configurations."""

    sampler: str
    file: Path | None
    n_configs: int | None
    sampler_seed: int
    only_named: bool
    defaults: bool
    published: dict[str, str]


def sweep(
    context: typer.Context,
    words: list[str] = typer.Argument(
        None,
        metavar="[ENV] [KEY=VALUE ...]",
        help="An environment, and what to search: KEY=VALUE, KEY=LOW..HIGH or KEY=a,b,c.",
    ),
    preset: str = PRESET,
    sampler: str = typer.Option(DEFAULT_SAMPLER, help=f"One of {', '.join(sampler_names())}."),
    file: Path = typer.Option(
        None, help="Configurations in YAML, JSON, CSV or Parquet, for --sampler file."
    ),
    n_configs: int = typer.Option(
        None, help="How many configurations; by default 64, or all in the file.", show_default=False
    ),
    seeds: int = seeds_option("each configuration"),
    seed: int = SEED,
    sampler_seed: int = typer.Option(0, help="The seed of the sampler."),
    timesteps: float = timesteps_option("each training run"),
    n_envs: int = N_ENVS,
    evaluations: int = evaluations_option("each training run"),
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
    out: Path = typer.Option(
        None, help="The sweep's folder; if it holds a sweep, it is continued. By default a new one."
    ),
    resume: Path = typer.Option(
        None, metavar="SWEEP", help="Continue the sweep in this folder with its settings."
    ),
    memory_limit: float = MEMORY_LIMIT,
    ray: str = RAY,
    quiet: bool = QUIET,
    as_json: bool = AS_JSON,
) -> None:
    """Search: arlbench sweep CartPole-v1 learning_rate=1e-5..1e-2 train_freq=4 --n-configs 64"""
    given = dict(locals())
    if resume is None:
        _begin(context, given)
    else:
        _continue(context, given)


def _begin(context: typer.Context, given: dict[str, Any]) -> None:
    """Begins a sweep, or continues the one in the folder that was given."""
    options = {} if given["preset"] is None else options_of_preset(given["preset"])
    published = options.pop("words", {})
    given = completed(context, given, options)
    env_name, ranges = split_words(given["words"] or [], parse=str)
    env_name = required_environment(context, env_name or options.get("environment"))
    names = ("sampler", "file", "n_configs", "sampler_seed", "only_named", "defaults")
    chosen = _Chosen(**{name: given[name] for name in names}, published=published)
    start_workers(given["ray"])
    experiment, used = _experiment(chosen, ranges, given, env_name)
    limit = given["memory_limit"]
    with _open(experiment, given["out"], limit) as storage:
        if not given["quiet"]:
            _announce(used, experiment, given["as_json"])
        run(Job(storage, limit, given["quiet"], given["as_json"]))


def _continue(context: typer.Context, given: dict[str, Any]) -> None:
    """Trains what is missing from a sweep, whose folder has every configuration and seed."""
    refuse_with_resume(context, _WITH_RESUME)
    start_workers(given["ray"])

    from arlbench.experiments.experiment import versions_now
    from arlbench.experiments.folder import read_experiment

    begun = read_experiment(given["resume"])
    limit = given["memory_limit"]
    if not was_given(context, "memory_limit"):
        origins = (begun.origin, *begun.origin.get("later", ()))
        limit = max(origin.get(_LIMIT, limit) for origin in origins)
    experiment = dataclasses.replace(begun, versions=versions_now(begun.problem.env_spec))
    with _open(experiment, given["resume"], limit) as storage:
        run(Job(storage, limit, given["quiet"], given["as_json"]))


def _experiment(
    chosen: _Chosen, ranges: dict[str, str], given: dict[str, Any], env_name: str
) -> tuple[Experiment, Sampler]:
    """The experiment, and the sampler that proposed its configurations."""
    from arlbench.experiments.experiment import Experiment, seed_range
    from arlbench.experiments.space import (
        extended_words,
        search_space,
        with_options,
        with_options_of,
    )

    env, settings = environment_and_lengths(given, env_name)
    tuned, agent = not chosen.defaults, given["agent"]
    problem = searched_problem(env, settings, chosen.only_named, tuned, agent)
    if chosen.file is None:
        further = extended_words(problem) if given["extended"] else {}
        words = {**further, **chosen.published, **ranges}
    else:
        # The file says what varies.
        problem, words = with_fixed(problem, chosen.published), ranges
    sampler, trials = _trials(chosen, words, problem)
    if chosen.file is None:
        problem = with_options(problem, search_space(problem, words))
    else:
        problem = with_options_of(problem, [trial.config for trial in trials])
    origin = {
        "sampler": chosen.sampler,
        "sampler_seed": chosen.sampler_seed,
        "file": chosen.file and str(chosen.file),
        "words": words,
        _LIMIT: given["memory_limit"],
    }
    configs = tuple(trial.config for trial in trials)
    seeds = seed_range(given["seed"], given["seeds"])
    return Experiment(problem, configs, seeds, origin=origin), sampler


def _announce(sampler: Sampler, experiment: Experiment, as_json: bool) -> None:
    """Says what is searched, and which parts of the arguments or the file are ignored."""
    from arlbench.cli import display, sweep_display

    if sampler.searched and not as_json:
        sweep_display.search(sampler, experiment.problem.algorithm_class)
    if sampler.note:
        display.notice(sampler.note)


def _trials(
    chosen: _Chosen, words: dict[str, str], problem: Problem
) -> tuple[Sampler, list[Trial]]:
    """The sampler, and what it proposes."""
    from arlbench.experiments.samplers import sampler_class

    kind = sampler_class(chosen.sampler)
    if kind.reads_file != (chosen.file is not None):
        readers = [name for name in sampler_names() if sampler_class(name).reads_file]
        raise ConfigurationError(
            f"--sampler {' or '.join(readers)} and --file belong together: give both, or neither "
            "of them."
        )
    if chosen.n_configs is not None and not kind.takes_count:
        raise ConfigurationError(
            f"The sampler {chosen.sampler} always makes every combination of the listed values; "
            "leave --n-configs out."
        )
    sampler = kind(problem, words, seed=chosen.sampler_seed, file=chosen.file)
    n_all = _DEFAULT_N_CONFIGS if sampler.n_trials is None else sampler.n_trials
    return sampler, sampler.ask(n_all if chosen.n_configs is None else chosen.n_configs)


def _open(experiment: Experiment, out: Path | None, memory_limit: float) -> SweepFolder:
    """Opens the folder, after a check that the sweep can be trained."""
    from arlbench.core.files import next_folder
    from arlbench.experiments.folder import SweepFolder
    from arlbench.experiments.training import check

    check(experiment, memory_limit)
    name = f"{experiment.problem.env_spec.name}-sweep"
    return SweepFolder(out or next_folder(Path("runs"), name), experiment)
