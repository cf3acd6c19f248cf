"""Environments outside JAX: libraries' own loops, and stable-baselines3, side by side.

(a) Trainings whose learner never starts, and random actions through the adapter alone, compared
with the library's own loop with random actions. All take turns in one process.
(b) Trainings that learn, compared with stable-baselines3 in its own environment, with the
same network, buffer and updates. Both take turns, and what both did is checked.

python benchmarks/host_speed.py                        everything, about ten minutes
python benchmarks/host_speed.py --only b --repeats 3   one part; the other's results are kept
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import statistics
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from environments import DEFAULT_FOLDER, FOLDER_VARIABLE, PeerError

import host_speed_parts as parts
import measuring
import reporting
from host_speed_parts import Case, Speed

NAME = "host_speed"

LIBRARY, ADAPTER, IDLE = "library's own loop", "adapter", "learner idle"
OURS, SB3 = "this project", "stable-baselines3"

#: The aim of part (a), as a fraction of the library's own speed.
AIM = 0.8

LEARNING = (Case("gymnasium", "LunarLander-v3"), Case("ale", "Pong-v5"))

_LIBRARIES = ("ale-py", "envpool", "gymnasium")


def in_turn(variants: dict[str, Callable[[], Speed]], n_repeats: int) -> dict[str, Any]:
    """Measures all variants in turn; speeds, and shares of the first variant's, by both clocks."""
    measured = [{name: call() for name, call in variants.items()} for _ in range(n_repeats)]
    reference, *others = variants
    found: dict[str, Any] = {}
    for clock in Speed._fields:
        samples = {n: [getattr(turn[n], clock) for turn in measured] for n in variants}
        found[clock] = {
            "speeds": {n: measuring.summary(values) for n, values in samples.items()},
            "ratios": {n: measuring.ratio(samples, n, reference) for n in others},
        }
    return found


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a process that has not used JAX, and so can choose its threads."""
    # Importing arlbench has set this variable.
    os.environ.pop("NPROC", None)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments).result()


def stepping(case: Case, n_repeats: int) -> dict[str, Any]:
    """Part (a) for one case."""
    if case.why_not:
        return {"skipped": case.why_not}
    variants = {
        LIBRARY: parts.library_loop(case),
        ADAPTER: parts.adapter_loop(case),
        IDLE: parts.training(case, learning_starts=parts.NEVER),
    }
    return in_turn(variants, n_repeats)


def learning(case: Case, n_repeats: int, folder: Path, seconds: float) -> dict[str, Any]:
    """Part (b) for one case."""
    answers: list[dict[str, Any]] = []
    try:
        theirs = parts.sb3_training(case, folder, seconds)

        def sb3() -> Speed:
            answers.append(theirs())
            return Speed(answers[-1]["wall"], answers[-1]["processor"])

        ours = parts.training(case, learning_starts=case.n_envs)
        found = in_turn({SB3: sb3, OURS: ours}, n_repeats)
    except PeerError as error:
        return {"skipped": f"stable-baselines3 {error}"}
    updates = statistics.median(answer["updates_per_step"] for answer in answers)
    return {
        **found,
        "updates": parts.updates_of(case),
        "updates_per_step": {OURS: parts.updates_per_step(case), SB3: updates},
        "versions": answers[-1]["versions"],
        "torch_threads": answers[-1]["torch_threads"],
    }


def stepping_rows(found: dict[str, Any]) -> list[list[str]]:
    """The table of part (a)."""
    rows = []
    for title, result in found.items():
        if "skipped" in result:
            rows.append([title, result["skipped"], *[""] * 4])
            continue
        speeds = [f"{s['median']:,.0f}" for s in result["wall"]["speeds"].values()]
        shares = [
            f"{100 * result['wall']['ratios'][name]:.0f} % "
            f"({100 * result['processor']['ratios'][name]:.0f} %)"
            for name in (ADAPTER, IDLE)
        ]
        rows.append([title, *speeds, *shares])
    return rows


def learning_rows(found: dict[str, Any]) -> list[list[str]]:
    """The table of part (b)."""
    rows = []
    for title, result in found.items():
        if "skipped" in result:
            rows.append([title, result["skipped"], *[""] * 4])
            continue
        cells = []
        for name in (OURS, SB3):
            speed = result["wall"]["speeds"][name]
            span = f"{speed['smallest']:,.0f} to {speed['largest']:,.0f}"
            cells.append(f"{speed['median']:,.0f} ({span})")
        ratios = [f"{result[clock]['ratios'][OURS]:.1f}" for clock in Speed._fields]
        rows.append([title, result["updates"], *cells, *ratios])
    return rows


def page(results: dict[str, Any]) -> str:
    """The tables, and how to read them."""
    texts = [
        f"""# Environments outside JAX

Written by `python benchmarks/{NAME}.py`. The machine was shared with other work, so trust the
ratios, which are medians over rounds, more than the speeds.
"""
    ]
    if "stepping" in results:
        found = results["stepping"]
        header = ["environment", LIBRARY, ADAPTER, IDLE, f"{ADAPTER}, share", f"{IDLE}, share"]
        texts.append(f"""## (a) Steps per second without learning

*{LIBRARY}* steps with random actions drawn before. *{ADAPTER}* steps with random actions through
this project, in a compiled loop. *{IDLE}* is a run whose learning never starts: the network
chooses actions, and every transition is stored. The aim was {100 * AIM:.0f} % of the library's
loop. Shares by processor time, of all threads together, are in brackets.
{described(found)}

{reporting.markdown_table(header, stepping_rows(found["cases"]))}
""")
    if "learning" in results:
        found = results["learning"]
        header = ["environment", "updates", OURS, SB3, "ratio", "by processor time"]
        texts.append(f"""## (b) Steps per second with learning

The same network, batch, buffer, optimiser and number of updates; each measurement of
stable-baselines3 is a process of its own, and both take turns. {described(found)}

{reporting.markdown_table(header, learning_rows(found["cases"]))}
""")
    return "\n".join(texts)


def described(found: dict[str, Any]) -> str:
    """The rounds and the machine of a part."""
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    return f"Medians of {found['repeats']} rounds on {machine}."


def main() -> None:
    arguments = parsed()
    machine = {**reporting.machine(), **_versions()}
    reporting.show_machine(machine)
    if "a" in arguments.only:
        found = {}
        for case in parts.cases():
            found[case.title] = stepping(case, arguments.repeats)
            print(*stepping_rows(found)[-1], sep=" | ", flush=True)
        write("stepping", machine, arguments.repeats, found)
    if "b" in arguments.only:
        found = {}
        for case in LEARNING:
            folder = Path(arguments.environments)
            found[case.title] = in_own_process(
                learning, case, arguments.repeats, folder, arguments.seconds
            )
            print(*learning_rows(found)[-1], sep=" | ", flush=True)
        write("learning", machine, arguments.repeats, found)


def write(part: str, machine: dict[str, Any], n_repeats: int, found: dict[str, Any]) -> None:
    """Writes the results of a part, and keeps those of the other."""
    path = reporting.RESULTS / f"{NAME}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    results[part] = {"machine": machine, "repeats": n_repeats, "cases": found}
    reporting.write_json(NAME, results)
    path.with_suffix(".md").write_text(page(results))
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
