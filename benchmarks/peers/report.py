"""Makes the tables for people from the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from environments import PEERS
from workloads import PARTS

import reporting

_MEASURES = {
    "training": "Seconds of a training, without compilation.",
    "process": "Seconds from a process's start to its end, with imports and compilation.",
    "second call": "Seconds of a second call in the same process, which compiles nothing.",
}

_INTRODUCTION = """\
# This project compared with its peers

Made by `python benchmarks/peers/compare.py`; every single measurement is in `peers.json`.
The numbers are medians over rounds in which all take turns. *ratio* is a variant's seconds divided
by those of the first line in the same round: the median over rounds, with the smallest and the
largest. *steps/s* are environment steps divided by the median seconds. *memory* is the peak,
including workers.
How each peer was run is in [its README](../peers/README.md)."""


def markdown(results: Mapping[str, Any]) -> str:
    """All parts that have been measured."""
    machine = results["machine"]
    described = ", ".join(f"{name} {value}" for name, value in machine.items())
    blocks = [_INTRODUCTION, f"Machine and packages of the first line: {described}."]
    if results["quick"]:
        blocks.append(
            "**Tiny workloads, to see that everything works: do not quote these numbers.**"
        )
    for part in PARTS:
        if part in results["parts"]:
            blocks += _part(part, results["parts"][part])
    if compilations := list(_compilations(results["parts"])):
        header = ["one process", "compilations", "over 0.2 s", "seconds", "training programs"]
        blocks += [f"## (f) {PARTS['f']}", reporting.markdown_table(header, compilations)]
    if versions := list(_versions(results["parts"])):
        blocks += ["## Versions", reporting.markdown_table(["peer", "packages"], versions)]
    return "\n\n".join(blocks) + "\n"


def _part(part: str, measured: Mapping[str, Any]) -> Iterator[str]:
    if "skipped" in measured:
        yield f"## ({part}) {PARTS[part]}"
        yield f"Not measured: {measured['skipped']}."
    elif part == "e":
        yield from _buffer_sizes(measured)
    elif part != "f":
        for workload in measured["workloads"]:
            yield from _workload(workload)


# -- workloads ---------------------------------------------------------------------------


def _workload(workload: Mapping[str, Any]) -> Iterator[str]:
    yield f"## ({workload['key']}) {workload['title']}"
    sentences = [
        _MEASURES[workload["measure"]],
        workload["note"],
        f"Measured {workload['measured_at']}, load {workload['load_average_before']} before.",
    ]
    yield " ".join(sentence for sentence in sentences if sentence)
    variants = workload["variants"]
    measured = {name: v for name, v in variants.items() if "seconds" in v}
    # A sweep that keeps its states does more than others, so its time is not compared.
    if measured and not workload["key"].endswith("-work"):
        header = [
            "",
            "seconds",
            "spread",
            "rounds",
            "compile",
            "ratio",
            "spread",
            "target",
            "steps/s",
            "memory",
        ]
        rows = [_row(name, variant, workload) for name, variant in measured.items()]
        yield reporting.markdown_table(header, rows)
    lines = [f"- {name}: {_failure(v)}" for name, v in variants.items() if _failure(v)]
    lines += [f"- {name}: {_work(v['work'])}" for name, v in measured.items() if "work" in v]
    if lines:
        yield "\n".join(lines)


def _row(name: str, variant: Mapping[str, Any], workload: Mapping[str, Any]) -> list[str]:
    seconds, memory = variant["seconds"], variant["peak_memory_mib"]
    ratio = workload["ratios"].get(name)
    compiling = variant.get("compile_seconds")
    extrapolated = variant.get("extrapolated")
    return [
        f"{name} ({extrapolated['from']} of {extrapolated['to']})" if extrapolated else name,
        f"{seconds['median']:.2f}",
        _spread(seconds),
        str(len(seconds["values"])),
        f"{compiling['median']:.2f}" if compiling else "",
        f"{ratio['median']:.2f}" if ratio else "1" * (name == workload["reference"]),
        _spread(ratio) if ratio else "",
        _target(workload["targets"].get(name), ratio),
        f"{variant['steps_per_second']:,.0f}" if "steps_per_second" in variant else "",
        f"{memory} MiB",
    ]


def _spread(summary: Mapping[str, Any]) -> str:
    return f"{summary['smallest']:.2f} - {summary['largest']:.2f}"


def _target(target: Mapping[str, Any] | None, ratio: Mapping[str, Any] | None) -> str:
    if target is None:
        return ""
    text = f"≥ {target['least']:g}" + (f", aim {target['aim']:g}" if target["aim"] else "")
    if ratio is None:
        return text
    return f"{text}: {'yes' if ratio['median'] >= target['least'] else 'no'}"


def _failure(variant: Mapping[str, Any]) -> str | None:
    return variant.get("failed") or variant.get("failed_later")


def _work(work: Mapping[str, Any]) -> str:
    networks = ", ".join("-".join(map(str, network)) for network in work["networks"])
    batches, buffers = work["batch_sizes"], work["buffer_sizes"]
    rows = f"{buffers[0]:,}" + (f" to {buffers[-1]:,}" if len(buffers) > 1 else "")
    text = (
        f"{work['environment_steps']:,} environment steps, {work['gradient_steps']:,} gradient "
        f"steps, batch {', '.join(map(str, batches))}, network {networks}, buffer {rows}"
    )
    if work["uniform_for_prioritised"]:
        text += f"; uniform replay in place of prioritised in {work['uniform_for_prioritised']}"
    if work["as_asked"]:
        return f"{text}: as requested."
    return f"{text}: **not the same work**: {'; '.join(work['differences'])}."


# -- buffers, compilations, versions -----------------------------------------------------


def _buffer_sizes(measured: Mapping[str, Any]) -> Iterator[str]:
    yield f"## (e) {PARTS['e']}"
    yield "By `benchmarks/dqn_speed.py`: an iteration is 8 environment steps and one update."
    rows = [
        [
            name,
            f"{times['median']:.1f}",
            _spread(times),
            f"{measured['over_floor'].get(name, 1):.2f}",
        ]
        for name, times in measured["microseconds"].items()
    ]
    header = ["µs an iteration", "median", "spread", "over the floor"]
    yield reporting.markdown_table(header, rows)


def _all_workloads(parts: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for part in parts.values():
        yield from part.get("workloads", [])


def _compilations(parts: Mapping[str, Any]) -> Iterator[list[str]]:
    """Compilations of sweeps in one process; those of workers are not counted."""
    for workload in _all_workloads(parts):
        if workload["key"] not in {"c", "c-cores", "d", "f"}:
            continue
        for name, variant in workload["variants"].items():
            details = variant.get("details", [{}])[-1]
            counted = details.get("compilations")
            if counted is None or "warm" in name or details.get("n_processes", 1) > 1:
                continue
            yield [
                f"{name}, {workload['title'].partition(' on all')[0]}",
                str(counted["all"]),
                str(counted["long"]),
                f"{counted['seconds']:.1f}",
                str(details.get("n_groups", "")),
            ]


def _versions(parts: Mapping[str, Any]) -> Iterator[list[str]]:
    found: dict[str, str] = {}
    for workload in _all_workloads(parts):
        for name, variant in workload["variants"].items():
            versions = variant.get("versions", {})
            peer = next((p.title for p in PEERS.values() if name.startswith(p.title)), None)
            if versions and peer:
                found[peer] = ", ".join(f"{k} {v}" for k, v in versions.items())
    for peer, text in found.items():
        yield [peer, text]
