"""AutoRLEnv: a schedule compared with arlbench 0.1.3, the overhead of a step, many learners.

python benchmarks/autorl_env.py                 everything
python benchmarks/autorl_env.py --only b,c      some parts; other earlier results are kept
python benchmarks/autorl_env.py --quick         tiny, to see that all works; results elsewhere
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from environments import DEFAULT_FOLDER, FOLDER_VARIABLE, PeerError

import autorl_env_parts as parts
import reporting
from autorl_env_parts import COLD, PUBLISHED, QUICK, SINGLE, STEP, TRAINING, VECTOR, Scale

NAME = "autorl_env"

PARTS = {
    "a": "A schedule compared with arlbench 0.1.3",
    "b": "A step after the first, and the training in it",
    "c": "Many learners",
}

#: Targets: how many times as fast a schedule is, and a step's time as a multiple of its training's.
SCHEDULE_TARGET, STEP_TARGET = 8, 1.1

N_REPEATS = 5

#: A short training is measured this many times as often.
SHORT_REPEATS = 4

_SPREAD = ("median", "smallest", "largest")

Results = dict[str, Any]


def measure(part: str, scale: Scale, n_repeats: int, folder: Path) -> Results:
    """Measures one part, or says why this is not possible."""
    print(f"\n({part}) {PARTS[part]}", flush=True)
    if part == "b":
        rounds = SHORT_REPEATS * n_repeats
        return {"lengths": [parts.measure_step(length, rounds) for length in scale.lengths]}
    if part == "c":
        return parts.measure_learners(scale, n_repeats)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    try:
        return parts.measure_schedule(scale, n_repeats, folder)
    except PeerError as error:
        return {"skipped": str(error)}


# -- tables ------------------------------------------------------------------------------


def schedule_text(measured: Results, scale: Mapping[str, Any]) -> str:
    header = ["seconds", "schedule", "smallest", "largest", "its first step", "a later step"]
    header += ["whole process", "smallest", "largest", "programs in a step"]
    rows = [
        [name, *_spread(v["schedule_seconds"]), _median(v["first_step_seconds"])]
        + [_median(v["later_step_seconds"], 3), *_spread(v["process_seconds"])]
        + [_counts(v["step_programs"])]
        for name, v in measured["variants"].items()
    ]
    ratios = [
        [f"{PUBLISHED} over {name}", *(f"{ratios[kind]:.1f}" for kind in ratios)]
        for name, ratios in measured["published_over"].items()
    ]
    reached = measured["published_over"][COLD]["schedule_seconds"]
    return "\n\n".join([
        f"{scale['n_steps']} steps of {scale['timesteps']:,} timesteps, each with other values of "
        "three hyperparameters and one evaluation of ten episodes, in a process of its own. "
        "*schedule* is the time from `reset` to the results of the last step, with compilation; "
        "*programs* is the number of programs that a step compiles or reads from the cache: for "
        "the first step, and the largest number of any later step.",
        reporting.markdown_table(header, rows),
        reporting.markdown_table(["", "schedule", "whole process"], ratios),
        _against(f"With an empty cache a schedule is {reached:.1f} times as fast",
                 f"at least {SCHEDULE_TARGET}", reached >= SCHEDULE_TARGET),
    ])  # fmt: skip


def step_text(measured: Results) -> str:
    header = ["milliseconds", *_SPREAD]
    rows = [
        [f"{length['timesteps']:,} timesteps: {name}", *_spread(seconds, 1, 1000)]
        for length in measured["lengths"]
        for name, seconds in length["seconds"].items()
    ]
    verdicts = [
        _against(
            f"{length['timesteps']:,} timesteps: {STEP} takes {length['ratio']:.3f} times as long "
            f"as {TRAINING}, and compiles {len(length['compilations'])} programs",
            f"at most {STEP_TARGET}, and none",
            length["ratio"] <= STEP_TARGET and not length["compilations"],
        )
        + ("" if length["same_returns"] else " **Their returns differ.**")
        for length in measured["lengths"]
    ]
    return "\n\n".join([
        "The second step of a schedule, with other values of three hyperparameters than the "
        f"first, and the same {TRAINING} on a prepared state, in turn.",
        reporting.markdown_table(header, rows),
        "\n".join(f"- {verdict}" for verdict in verdicts),
    ])  # fmt: skip


def learners_text(measured: Results, scale: Mapping[str, Any]) -> str:
    header = ["", "learners measured", "environment steps a second", "seconds a learner"]
    rows = [
        [name, str(measured["learners"][name]), f"{measured['steps_per_second'][name]:,.0f}"]
        + [_spread_in_brackets(measured["seconds_a_learner"][name])]
        for name in (VECTOR, SINGLE)
    ]
    same = "the same" if measured["same_returns"] else "**not the same**"
    n_vector, n_single = measured["learners"][VECTOR], measured["learners"][SINGLE]
    return "\n\n".join([
        f"{scale['n_steps']} steps of {scale['timesteps']:,} timesteps, with another "
        "configuration for every learner in every step; all programs were compiled before. The "
        f"vector environment has {n_vector} learners and may use every core. {n_single} of them "
        "are also measured one by one, on one core. The times of one learner are compared.",
        reporting.markdown_table(header, rows),
        f"The vector environment is {measured['speed_over_single']:.2f} times as fast. Its first "
        f"{n_single} learners had {same} returns as the single ones.",
    ])  # fmt: skip


def _median(values: Mapping[str, Any], digits: int = 2) -> str:
    return f"{values['median']:.{digits}f}"


def _spread(values: Mapping[str, Any], digits: int = 2, factor: float = 1) -> list[str]:
    return [f"{factor * values[key]:.{digits}f}" for key in _SPREAD]


def _spread_in_brackets(values: Mapping[str, Any]) -> str:
    median, smallest, largest = _spread(values, 3)
    return f"{median} ({smallest} to {largest})"


def _counts(each: list[int]) -> str:
    """The number of the first step, and the largest number of the others."""
    return f"{each[0]}, then {max(each[1:])}"


def _against(what: str, target: str, is_reached: bool) -> str:
    return f"{what} (target: {target}; {'reached' if is_reached else '**missed**'})."


def markdown(results: Results) -> str:
    """All parts that have been measured."""
    described = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    blocks = [f"# AutoRLEnv\n\n`python benchmarks/{NAME}.py` on {described}."]
    scale = results["scale"]
    if results["quick"]:
        blocks.append(
            "**Tiny workloads, to see that everything works: do not quote these numbers.**"
        )
    texts = {
        "a": lambda measured: schedule_text(measured, scale),
        "b": step_text,
        "c": lambda measured: learners_text(measured, scale),
    }
    for part, title in PARTS.items():
        if measured := results["parts"].get(part):
            skipped = measured.get("skipped")
            blocks.append(f"## ({part}) {title}")
            blocks.append(f"Not measured: {skipped}." if skipped else texts[part](measured))
    return "\n\n".join(blocks) + "\n"


# -- the command -------------------------------------------------------------------------


def main() -> None:
    arguments = _arguments()
    scale = QUICK if arguments.quick else Scale()
    out = arguments.out or (
        Path(tempfile.mkdtemp(prefix=NAME)) if arguments.quick else reporting.RESULTS
    )
    out.mkdir(parents=True, exist_ok=True)
    machine = reporting.machine()
    reporting.show_machine(machine)
    results = {"machine": machine, "quick": arguments.quick, "scale": dataclasses.asdict(scale)}
    results["parts"] = _earlier(out / f"{NAME}.json", machine, arguments.quick)
    for part in arguments.only:
        results["parts"][part] = measure(part, scale, arguments.repeats, arguments.environments)
        # Written after every part, so that an interruption loses only one part.
        (out / f"{NAME}.json").write_text(json.dumps(results, indent=2) + "\n")
        (out / f"{NAME}.md").write_text(markdown(results))
    print(f"\n{markdown(results)}\nWritten to {out}/{NAME}.json and {NAME}.md")


def _earlier(path: Path, machine: Mapping[str, Any], quick: bool) -> Results:
    """Parts measured before on the same machine with the same packages."""
    if not path.exists():
        return {}
    earlier = json.loads(path.read_text())
    same = {**earlier["machine"], "load_average": None} == {**machine, "load_average": None}
    return earlier["parts"] if same and earlier["quick"] == quick else {}


def _some_parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(PARTS)}")
    return [part for part in PARTS if part in names]


def _arguments() -> argparse.Namespace:
    described = "; ".join(f"{part}: {title}" for part, title in PARTS.items())
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], epilog=described)
    parser.add_argument("--only", type=_some_parts, default=list(PARTS), help="parts, such as a,b")
    parser.add_argument(
        "--repeats",
        type=int,
        help=f"rounds, {N_REPEATS} unless given; {SHORT_REPEATS} times as many in b",
    )
    parser.add_argument("--quick", action="store_true", help="tiny workloads, results elsewhere")
    folder = Path(os.environ.get(FOLDER_VARIABLE, DEFAULT_FOLDER))
    parser.add_argument(
        "--environments", type=Path, default=folder, help="folder of arlbench 0.1.3's environment"
    )
    parser.add_argument("--out", type=Path, help="folder of the results")
    arguments = parser.parse_args()
    arguments.repeats = arguments.repeats or (1 if arguments.quick else N_REPEATS)
    return arguments


if __name__ == "__main__":
    main()
