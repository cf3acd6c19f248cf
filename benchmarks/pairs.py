"""Compares two source trees: whole commands in turn, in processor and in wall-clock seconds.

python benchmarks/pairs.py --old BEFORE/src --new AFTER/src            everything, seven pairs
python benchmarks/pairs.py --old … --new … --pairs 3 --only run,seeds4   some of it
python benchmarks/pairs.py --old … --new … --pairs 1 --quick             to see that it works

Only the command line is used, so the trees may differ in everything else. Each tree has its own
folder of compiled programs, which is filled by one run of every workload that is not measured. The
two runs of a pair follow each other, and the order changes from pair to pair. Processor seconds are
the user and system time of the process and its workers. They hardly depend on what else the machine
does, but do not show how well its cores were used.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import measuring
import reporting
from command_line import arlbench

CONFIGURATIONS = Path(__file__).resolve().parent / "peers" / "configurations"

OLD, NEW = "old", "new"

_QUICK_TIMESTEPS = 5_120


@dataclasses.dataclass(frozen=True)
class Workload:
    """One command.

    Attributes:
        title: Its name in tables.
        words: The command, without its length and its folder.
        timesteps: Its length; None takes the command's default.
    """

    title: str
    words: tuple[str, ...]
    timesteps: int | None

    def command(self, out: Path, quick: bool) -> list[str]:
        """The arguments of the command that writes to a folder."""
        timesteps = _QUICK_TIMESTEPS if quick else self.timesteps
        length = [] if timesteps is None else [f"--timesteps={timesteps}"]
        return [*self.words, *length, f"--out={out}", "--quiet"]


def _sweep(file: str, *words: str) -> tuple[str, ...]:
    """A sweep of one seed over the configurations of a file."""
    path = CONFIGURATIONS / file
    return ("sweep", "CartPole-v1", "--sampler=file", f"--file={path}", "--seeds=1", *words)


#: The sweeps are parts c and d of ``peers/workloads.py`` with fewer steps: 20,000 instead of
#: 100,000 and 50,000. As there, unnamed hyperparameters have their defaults.
WORKLOADS: dict[str, Workload] = {
    "run": Workload("one run, 300k steps", ("train", "CartPole-v1", "--seeds=1"), 300_000),
    "sweep64": Workload(
        "a sweep of 64 configurations, 20k steps",
        _sweep("sweep_64.json", "train_freq=4", "buffer_batch_size=64", "--evaluations=1",
               "--eval-episodes=10"),
        20_000,
    ),
    "published32": Workload(
        "32 published configurations, 20k steps",
        _sweep("landscape_32.csv", "train_freq=32", "gradient_steps=128", "--evaluations=10",
               "--eval-episodes=128"),
        20_000,
    ),
    "seeds4": Workload("four seeds, 1M steps", ("train", "CartPole-v1", "--seeds=4"), 1_000_000),
    "default": Workload("arlbench train CartPole-v1", ("train", "CartPole-v1"), None),
}  # fmt: skip


class Cost(NamedTuple):
    """The time of a process, in seconds."""

    processor: float
    wall: float


class Tree(NamedTuple):
    """A source tree and the folder of its compiled programs."""

    source: Path
    cache: Path


def process_cost(command: Sequence[str], tree: Tree, n_cores: int) -> Cost:
    """Runs a command with the code of a tree.

    Raises:
        SystemExit: If it failed, with the end of its output.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree.source),
        "ARLBENCH_COMPILATION_CACHE": str(tree.cache),
        "ARLBENCH_CORES": str(n_cores),
    }
    # A cache that is set for JAX itself would replace the tree's cache.
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    with tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            arlbench(*command),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{tree.source} failed in '{command[0]}': {errors.read()[-1000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def measure(
    workload: Workload, trees: dict[str, Tree], n_pairs: int, n_cores: int, quick: bool
) -> dict[str, measuring.Samples]:
    """Processor and wall-clock seconds of both trees, one value for each pair."""

    def cost(name: str) -> Cost:
        with tempfile.TemporaryDirectory() as folder:
            command = workload.command(Path(folder) / "out", quick)
            return process_cost(command, trees[name], n_cores)

    for name in trees:
        cost(name)  # compiles
    pairs = [pair(cost, begins_with=OLD if i % 2 == 0 else NEW) for i in range(n_pairs)]
    return {
        kind: {name: [getattr(costs[name], kind) for costs in pairs] for name in trees}
        for kind in Cost._fields
    }


def pair(cost: Callable[[str], Cost], begins_with: str) -> dict[str, Cost]:
    """The times of both, one right after the other."""
    order = (OLD, NEW) if begins_with == OLD else (NEW, OLD)
    return {name: cost(name) for name in order}


def summary(samples: measuring.Samples) -> dict[str, Any]:
    """Both trees' seconds, and the ratios of new to old in the pairs."""
    ratios = [new / old for new, old in zip(samples[NEW], samples[OLD], strict=True)]
    seconds = {name: measuring.summary(values) for name, values in samples.items()}
    return {**seconds, "new_over_old": measuring.summary(ratios)}


def row(title: str, measured: dict[str, Any]) -> list[str]:
    cells = [title]
    for kind in Cost._fields:
        of_kind = measured[kind]
        ratio = of_kind["new_over_old"]
        cells += [f"{of_kind[name]['median']:.2f}" for name in (OLD, NEW)]
        cells += [
            f"{ratio['median']:.3f}",
            f"{ratio['smallest']:.3f} to {ratio['largest']:.3f}",
        ]
    return cells


def version(source: Path) -> str:
    """The commit of a tree, and whether it has changed since; "unknown" without a repository."""
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in (OLD, NEW):
        parser.add_argument(
            f"--{name}", type=lambda text: Path(text).resolve(), required=True, metavar="DIR/src"
        )
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--only", default=",".join(WORKLOADS), help="some of: %(default)s")
    parser.add_argument(
        "--cores", type=int, default=2, help="number of cores that a command may use"
    )
    parser.add_argument("--quick", action="store_true", help="short, to see that it works")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write every measurement")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    if unknown := set(arguments.only) - WORKLOADS.keys():
        parser.error(f"Unknown workload {', '.join(sorted(unknown))}.")
    for source in (arguments.old, arguments.new):
        if not (source / "arlbench").is_dir():
            parser.error(f"{source} is not a source tree, because it lacks the folder arlbench.")
    return arguments


def main() -> None:
    arguments = parsed()
    machine = reporting.machine()
    reporting.show_machine(machine)
    if arguments.quick:
        print(f"Quick: {_QUICK_TIMESTEPS:,} steps each, so these times mean nothing.")
    header = ["workload"]
    for kind in ("processor s", "wall s"):
        header += [f"{kind}, old", "new", "new / old", "pairs"]
    print("\n" + reporting.markdown_table(header, []), flush=True)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as caches:
        trees = {name: Tree(getattr(arguments, name), Path(caches) / name) for name in (OLD, NEW)}
        for key in arguments.only:
            samples = measure(
                WORKLOADS[key], trees, arguments.pairs, arguments.cores, arguments.quick
            )
            results[key] = {kind: summary(samples[kind]) for kind in Cost._fields}
            print(f"| {' | '.join(row(WORKLOADS[key].title, results[key]))} |", flush=True)
    if arguments.write:
        versions = {name: version(getattr(arguments, name)) for name in (OLD, NEW)}
        content = {"machine": machine, **versions, "quick": arguments.quick, "workloads": results}
        arguments.write.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
