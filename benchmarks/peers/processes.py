"""Runs one job in one process, timed from its start to its end."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from environments import Peer, PeerError, clean_environment, last_words

RUNNERS = Path(__file__).parent / "runners"

_JOB_SECONDS = 3600


def run_job(
    python: Path,
    peer: Peer,
    job: Mapping[str, Any],
    cache: Path | None = None,
    accelerator: bool = False,
) -> dict[str, Any]:
    """The runner's answer, with ``process_seconds`` of the whole process.

    Args:
        python: The interpreter of the peer's environment.
        peer: The peer that runs the job.
        job: The job.
        cache: A folder for compiled programs; None keeps none.
        accelerator: Whether JAX may use one.

    Raises:
        PeerError: If the process failed.
    """
    variables = clean_environment(peer)
    variables["ARLBENCH_COMPILATION_CACHE"] = str(cache) if cache else "off"
    if not accelerator:
        variables["JAX_PLATFORMS"] = "cpu"
    begin = time.perf_counter()
    try:
        done = subprocess.run(
            [str(python), str(RUNNERS / peer.runner)],
            input=json.dumps(job),
            env=variables,
            capture_output=True,
            text=True,
            timeout=_JOB_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PeerError(f"did not end within {_JOB_SECONDS} s") from None
    taken = time.perf_counter() - begin
    if done.returncode:
        raise PeerError(f"failed with status {done.returncode}: {last_words(done.stderr)}")
    answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not answers:
        raise PeerError("printed no result")
    return {**json.loads(answers[-1]), "process_seconds": taken}


def programs_in(cache: Path) -> int:
    """The number of compiled programs in a folder, from all processes."""
    return sum(1 for file in cache.rglob("*-cache"))
