"""Twelve short training runs and all bits of their results, to be compared after a change.

python benchmarks/bits.py                                        a table of their results
python benchmarks/bits.py --write benchmarks/results/bits.json   and the same as a file
python benchmarks/bits.py --compare benchmarks/results/bits.json names each run that differs

Each run gives the returns of all its evaluations and the SHA-256 of its final parameters.
Equal bits are expected only from the same kind of processor and the same versions of the
packages, which are in the file; otherwise a difference says nothing about the code. Lengths are
whole multiples of the interval between evaluations, so that rules for uneven ones do not matter.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import arlbench
import reporting
from arlbench import DQN, AutoRLEnv, EnvSpec, Problem, make_env
from arlbench.population import train_population, use_cores

# -- the parts that depend on the library's interface --------------------------------------


def train_members(
    spec: EnvSpec, configs: Sequence[Config], seeds: Sequence[int], length: Length
) -> Sequence[Any]:
    """Trains members, and returns them in order, each with ``returns`` and ``params``."""
    problem = Problem(
        spec,
        n_total_timesteps=length.timesteps,
        n_eval_steps=length.evaluations,
        n_eval_episodes=length.episodes,
    )
    return train_population(problem, configs, seeds, keep_params=True).members


def parameters(state: Any) -> Any:
    """The parameters in the state of a DQN."""
    return state.runner_state.train_state.params


# -- what is trained -----------------------------------------------------------------------

Config = Mapping[str, Any]


class Length(NamedTuple):
    """The length of a run: environment steps, evaluations, and episodes of each evaluation."""

    timesteps: int
    evaluations: int = 4
    episodes: int = 8


class Bits(NamedTuple):
    """The results of a run.

    Attributes:
        returns: The returns of all evaluations and episodes, as one list.
        sha256: The checksum of the final parameters.
    """

    returns: list[float]
    sha256: str


#: Long enough for the buffer to be filled several times.
SINGLE_LENGTH = Length(65_536)

#: One update for every 32 environment steps with 8 environments.
BASE: dict[str, Any] = {
    "buffer_size": 8192,
    "learning_rate": 1e-3,
    "learning_starts": 1024,
    "target_update_interval": 256,
    "exploration_fraction": 0.5,
    "train_freq": 4,
    "gradient_steps": 2,
}


@dataclasses.dataclass(frozen=True)
class Single:
    """A training run of one configuration from key 0.

    Attributes:
        config: The differences from ``BASE``.
        length: Its length.
        framework: The framework of the environment.
        env_name: The environment's name there.
        n_envs: How many of them step together.
        cnn_policy: Whether a convolutional network reads the observations.
    """

    config: Config
    length: Length = SINGLE_LENGTH
    framework: str = "gymnax"
    env_name: str = "CartPole-v1"
    n_envs: int = 8
    cnn_policy: bool = False

    def __call__(self) -> Bits:
        """Runs the training."""
        env = make_env(self.framework, self.env_name, self.n_envs, cnn_policy=self.cnn_policy)
        config = {**BASE, **self.config}
        dqn = DQN(config, env, cnn_policy=self.cnn_policy, nas_config={"hidden_size": 32})
        state = dqn.init(jax.random.key(0), capacity=config["buffer_size"])
        state, result = dqn.train(*state, *self.length)
        return Bits(_floats([result.eval_rewards]), sha256([parameters(state)]))


#: Steps of one learner; the kind of replay and the target network change between them.
SCHEDULE: tuple[Config, ...] = (
    {**BASE, "learning_rate": 1e-3, "gamma": 0.98},
    {"learning_rate": 3e-4, "buffer_prio_sampling": True, "buffer_batch_size": 32},
    {"gamma": 0.95, "use_target_network": False, "train_freq": 8, "gradient_steps": 4},
)


def schedule() -> Bits:
    """Three steps of AutoRLEnv; the parameters are those in its last checkpoint."""
    length = Length(8_192, 2)
    with tempfile.TemporaryDirectory() as folder:
        env = AutoRLEnv(
            {
                "n_envs": 8,
                "n_steps": len(SCHEDULE),
                "n_total_timesteps": length.timesteps,
                "n_eval_steps": length.evaluations,
                "n_eval_episodes": length.episodes,
                "nas_config": {"hidden_size": 32},
                "checkpoint": ["params"],
                "checkpoint_dir": folder,
            }
        )
        env.reset()
        infos = [env.step(action)[-1] for action in SCHEDULE]
        # Read without the package, so that changes of its interface do not matter.
        with np.load(Path(infos[-1]["checkpoint"]) / "params.npz") as file:
            params = {name: file[name] for name in sorted(file.files) if name != "__types__"}
    curves = [info["train_info_df"]["returns"] for info in infos]
    return Bits(_floats([*curves, env.eval(8)]), sha256([params]))


def population() -> Bits:
    """Four configurations with two seeds each, which is enough work for a second process."""
    configs = [
        {**BASE, "buffer_batch_size": 32, "gradient_steps": 8, **config}
        for config in (
            {},
            {"learning_rate": 1e-4, "train_freq": 8},
            {"buffer_prio_sampling": True},
            {"buffer_prio_sampling": True, "buffer_alpha": 0.5, "use_target_network": False},
        )
    ]
    spec = EnvSpec("gymnax", "CartPole-v1", n_envs=8)
    members = train_members(spec, configs, (0, 1), Length(16_384))
    returns = _floats([member.returns for member in members])
    return Bits(returns, sha256([member.params for member in members]))


RUNS: dict[str, Callable[[], Bits]] = {
    **{f"uniform, batch {n}": Single({"buffer_batch_size": n}) for n in (16, 64, 128)},
    **{
        f"prioritised, batch {n}": Single({"buffer_batch_size": n, "buffer_prio_sampling": True})
        for n in (16, 64, 128)
    },
    "no target network": Single({"use_target_network": False}),
    "normalised observations": Single({"normalize_observations": True}),
    "Breakout-MinAtar, grid network": Single(
        {"gradient_steps": 1}, Length(8_192), env_name="Breakout-MinAtar", cnn_policy=True
    ),
    "LunarLander-v3, on the host": Single(
        {"gradient_steps": 1}, Length(4_096, 2, 4), "gymnasium", "LunarLander-v3", n_envs=4
    ),
    "AutoRLEnv, three steps": schedule,
    "population, two cores": population,
}


# -- the results ---------------------------------------------------------------------------


def sha256(trees: Iterable[Any]) -> str:
    """The checksum of all leaves of all trees in order: their paths, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for tree in trees:
        for path, leaf in jax.tree.leaves_with_path(tree):
            array = np.asarray(leaf)
            digest.update(f"{jax.tree_util.keystr(path)} {array.dtype}{array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def _floats(arrays: Iterable[Any]) -> list[float]:
    return [float(x) for array in arrays for x in np.asarray(array).ravel()]


def train_all() -> dict[str, Bits]:
    """Trains everything, prints a line for each, and returns the results by name."""
    trained = {}
    for name, run in RUNS.items():
        begin = time.perf_counter()
        bits = trained[name] = run()
        seconds = time.perf_counter() - begin
        mean = float(np.mean(bits.returns))
        print(f"| {name} | {mean:.3f} | {bits.sha256[:16]} | {seconds:.1f} |", flush=True)
    return trained


def differences(before: Mapping[str, Any], after: Mapping[str, Bits]) -> list[str]:
    """A sentence for each run that differs from before."""
    return [
        sentence
        for name in dict.fromkeys([*before, *after])
        if (sentence := _difference(name, before.get(name), after.get(name)))
    ]


def _difference(name: str, before: Mapping[str, Any] | None, after: Bits | None) -> str:
    if before is None or after is None:
        return f"{name}: the file does not have this run."
    parts = [field for field in Bits._fields if before[field] != getattr(after, field)]
    return f"{name}: {' and '.join(parts)} differ." if parts else ""


def compare(path: Path, trained: Mapping[str, Bits], machine: Mapping[str, Any]) -> int:
    """Prints each run that differs from a file, and returns how many do."""
    content = json.loads(path.read_text())
    found = differences(content["runs"], trained)
    of_both = {name: (content["machine"].get(name), machine[name]) for name in machine}
    changed = [
        f"{name} was {there} and is {here}"
        for name, (there, here) in of_both.items()
        if there != here and name not in {"load_average", "cores"}
    ]
    print("\n".join(found) or f"All {len(trained)} runs are equal to the last bit.")
    if found and changed:
        print(f"Equal bits are not expected here: {'; '.join(changed)}.")
    return len(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the results of each run")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="compare the results with a file"
    )
    arguments = parser.parse_args()
    begin = time.perf_counter()
    use_cores(2)  # the second process starts while this one trains the single runs
    machine = reporting.machine()
    reporting.show_machine(machine)
    print(f"arlbench from {Path(arlbench.__file__).parent}\n")
    print(reporting.markdown_table(["run", "mean return", "parameters", "seconds"], []))
    trained = train_all()
    print(f"\n{time.perf_counter() - begin:.0f} seconds in all.")
    if arguments.write:
        runs = {name: bits._asdict() for name, bits in trained.items()}
        text = json.dumps({"machine": machine, "runs": runs}, indent=1)
        arguments.write.write_text(text + "\n")
    if arguments.compare:
        sys.exit(1 if compare(arguments.compare, trained, machine) else 0)


if __name__ == "__main__":
    main()
