"""The speed of studies: random search compared with arlbench 0.1.3, and the time TPE itself takes.

python benchmarks/study_speed.py                  both parts, three rounds; more than half an hour
python benchmarks/study_speed.py --only tpe       random or tpe
python benchmarks/study_speed.py --quick          a few minutes, to see that it works

The random search is ``arlbench tune --preset cartpole``: 32 configurations with 3 seeds, without
test seeds. arlbench 0.1.3 trains and evaluates the same 96 in one process, as its users do; with
several processes it would use more cores. Each search is timed from the start of its process to
the end, and the two take turns. Ours begins with an empty cache of compiled programs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measuring
import reporting
from command_line import arlbench

sys.path.insert(0, str(Path(__file__).parent / "peers"))

import environments
import processes

OURS, PUBLISHED = "this project", "arlbench 0.1.3"

#: How many times as long as ours the published package takes, and the share of TPE's own time.
SPEED_TARGET, TUNER_TARGET = 4.5, 0.05

#: The settings of the published experiments on CartPole that are not in a configuration.
_FIXED = {
    "gamma": 0.99, "tau": 1.0, "exploration_fraction": 0.1, "normalize_observations": False,
    "train_freq": 32, "gradient_steps": 128,
}  # fmt: skip


def study(folder: Path, cache: Path, *options: str) -> tuple[float, dict[str, Any]]:
    """Runs a study; the seconds of its process, and what it printed."""
    command = ["tune", "--preset=cartpole", "--test-seeds=0", f"--out={folder}", "--json", *options]
    begin = time.perf_counter()
    done = subprocess.run(
        arlbench(*command),
        env={**os.environ, "ARLBENCH_COMPILATION_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return time.perf_counter() - begin, json.loads(done.stdout)


def published_job(folder: Path, n_seeds: int, timesteps: int) -> dict[str, Any]:
    """The trainings of a study, for the published package."""
    from arlbench.tuning import load

    defaults = {"buffer_alpha": 0.9, "buffer_beta": 0.9, "buffer_epsilon": 1e-6}
    defaults["target_update_interval"] = 1_000
    results = load(folder).results
    return {
        "kind": "sweep",
        "configs": [{**_FIXED, **defaults, **results[n].trial.config} for n in sorted(results)],
        "seeds": list(range(n_seeds)),
        "n_envs": 8,
        "timesteps": timesteps,
        "evaluations": 10,
        "episodes": 128,
        "activation": "tanh",
        "hidden_size": 64,
    }


def compare_random(n_rounds: int, n_trials: int, timesteps: int, peers: Path) -> dict[str, Any]:
    """Seconds of whole processes, and what each found."""
    peer = environments.PEERS["published"]
    python = environments.interpreter(peer, peers)
    options = (f"--n-trials={n_trials}", "--seeds=3", f"--timesteps={timesteps}")
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as kept:
        home = Path(kept)
        jobs: list[dict[str, Any]] = []

        def ours() -> float:
            with tempfile.TemporaryDirectory() as cache:
                folder = home / f"study{len(jobs)}"
                seconds, outcome = study(folder, Path(cache), *options)
            best[OURS] = outcome["incumbent"]["objective"]
            jobs.append(published_job(folder, 3, timesteps))
            return seconds

        def published() -> float:
            answer = processes.run_job(python, peer, jobs[-1])
            n = len(jobs[-1]["seeds"])
            returns = [sum(answer["returns"][i : i + n]) / n for i in range(0, n_trials * n, n)]
            best[PUBLISHED] = max(returns)
            return float(answer["process_seconds"])

        samples = measuring.interleaved({OURS: ours, PUBLISHED: published}, n_rounds)
    return {
        "seconds": {name: measuring.summary(values) for name, values in samples.items()},
        "published_over_ours": measuring.ratio(samples, PUBLISHED, OURS),
        "best_return": best,
    }


def measure_tpe(n_trials: int, timesteps: int) -> dict[str, Any]:
    """The share of a study's seconds that TPE itself takes, with one seed for each trial."""
    with tempfile.TemporaryDirectory() as kept:
        options = (f"--n-trials={n_trials}", "--seeds=1", f"--timesteps={timesteps}", "--tuner=tpe")
        _, outcome = study(Path(kept) / "study", Path(kept) / "cache", *options)
    seconds, own = outcome["seconds"], outcome["tuner_seconds"]
    return {"n_trials": n_trials, "seconds": seconds, "own": own, "share": own / seconds}


def text(results: dict[str, Any]) -> str:
    """The results in words."""
    parts = ["# The speed of studies\n"]
    if "random" in results:
        found = results["random"]
        rows = [
            [name, *(f"{values[key]:.0f}" for key in ("median", "smallest", "largest"))]
            + [f"{found['best_return'][name]:.1f}"]
            for name, values in found["seconds"].items()
        ]
        header = ["random search, 96 trainings", "seconds", "smallest", "largest", "best return"]
        parts += [
            reporting.markdown_table(header, rows),
            f"\narlbench 0.1.3 takes {found['published_over_ours']:.1f} times as long "
            f"(target: {SPEED_TARGET}).\n",
        ]
    if "tpe" in results:
        found = results["tpe"]
        parts.append(
            f"TPE, {found['n_trials']} trials with one seed each: {found['own']:.1f} s of "
            f"{found['seconds']:.0f} s are its own, {found['share']:.1%} (target: at most "
            f"{TUNER_TARGET:.0%}).\n"
        )
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("random", "tpe"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peers", type=Path, default=environments.DEFAULT_FOLDER)
    arguments = parser.parse_args()
    timesteps = 5_120 if arguments.quick else 50_000
    path = reporting.RESULTS / "study_speed.json"
    results = {} if arguments.quick or not path.exists() else json.loads(path.read_text())
    results["machine"] = reporting.machine()
    reporting.show_machine(results["machine"])
    if arguments.only != "tpe":
        n_trials, n_rounds = (4, 1) if arguments.quick else (32, arguments.rounds)
        results["random"] = compare_random(n_rounds, n_trials, timesteps, arguments.peers)
    if arguments.only != "random":
        results["tpe"] = measure_tpe(20 if arguments.quick else 200, timesteps)
    print(text(results))
    if not arguments.quick:
        reporting.write_json("study_speed", results)
        (reporting.RESULTS / "study_speed.md").write_text(text(results))


if __name__ == "__main__":
    main()
