"""Checks that all peers did the same work, by comparing their own counters with the job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runners import protocol

_EXACT = ("environment_steps", "gradient_steps", "batch_size", "network", "evaluation_episodes")


def expected(job: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The work of one training."""
    iterations = protocol.iterations(job, config)
    learning = max(iterations - protocol.idle_iterations(job, config), 0)
    return {
        "environment_steps": iterations * config["train_freq"] * job["n_envs"],
        "gradient_steps": learning * config["gradient_steps"],
        "batch_size": config["buffer_batch_size"],
        "network": [4, job["hidden_size"], job["hidden_size"], 2],
        "evaluation_episodes": job["evaluations"] * job["episodes"],
        "buffer_size": config["buffer_size"],
    }


def compare(job: Mapping[str, Any], counted: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The counted and requested totals, and their differences."""
    wanted = [expected(job, config) for config in job["configs"]]
    differences = [f"{len(counted)} trainings, not {len(wanted)}"] * (len(counted) != len(wanted))
    for index, (want, have) in enumerate(zip(wanted, counted, strict=False)):
        differences += _differences(index, want, have, job["n_envs"])
    totals = {
        name: sum(have[name] for have in counted)
        for name in ("environment_steps", "gradient_steps")
    }
    return {
        **totals,
        "expected": {name: sum(want[name] for want in wanted) for name in totals},
        "batch_sizes": sorted({have["batch_size"] for have in counted}),
        "networks": sorted({tuple(have["network"]) for have in counted}),
        "buffer_sizes": sorted({have["buffer_size"] for have in counted}),
        "uniform_for_prioritised": sum(
            bool(have.get("prioritised_replaced_by_uniform")) for have in counted
        ),
        "as_asked": not differences,
        "differences": differences[:10],
    }


def _differences(
    index: int, want: Mapping[str, Any], have: Mapping[str, Any], n_envs: int
) -> list[str]:
    found = [
        f"training {index}: {name} {have[name]}, not {want[name]}"
        for name in _EXACT
        if have[name] != want[name]
    ]
    # A buffer may be rounded to whole vector steps.
    if abs(have["buffer_size"] - want["buffer_size"]) >= n_envs:
        found.append(f"training {index}: buffer {have['buffer_size']}, not {want['buffer_size']}")
    return found
