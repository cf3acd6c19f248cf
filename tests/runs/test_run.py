"""What a run leaves behind in the process."""

from __future__ import annotations

from pathlib import Path

from jax._src import monitoring

from arlbench.core.environments import EnvSpec
from arlbench.core.stopwatch import process_clock
from arlbench.runs.folder import RunFolder
from arlbench.runs.run import train_run
from arlbench.runs.saving import Saving
from arlbench.runs.settings import resolve


def test_runs_leave_no_more_listeners_than_there_were(tmp_path: Path) -> None:
    settings = resolve(
        EnvSpec("gymnax", "CartPole-v1", 2), {"learning_starts": 16, "hidden_size": 8},
        first_seed=0, n_seeds=1, n_total_timesteps=64, n_eval_steps=1, n_eval_episodes=2,
        tuned=False,
    )  # fmt: skip
    process_clock()
    listeners = monitoring.get_event_duration_listeners()
    for name in ("first", "second"):
        result = train_run(
            settings, RunFolder(tmp_path / name), Saving(0.0),
            on_progress=lambda _: False, on_notice=lambda _: None,
        )  # fmt: skip
        assert result.status == "finished"
        assert result.elapsed.training > 0.0
    assert monitoring.get_event_duration_listeners() == listeners
