"""Runs the variants of workloads in turn, each job in its own process, and computes seconds."""

from __future__ import annotations

import datetime
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import accounting
import processes
from environments import OURS, PEERS, PeerError
from workloads import Measure, Variant, Workload

import measuring
import reporting

Answer = dict[str, Any]


def workload(
    work: Workload, pythons: Mapping[str, Path], missing: Mapping[str, str], rounds: int | None
) -> dict[str, Any]:
    """All measurements of a workload, ready for JSON."""
    print(f"\n({work.key}) {work.title}", flush=True)
    begun = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    load = round(os.getloadavg()[0], 2)
    failures = {v.name: missing[v.peer] for v in work.variants if v.peer in missing}
    answers: dict[str, list[Answer]] = {v.name: [] for v in work.variants}
    # A single round is enough for counts, which do not vary.
    n_rounds = work.rounds if rounds is None or work.rounds == 1 else rounds
    for turn in range(n_rounds):
        _round(turn, work, pythons, answers, failures)
    return {
        "key": work.key,
        "title": work.title,
        "note": work.note,
        "measure": work.measure,
        "measured_at": begun,
        "load_average_before": load,
        "targets": {name: vars(target) for name, target in work.targets.items()},
        "reference": work.variants[0].name,
        "variants": {
            v.name: _summary(v, work, answers[v.name], failures.get(v.name)) for v in work.variants
        },
        "ratios": _ratios(work, answers),
    }


def _round(
    turn: int,
    work: Workload,
    pythons: Mapping[str, Path],
    answers: dict[str, list[Answer]],
    failures: dict[str, str],
) -> None:
    """Runs every variant once, with new folders for compiled programs."""
    with tempfile.TemporaryDirectory() as folder:
        for variant in work.variants:
            if variant.name in failures or turn >= variant.rounds:
                continue
            cache = Path(folder) / variant.cache if variant.cache else None
            try:
                answer = processes.run_job(
                    pythons[variant.peer],
                    PEERS[variant.peer],
                    variant.job,
                    cache,
                    variant.accelerator,
                )
            except PeerError as error:
                failures[variant.name] = str(error)
                print(f"  {variant.name}: {error}", flush=True)
                continue
            answer["seconds"] = seconds_of(variant, work.measure, answer)
            if cache:
                answer["programs_in_cache"] = processes.programs_in(cache)
            answers[variant.name].append(answer)
            print(f"  round {turn + 1}: {variant.name}: {answer['seconds']:.2f} s", flush=True)


def seconds_of(variant: Variant, measure: Measure, answer: Answer) -> float:
    """The seconds that the workload compares."""
    if measure == "training":
        return statistics.median(answer["train_seconds"])
    if measure == "second call":
        return answer["again_seconds"]
    if variant.sample_of is None:
        return answer["process_seconds"]
    each = answer["config_seconds"]
    around = answer["process_seconds"] - sum(each)
    return around + variant.sample_of * statistics.fmean(each)


def _ratios(work: Workload, answers: Mapping[str, list[Answer]]) -> dict[str, Any]:
    """Each variant's seconds divided by those of the reference in the same round."""
    reference, *others = (variant.name for variant in work.variants)
    ratios = {}
    for name in others:
        pairs = zip(answers[name], answers[reference], strict=False)
        values = [theirs["seconds"] / ours["seconds"] for theirs, ours in pairs]
        if values:
            ratios[name] = measuring.summary(values)
    return ratios


def _summary(
    variant: Variant, work: Workload, answers: list[Answer], failure: str | None
) -> dict[str, Any]:
    if not answers:
        return {"failed": failure or "not measured"}
    last = answers[-1]
    summary: dict[str, Any] = {
        "seconds": measuring.summary([answer["seconds"] for answer in answers]),
        "process_seconds": measuring.summary([answer["process_seconds"] for answer in answers]),
        "versions": last["versions"],
        "peak_memory_mib": max(answer["peak_memory_mib"] for answer in answers),
    }
    if steps := _environment_steps(variant):
        summary["steps_per_second"] = steps / summary["seconds"]["median"]
    if failure:
        summary["failed_later"] = failure
    if "first_call_seconds" in last:
        compiling = [_compile_seconds(variant, answer) for answer in answers]
        summary["compile_seconds"] = measuring.summary(compiling)
    if variant.sample_of is not None:
        summary["extrapolated"] = {
            "from": len(variant.job["configs"]),
            "to": variant.sample_of,
        }
    if "work" in last:
        summary["work"] = accounting.compare(variant.job, last["work"])
    same_everywhere = (
        "first_call_timesteps", "compilations", "compilations_while_timed", "programs_in_cache",
        "n_groups", "n_processes", "compile_seconds", "train_seconds", "wall_seconds",
        "again_seconds", "config_seconds", "torch_threads", "capacity",
    )  # fmt: skip
    summary["details"] = [{k: a[k] for k in same_everywhere if k in a} for a in answers]
    # The same numbers in every round show that the same training was run.
    summary["mean_returns"] = [_mean(answer["returns"]) for answer in answers]
    return summary


def _environment_steps(variant: Variant) -> float:
    """The environment steps of a job; 0 if the job does not list its configurations."""
    job = variant.job
    steps = sum(accounting.expected(job, c)["environment_steps"] for c in job["configs"])
    extrapolation = variant.sample_of / len(job["configs"]) if variant.sample_of else 1
    return steps * len(job.get("seeds", [job["seed"]])) * extrapolation


def _compile_seconds(variant: Variant, answer: Answer) -> float:
    """The seconds of the first call without those of its training."""
    job = variant.job
    share = answer.get("first_call_timesteps", job["timesteps"]) / job["timesteps"]
    return answer["first_call_seconds"] - share * answer["seconds"]


def _mean(values: list[float]) -> float | None:
    """The mean; None if learning diverged, because JSON does not have NaN."""
    mean = statistics.fmean(values)
    return round(mean, 3) if math.isfinite(mean) else None


def accelerator(pythons: Mapping[str, Path]) -> str | None:
    """The kind of accelerator that this project would use, if one is visible."""
    if OURS.name not in pythons:
        return None
    answer = processes.run_job(pythons[OURS.name], OURS, {"kind": "devices"}, accelerator=True)
    return None if answer["platform"] == "cpu" else answer["device_kind"]


def buffer_sizes() -> dict[str, Any]:
    """Part (e): runs the script that measures it, and returns its results."""
    script = Path(__file__).parents[1] / "dqn_speed.py"
    done = subprocess.run([sys.executable, str(script)], check=False)
    if done.returncode:
        return {"skipped": f"{script.name} failed with status {done.returncode}"}
    return json.loads((reporting.RESULTS / "dqn_speed.json").read_text())["iterations"]
