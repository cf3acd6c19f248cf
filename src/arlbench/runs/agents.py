"""Trained agents, found in the folder of a run or in a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from arlbench.core import checkpoints
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.registry import algorithm_class
from arlbench.core.environments import EnvSpec, evaluation_spec, make_env_from_spec
from arlbench.errors import CheckpointError, ConfigurationError, RunFolderError
from arlbench.runs.folder import RunFiles
from arlbench.runs.settings import RunSettings

#: Reads parts of an agent's state; takes their shapes by name and returns those there are.
ReadParts = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class StoredAgent(NamedTuple):
    """A trained agent on disk.

    Attributes:
        name: The training's seed in words, or the checkpoint's name.
        origin: What it is of its training, such as ``final parameters``.
        read: Reads what acting needs.
    """

    name: str
    origin: str
    read: ReadParts


@dataclasses.dataclass(frozen=True)
class StoredAgents:
    """Trained agents on disk that differ in nothing but what they have learnt.

    Attributes:
        film: Where a film of them is kept unless told otherwise, its ending left out.
        algorithm: The name of what trained them.
        env_spec: Where they act, which is where they were evaluated.
        hpo_config: Every hyperparameter.
        nas_config: Every architecture choice.
        agents: At least one.
        notes: Sentences about what is not there or not as it was.
    """

    film: Path
    algorithm: str
    env_spec: EnvSpec
    hpo_config: Mapping[str, Any]
    nas_config: Mapping[str, Any]
    agents: tuple[StoredAgent, ...]
    notes: tuple[str, ...] = ()

    def make_algorithm(self, n_envs: int | None = None, epsilon: float = 0.0) -> Any:
        """The algorithm, bound to a newly made environment.

        Args:
            n_envs: Copies of it; None takes as many as trained.
            epsilon: Probability of a random action where it does not act greedily.

        Raises:
            ArlbenchError: If the environment or the algorithm cannot be made.
        """
        spec = dataclasses.replace(self.env_spec, n_envs=n_envs or self.env_spec.n_envs)
        return algorithm_class(self.algorithm)(
            self.hpo_config,  # type: ignore[call-arg]
            make_env_from_spec(spec),
            cnn_policy=spec.cnn_policy,
            nas_config=self.nas_config,
            eval_eps=epsilon,
        )


def find_agents(path: Path, run_seed: int | None = None) -> StoredAgents:
    """The agents in a run's folder, or of a checkpoint.

    Args:
        path: A folder that ``arlbench train`` has made, a checkpoint, or a folder of
            several, of which the newest is taken.
        run_seed: Of a run the one with this seed; None takes all seeds that have ended,
            or where there is none the newest checkpoint.

    Raises:
        RunFolderError: If there is no agent, or the folder is damaged.
        CheckpointError: If the checkpoint is damaged, or cannot act.
        ConfigurationError: If the run has no such seed.
    """
    if not path.is_dir():
        raise RunFolderError(
            f"There is no folder {path}; give the folder that a training printed, or a checkpoint."
        )
    if (path / "settings.json").exists():
        return _in_run(RunFiles(path), run_seed)
    if (path / "design.json").exists():
        raise RunFolderError(
            f"{path} is a sweep, which keeps returns and no agents; train a configuration of it "
            "with arlbench train."
        )
    if checkpoints.is_checkpoint(path):
        checkpoint, note = path, ""
    elif (found := checkpoints.newest_in(path)) is not None:
        checkpoint, note = found
    else:
        raise RunFolderError(
            f"There is no run and no checkpoint in {path}; give the folder that a training "
            "printed, or a checkpoint."
        )
    if run_seed is not None:
        raise ConfigurationError(
            f"{path} is a checkpoint, of one seed only; leave --run-seed out, or give the run."
        )
    return _of_checkpoint(checkpoint, note)


def load_agent(algorithm: Any, agent: StoredAgent) -> Any:
    """The runner state of an agent: all that acting needs, and the key of its training.

    Args:
        algorithm: What ``make_algorithm`` of its collection has made.
        agent: What to read.

    Raises:
        RunFolderError: If a file is damaged or does not fit.
        CheckpointError: The same of a checkpoint.
    """
    template = algorithm.checkpoint_template()
    parts = dict(agent.read({name: template[name] for name in _needed(algorithm)}))
    state = algorithm.init(jax.random.key(0), capacity=1)
    return algorithm.restore(parts, state)[0]


def _needed(algorithm: Algorithm) -> tuple[str, ...]:
    normalizes = algorithm.hpo_config["normalize_observations"]
    return ("params", "rng", *(("normalizer_state",) if normalizes else ()))


def _in_run(files: RunFiles, run_seed: int | None) -> StoredAgents:
    settings, note = files.read_settings()
    if run_seed is not None and run_seed not in settings.seeds:
        seeds = ", ".join(map(str, settings.seeds))
        raise ConfigurationError(
            f"The run in {files.path} has no seed {run_seed}; --run-seed takes one of {seeds}."
        )
    wanted = settings.seeds if run_seed is None else (run_seed,)
    ended = files.ended_seeds(settings)
    agents = [_at_end(files, seed) for seed in wanted if seed in ended]
    if not agents:
        agents = [_at_checkpoint(files, settings, wanted)]
    missing = [str(seed) for seed in wanted if seed not in ended]
    notes = [note] if note else []
    if ended and run_seed is None and missing:
        notes.append(f"Left out, because it has not ended: seed {', '.join(missing)}.")
    return StoredAgents(
        files.path / "play",
        DQN.name,
        evaluation_spec(settings.env_spec),
        settings.hpo_config,
        settings.nas_config,
        tuple(agents),
        tuple(notes),
    )


def _at_end(files: RunFiles, seed: int) -> StoredAgent:
    def read(template: Mapping[str, Any]) -> dict[str, Any]:
        parts = {"params": files.read_params(seed, template["params"]), "rng": jax.random.key(seed)}
        if "normalizer_state" in template:
            like = template["normalizer_state"]
            parts["normalizer_state"] = files.read_normalizer(seed, like)
        return parts

    return StoredAgent(f"seed {seed}", "final parameters", read)


def _at_checkpoint(files: RunFiles, settings: RunSettings, wanted: tuple[int, ...]) -> StoredAgent:
    """The newest checkpoint of a run, if it is of a seed that is wanted."""
    found = checkpoints.newest_in(files.checkpoints)
    if found is not None:
        path, _ = found
        info = _description(path)["info"]
        seed = settings.seeds[info["seed_index"]]
        if seed in wanted:
            return _stored(path, f"seed {seed}", info)
    everything = wanted == settings.seeds
    what = "no finished seed and no checkpoint" if everything else f"nothing of seed {wanted[0]}"
    raise RunFolderError(
        f"There is {what} in {files.path} yet; go on with: arlbench train --resume {files.path}"
    )


def _of_checkpoint(path: Path, note: str) -> StoredAgents:
    saved = _description(path)
    if "framework" not in saved["env_spec"]:
        raise CheckpointError(
            f"{path} was saved in an environment made by hand ({saved['env_spec'].get('name')}), "
            "which cannot be made again from here; load it in Python with Checkpointer.load."
        )
    return StoredAgents(
        path.parent / f"play-{path.name}",
        saved["algorithm"],
        evaluation_spec(EnvSpec(**saved["env_spec"])),
        saved["hpo_config"],
        saved["nas_config"],
        (_stored(path, path.name, saved["info"]),),
        (note,) if note else (),
    )


def _stored(path: Path, name: str, info: Mapping[str, Any]) -> StoredAgent:
    def read(template: Mapping[str, Any]) -> dict[str, Any]:
        parts, _ = checkpoints.read_checkpoint(path, template)
        for part in template:
            if part not in parts and part != "rng":
                raise CheckpointError(
                    f"{path} holds no {part}, without which its agent cannot act; save it with "
                    "names='all'."
                )
        return parts

    origin = path.name
    done, total = info.get("timesteps"), info.get("total_timesteps")
    if isinstance(done, int) and isinstance(total, int):
        origin += f", after {done:,} of {total:,} steps"
    return StoredAgent(name, origin, read)


def _description(path: Path) -> Mapping[str, Any]:
    """What the writer of a checkpoint said of it."""
    saved = checkpoints.read_manifest(path).info
    if not {"algorithm", "hpo_config", "nas_config", "env_spec", "info"} <= saved.keys():
        raise CheckpointError(f"{path} is no checkpoint of an algorithm's state.")
    return saved
