"""Runs that are killed at any moment, again and again, end as if nothing had happened."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import command

N_KILLS = 30

#: Runs are killed at most this often, so that every process trains a part.
MOST_KILLS_OF_A_RUN = 5

#: A kill comes within this many seconds of the start of the process or its first checkpoint.
FROM_START, FROM_CHECKPOINT = 6.0, 3.0

OPTIONS = ["--checkpoint-every", "0.1"]


def killed(folder: Path, words: list[object], rng: np.random.Generator) -> bool:
    """Runs a command and kills it at a random moment; False if it had ended before."""
    before, process = command.newest(folder), command.begin(*words, *OPTIONS)
    if rng.random() < 0.7:
        while command.newest(folder) == before and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, FROM_CHECKPOINT))
    else:
        time.sleep(rng.uniform(0, FROM_START))
    process.kill()
    _, said = process.communicate()
    assert "error" not in said
    assert process.returncode in {0, -signal.SIGKILL}
    return process.returncode != 0


@pytest.mark.stress
def test_runs_killed_at_thirty_moments_end_like_one_that_was_not(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    begin = time.perf_counter()
    assert command.finish(*command.WORDS, "--out", whole)[0] == 0
    seconds = time.perf_counter() - begin
    expected = command.outcome(whole)
    rng = np.random.default_rng(0)
    n_kills = n_runs = n_read = n_with_leftovers = n_before_a_checkpoint = 0
    while n_kills < N_KILLS:
        folder = tmp_path / f"run-{n_runs}"
        n_runs += 1
        for _ in range(MOST_KILLS_OF_A_RUN):
            begun = (folder / "settings.json").exists()
            words = ["--resume", folder] if begun else [*command.WORDS, "--out", folder]
            if n_kills == N_KILLS or not killed(folder, words, rng):
                break
            n_kills += 1
            n_read += command.read_every_checkpoint(folder)
            n_with_leftovers += bool(command.leftovers(folder))
            n_before_a_checkpoint += not any(command.newest(folder))
            if not (folder / "settings.json").exists():
                shutil.rmtree(folder, ignore_errors=True)
        if (folder / "settings.json").exists():
            status, said = command.finish("--resume", folder, *OPTIONS)
        else:
            status, said = command.finish(*command.WORDS, "--out", folder, *OPTIONS)
        assert status == 0, said
        assert command.outcome(folder) == expected
        assert command.leftovers(folder) == []
    print(
        f"\n{n_kills} kills in {n_runs} runs of {seconds:.1f} s: {n_read} checkpoints read, "
        f"{n_with_leftovers} kills left something half done, {n_before_a_checkpoint} came before "
        "the first checkpoint; every run ended like the one that was not killed"
    )
    assert n_read > 0
