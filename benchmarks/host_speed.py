"""Environments outside JAX: libraries' own loops, and stable-baselines3, side by side.

(a) Trainings whose learner never starts, and random actions through the adapter alone, compared
with the library's own loop with random actions. All take turns in one process.
(b) Trainings that learn, compared with stable-baselines3 in an environment of its own, with the
same network, buffer and updates. Both take turns, and what both did is checked.

python benchmarks/host_speed.py                        everything, about ten minutes
python benchmarks/host_speed.py --only b --repeats 3   one part; nothing is written
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from environments import DEFAULT_FOLDER, FOLDER_VARIABLE, PeerError

import host_speed_parts as parts
import measuring
import reporting
from host_speed_parts import Case

NAME = "host_speed"

LIBRARY, ADAPTER, IDLE = "library's own loop", "adapter", "learner idle"
OURS, SB3 = "this project", "stable-baselines3"

#: The aim of part (a), as a part of the library's own speed.
AIM = 0.8

LEARNING = (Case("gymnasium", "LunarLander-v3"), Case("ale", "Pong-v5"))

_LIBRARIES = ("ale-py", "envpool", "gymnasium")


def stepping(case: Case, n_repeats: int) -> dict[str, Any]:
    """Part (a) for one case."""
    if case.why_not:
        return {"skipped": case.why_not}
    variants = {
        LIBRARY: parts.library_loop(case),
        ADAPTER: parts.adapter_loop(case),
        IDLE: parts.training(case, learning_starts=parts.NEVER),
    }
    samples = measuring.interleaved(variants, n_repeats)
    return {
        "steps_per_second": {name: measuring.summary(v) for name, v in samples.items()},
        "ratios": {name: measuring.ratio(samples, name, LIBRARY) for name in (ADAPTER, IDLE)},
    }


def learning(case: Case, n_repeats: int, folder: Path, seconds: float) -> dict[str, Any]:
    """Part (b) for one case."""
    try:
        theirs = parts.sb3_training(case, folder, seconds)
        answers: list[dict[str, Any]] = []

        def sb3() -> float:
            answers.append(theirs())
            return float(answers[-1]["steps_per_second"])

        ours = parts.training(case, learning_starts=case.n_envs)
        samples = measuring.interleaved({OURS: ours, SB3: sb3}, n_repeats)
    except PeerError as error:
        return {"skipped": f"stable-baselines3 {error}"}
    wanted = parts.updates_per_step(case)
    found = statistics.median(answer["updates_per_step"] for answer in answers)
    return {
        "updates": parts.updates_of(case),
        "updates_per_step": {OURS: wanted, SB3: found},
        "versions": answers[-1]["versions"],
        "torch_threads": answers[-1]["torch_threads"],
        "steps_per_second": {name: measuring.summary(v) for name, v in samples.items()},
        "ratio": measuring.ratio(samples, OURS, SB3),
    }


def stepping_rows(found: dict[str, Any]) -> list[list[str]]:
    """The table of part (a)."""
    rows = []
    for title, result in found.items():
        if "skipped" in result:
            rows.append([title, f"{result['skipped']}", *[""] * 4])
            continue
        speeds = [f"{s['median']:,.0f}" for s in result["steps_per_second"].values()]
        shares = [f"{100 * result['ratios'][name]:.0f} %" for name in (ADAPTER, IDLE)]
        rows.append([title, *speeds, *shares])
    return rows


def learning_rows(found: dict[str, Any]) -> list[list[str]]:
    """The table of part (b)."""
    rows = []
    for title, result in found.items():
        if "skipped" in result:
            rows.append([title, result["skipped"], "", "", ""])
            continue
        cells = []
        for name in (OURS, SB3):
            speed = result["steps_per_second"][name]
            span = f"{speed['smallest']:,.0f} to {speed['largest']:,.0f}"
            cells.append(f"{speed['median']:,.0f} ({span})")
        rows.append([title, result["updates"], *cells, f"{result['ratio']:.1f}"])
    return rows


def page(results: dict[str, Any]) -> str:
    """The tables, and how to read them."""
    machine = results["machine"]
    described = ", ".join(f"{name} {value}" for name, value in machine.items())
    first = reporting.markdown_table(
        ["environment", LIBRARY, ADAPTER, IDLE, f"{ADAPTER}, share", f"{IDLE}, share"],
        stepping_rows(results["stepping"]),
    )
    second = reporting.markdown_table(
        ["environment", "updates", OURS, SB3, "ratio"], learning_rows(results["learning"])
    )
    return f"""# Environments outside JAX

`python benchmarks/{NAME}.py` on {described}. The machine was shared with other work, so trust the
ratios, which are medians over rounds of {results["repeats"]}, more than the speeds.

## (a) Steps per second without learning

*{LIBRARY}* steps with random actions drawn before. *{ADAPTER}* steps with random actions through
this project, in a compiled loop. *{IDLE}* is a training whose learning never starts: the network
chooses actions, and every transition is stored. The aim was {100 * AIM:.0f} % of the library's
loop.

{first}

## (b) Steps per second with learning

The same network, batch, buffer, optimiser and number of updates; each measurement of
stable-baselines3 is a process of its own, and both take turns.

{second}
"""


def main() -> None:
    arguments = parsed()
    machine = {**reporting.machine(), **_versions()}
    reporting.show_machine(machine)
    results: dict[str, Any] = {"machine": machine, "repeats": arguments.repeats}
    found: dict[str, Any] = {"stepping": {}, "learning": {}}
    if "a" in arguments.only:
        for case in parts.cases():
            found["stepping"][case.title] = stepping(case, arguments.repeats)
            print(*stepping_rows(found["stepping"])[-1], sep=" | ", flush=True)
    if "b" in arguments.only:
        folder = Path(arguments.environments)
        for case in LEARNING:
            result = learning(case, arguments.repeats, folder, arguments.seconds)
            found["learning"][case.title] = result
            print(*learning_rows(found["learning"])[-1], sep=" | ", flush=True)
    if arguments.only == "ab":
        results.update(found)
        reporting.write_json(NAME, results)
        (reporting.RESULTS / f"{NAME}.md").write_text(page(results))
        print(f"Written to results/{NAME}.md")


def _versions() -> dict[str, str]:
    """The versions of the libraries that are installed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--only", choices=("a", "b", "ab"), default="ab", help="a part")
    parser.add_argument(
        "--seconds", type=float, default=10, help="of one measurement of stable-baselines3"
    )
    parser.add_argument(
        "--environments",
        default=os.environ.get(FOLDER_VARIABLE, str(DEFAULT_FOLDER)),
        help="folder for the environment of stable-baselines3",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
