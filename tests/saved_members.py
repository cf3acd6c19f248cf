"""``python saved_members.py FOLDER``: members that save themselves until their program ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from arlbench.autorl import Checkpointer
from arlbench.core.checkpoints import read_manifest
from arlbench.core.problem import Problem
from arlbench.population import MemberId, MemberSaving, cores, train_population, use_cores, workers
from probe_framework import walk
from probes import CAPACITY, SMALL

MEMBERS = (MemberId(0, 0), MemberId(0, 1))
PROBLEM = Problem(
    walk(),
    hpo_config={**SMALL, "learning_rate": 1e-2},
    nas_config={"hidden_size": 8},
    n_total_timesteps=80_000,
    n_eval_steps=10,
    n_eval_episodes=3,
)


def train(folder: Path | None = None, every_seconds: float = 1e-3, **settings: Any) -> Any:
    """Trains two seeds, which save themselves if a folder is given."""
    saving = {
        member: MemberSaving(folder / str(member.seed_index), every_seconds)
        for member in MEMBERS
        if folder is not None
    }
    settings = {"saving": saving, "init_options": {"capacity": CAPACITY}, **settings}
    return train_population(PROBLEM, [{}], [3, 5], keep_state=True, **settings)


def saved(folder: Path, member: MemberId) -> dict[str, Any] | None:
    """The information in a member's newest checkpoint; None if it has none."""
    newest = Checkpointer(folder / str(member.seed_index)).newest
    return None if newest is None else read_manifest(newest).info["info"]


def main() -> None:
    """Ends at once when a member has saved itself."""
    folder = Path(sys.argv[1])
    cores._WORTH_A_PROCESS = 1.0
    use_cores(2)
    workers.start_workers(1)[0].wait_until_ready()

    def on_progress(progress: Any) -> None:
        if any(saved(folder, member) for member in progress.members):
            os._exit(9)

    train(folder, on_progress=on_progress)


if __name__ == "__main__":
    main()
