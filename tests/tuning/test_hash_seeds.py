"""Tuners propose the same in every process, so that a study continues in another one."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

import proposals
from arlbench.tuning.tuners import tuner_names
from fake_studies import NEEDS


def proposed(names: list[str], hash_seed: str) -> list[list[object]]:
    """What the tuners propose in a process whose sets and strings have this hash seed."""
    run = subprocess.run(
        [sys.executable, proposals.__file__, *names],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.thorough
def test_proposals_do_not_depend_on_the_hash_seed_of_a_process() -> None:
    present = {name: importlib.util.find_spec(needs) for name, needs in NEEDS.items()}
    # A grid needs a space of lists, and proposes all of it in order.
    names = [name for name in tuner_names() if name != "grid" and present.get(name, True)]
    one, other = proposed(names, "1"), proposed(names, "2")
    assert [name for name, _ in one] == names
    assert one == other
