"""Finds trained agents in the folder of a run or in a checkpoint."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from arlbench.core import checkpoints
from arlbench.core.algorithms import descriptions
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.environments import EnvSpec, with_copies
from arlbench.core.problem import Problem
from arlbench.errors import CheckpointError, ConfigurationError, RunFolderError
from arlbench.experiments.owned_folder import resume_command
from arlbench.experiments.run_files import RunFiles
from arlbench.experiments.run_settings import RunSettings

#: Reads parts of an agent's state: takes shapes by name, and returns the parts that exist.
ReadParts = Callable[[Mapping[str, Any]], Mapping[str, Any]]

# The option of an algorithm's class for random actions in evaluations.
_RANDOM_ACTIONS = "eval_eps"

_SEED_FOLDER = re.compile(r"seed-(\d+)")


class StoredAgent(NamedTuple):
    """A trained agent on disk.

    Attributes:
        name: The seed of its training run in words, or the checkpoint's name.
        origin: The point of its training from which it is taken, such as ``final parameters``.
        read: Reads the parts that acting needs.
    """

    name: str
    origin: str
    read: ReadParts


@dataclasses.dataclass(frozen=True)
class StoredAgents:
    """Trained agents on disk that differ only in what they have learnt.

    Attributes:
        film: The default path of a film of them, without its file extension.
        problem: What they were trained for, with every hyperparameter fixed.
        agents: At least one.
        notes: Sentences about what is missing or has changed.
    """

    film: Path
    problem: Problem
    agents: tuple[StoredAgent, ...]
    notes: tuple[str, ...] = ()

    @property
    def env_spec(self) -> EnvSpec:
        """The environment in which they act, which is the one in which they were evaluated."""
        return self.problem.evaluation_spec

    def make_algorithm(self, n_envs: int | None = None, epsilon: float = 0.0) -> Algorithm:
        """The algorithm, bound to a newly made environment.

        Args:
            n_envs: Copies of the environment; None takes as many as the training had.
            epsilon: Probability of a random action if the agent does not act greedily.

        Raises:
            ConfigurationError: If the algorithm cannot take random actions.
            ArlbenchError: If the environment or the algorithm cannot be made.
        """
        spec = self.env_spec if n_envs is None else with_copies(self.env_spec, n_envs)
        cls = self.problem.algorithm_class
        options: dict[str, Any] = {_RANDOM_ACTIONS: epsilon}
        if _RANDOM_ACTIONS not in cls.option_names():
            if epsilon:
                raise ConfigurationError(
                    f"{cls.title} cannot take random actions in evaluations; leave epsilon out."
                )
            options = {}
        return self.problem.replace(env_spec=spec, eval_env_spec=spec).make_algorithm(**options)


def find_agents(path: str | Path, run_seed: int | None = None) -> StoredAgents:
    """The agents in a run's folder or in a checkpoint.

    Args:
        path: A folder that ``arlbench train`` has made, a checkpoint, or a folder of several
            checkpoints. The newest is taken, or the newest of each seed if seeds have folders.
        run_seed: The seed of one agent of a run. None takes all seeds that have ended, or, if
            none has ended, the newest checkpoint of each seed.

    Raises:
        RunFolderError: If the folder has no agent or is damaged.
        CheckpointError: If the checkpoint is damaged, or cannot act.
        ConfigurationError: If the run does not have this seed.
    """
    path = Path(path)
    if not path.is_dir():
        raise RunFolderError(
            f"{path} is not an existing folder; give the folder that 'arlbench train' printed, or "
            "a checkpoint."
        )
    if (path / "settings.json").exists():
        return _in_run(RunFiles(path), run_seed)
    if (path / "design.json").exists():
        raise RunFolderError(
            f"{path} is a sweep, which keeps returns but not agents; train one of its "
            "configurations with arlbench train."
        )
    if (path / "study.json").exists() or (path / "repeats.json").exists():
        raise RunFolderError(
            f"{path} is a study, which keeps returns but not agents; train its best configuration "
            "with arlbench train ('arlbench tune --resume' prints the command at its end)."
        )
    found = _checkpoints_in(path)
    if not found:
        raise RunFolderError(
            f"{path} has neither a run nor a checkpoint; give the folder that 'arlbench train' "
            "printed, or a checkpoint."
        )
    if run_seed is not None:
        raise ConfigurationError(
            f"{path} has checkpoints but is not a run; leave --run-seed out, or give the folder of "
            "the run."
        )
    return _of_checkpoints(path, found)


def load_agent(algorithm: Algorithm, agent: StoredAgent) -> Any:
    """The runner state of an agent: everything that acting needs, and the key of its training.

    Args:
        algorithm: Made by ``make_algorithm`` of the agent's collection.
        agent: The agent to read.

    Raises:
        RunFolderError: If a file is damaged or does not fit.
        CheckpointError: If a checkpoint is damaged or does not fit.
    """
    template = algorithm.checkpoint_template()
    needed = (*algorithm.acting_parts, "rng")
    parts = dict(agent.read({name: template[name] for name in needed}))
    state = algorithm.init(jax.random.key(0), **algorithm.init_options(1))
    return algorithm.restore(parts, state)[0]


def _in_run(files: RunFiles, run_seed: int | None) -> StoredAgents:
    settings = files.read_settings()
    seeds = settings.seeds
    if run_seed is not None and run_seed not in seeds:
        raise ConfigurationError(
            f"The run in {files.path} has no seed {run_seed}; --run-seed takes one of "
            f"{', '.join(map(str, seeds))}."
        )
    wanted = seeds if run_seed is None else (run_seed,)
    ended = files.ended_seeds(settings, settings.make_algorithm().acting_parts[0])
    agents = [_at_end(files, seed) for seed in wanted if seed in ended]
    if not agents:
        agents = _at_checkpoints(files, settings, wanted)
    missing = [str(seed) for seed in wanted if seed not in ended]
    notes = [note] if (note := settings.versions_note()) else []
    if ended and run_seed is None and missing:
        notes.append(f"Left out, because training has not ended: seed {', '.join(missing)}.")
    return StoredAgents(files.path / "play", settings.problem, tuple(agents), tuple(notes))


def _at_end(files: RunFiles, seed: int) -> StoredAgent:
    def read(template: Mapping[str, Any]) -> dict[str, Any]:
        of_files = {name: like for name, like in template.items() if name != "rng"}
        parts = {name: files.read_part(seed, name, like) for name, like in of_files.items()}
        return {**parts, "rng": jax.random.key(seed)}

    return StoredAgent(f"seed {seed}", "final parameters", read)


def _at_checkpoints(
    files: RunFiles, settings: RunSettings, wanted: tuple[int, ...]
) -> list[StoredAgent]:
    """The newest checkpoint of each requested seed of a run that has one."""
    newest = {seed: files.newest_checkpoint(settings, seed) for seed in wanted}
    found = {seed: path for seed, path in newest.items() if path is not None}
    if found:
        return [
            _stored(path, f"seed {seed}", descriptions.read(path)["info"])
            for seed, path in found.items()
        ]
    everything = wanted == settings.seeds
    what = (
        "neither a finished seed nor a checkpoint"
        if everything
        else f"no checkpoint of seed {wanted[0]}"
    )
    raise RunFolderError(
        f"{files.path} has {what} yet; continue with: {resume_command('train', files.path)}"
    )


def _checkpoints_in(path: Path) -> dict[str, tuple[Path, str]]:
    """Checkpoints by name, each with a note on how it was found.

    They are the folder itself, or else the newest one in it, or else the newest one of each seed.
    """
    if checkpoints.is_checkpoint(path):
        return {path.name: (path, "")}
    if (found := checkpoints.newest_in(path)) is not None:
        return {found[0].name: found}
    matches = [match for entry in path.iterdir() if (match := _SEED_FOLDER.fullmatch(entry.name))]
    seeds = sorted(int(match[1]) for match in matches)
    newest = {f"seed {seed}": checkpoints.newest_in(path / f"seed-{seed}") for seed in seeds}
    return {name: found for name, found in newest.items() if found is not None}


def _of_checkpoints(path: Path, found: Mapping[str, tuple[Path, str]]) -> StoredAgents:
    saved = {name: descriptions.read(checkpoint) for name, (checkpoint, _) in found.items()}
    agents = [
        _stored(checkpoint, name, saved[name]["info"]) for name, (checkpoint, _) in found.items()
    ]
    first, _ = next(iter(found.values()))
    film = path / "play" if len(found) > 1 else first.parent / f"play-{first.name}"
    problem = _problem_of(first, next(iter(saved.values())))
    return StoredAgents(
        film, problem, tuple(agents), tuple(note for _, note in found.values() if note)
    )


def _problem_of(path: Path, saved: Mapping[str, Any]) -> Problem:
    """The problem that the writer of a checkpoint trained."""
    if "framework" not in saved["env_spec"]:
        raise CheckpointError(
            f"{path} was saved in an environment made by hand ({saved['env_spec'].get('name')}), "
            "which cannot be made again from its name; load it in Python with Checkpointer.load."
        )
    problem = Problem(EnvSpec(**saved["env_spec"]), algorithm=saved["algorithm"])
    config = {**saved["hpo_config"], **saved["nas_config"]}
    return problem.replace(
        hpo_config=descriptions.with_defaults(path, config, problem.declarations)
    )


def _stored(path: Path, name: str, info: Mapping[str, Any]) -> StoredAgent:
    def read(template: Mapping[str, Any]) -> dict[str, Any]:
        parts, _ = checkpoints.read_checkpoint(path, template)
        for part in template:
            if part not in parts and part != "rng":
                raise CheckpointError(
                    f"{path} lacks {part}, without which its agent cannot act; save it with "
                    "names='all'."
                )
        return parts

    origin = path.name
    done, total = info.get("timesteps"), info.get("total_timesteps")
    if isinstance(done, int) and isinstance(total, int):
        origin += f", after {done:,} of {total:,} steps"
    return StoredAgent(name, origin, read)
