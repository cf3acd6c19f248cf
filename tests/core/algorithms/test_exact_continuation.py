"""A training that is saved, loaded and continued equals one that was never interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.autorl import Checkpointer
from arlbench.core.algorithms.algorithm import TrainingProgress
from arlbench.core.buffers import packing
from arlbench.errors import ConfigurationError
from continuing import KINDS, N_EPISODES, TIMESTEPS, bits, records_of, train_half
from probes import FixedPacer, same_bits, small_dqn, small_state


@pytest.fixture(scope="module")
def second_halves(tmp_path_factory) -> Path:
    """Trainings of every kind, saved half-way and continued in another process."""
    folder = tmp_path_factory.mktemp("halves")
    for kind, settings in KINDS.items():
        dqn = small_dqn(**settings)
        state, result = train_half(dqn, small_state(dqn))
        Checkpointer(folder / kind).save(dqn, state, result)
    code = "import sys, pathlib, continuing as c; c.train_second_halves(pathlib.Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        timeout=300,
    )
    return folder


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_a_second_half_in_another_process_ends_in_the_same_bits(
    kind: str, second_halves: Path
) -> None:
    dqn = small_dqn(**KINDS[kind])
    state, result = dqn.train(*small_state(dqn), TIMESTEPS, 2, N_EPISODES)
    with np.load(second_halves / f"{kind}.npz") as file:
        halves = [file[name] for name in file.files]
    assert same_bits(halves, bits(state, records_of(result)))
    # 7 leaves of trajectories, the loss, the TD error and 6 gradients.
    assert len(halves) - len(bits(state, result.eval_rewards)) == (15 if kind == "tracked" else 0)


# Ten moments between segments of 30 iterations, in 2 intervals of 100: twice, after each of
# four segments and an evaluation. The fourth segment ends an interval, with its evaluation due.
SEGMENT = 30
MOMENTS = range(10)


class StopAt:
    """Asks a training to stop at a given moment, and remembers its progress."""

    def __init__(self, moment: int) -> None:
        self.moment = moment
        self.n_calls = 0

    def __call__(self, progress: TrainingProgress) -> bool:
        self.progress = progress
        self.n_calls += 1
        return self.n_calls > self.moment


def stopped_at(moment: int) -> tuple[Any, Any, TrainingProgress]:
    """An algorithm, and the state and progress of a training that stopped at a given moment."""
    dqn = small_dqn(buffer_prio_sampling=True, normalize_observations=True)
    dqn._pacer = FixedPacer(SEGMENT)
    stop = StopAt(moment)
    state, _ = dqn.train(*small_state(dqn), TIMESTEPS, 2, N_EPISODES, on_progress=stop)
    assert stop.n_calls == moment + 1
    return dqn, state, stop.progress


@pytest.fixture(scope="module")
def uninterrupted() -> Any:
    dqn = small_dqn(buffer_prio_sampling=True, normalize_observations=True)
    return dqn.train(*small_state(dqn), TIMESTEPS, 2, N_EPISODES)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_stopped_at_any_moment_goes_on_as_if_it_had_not(
    moment: int, uninterrupted: Any, tmp_path: Path
) -> None:
    dqn, state, progress = stopped_at(moment)
    iterations = [30, 60, 90, 100, 100, 130, 160, 190, 200, 200][moment]
    assert progress.timesteps == iterations * 8
    assert len(progress.eval_rewards) == [0, 0, 0, 0, 1, 1, 1, 1, 1, 2][moment]
    Checkpointer(tmp_path).save(dqn, state)
    loaded = Checkpointer.load(tmp_path, dqn).state
    dqn._pacer = FixedPacer(11)
    state, result = dqn.train(*loaded, TIMESTEPS, 2, N_EPISODES, progress=progress)
    assert same_bits(state, uninterrupted[0])
    assert same_bits(result.eval_rewards, uninterrupted[1].eval_rewards)


def test_the_rest_of_a_training_reports_the_whole_as_its_progress() -> None:
    dqn, state, progress = stopped_at(5)
    seen: list[TrainingProgress] = []
    dqn.train(*state, TIMESTEPS, 2, N_EPISODES, progress=progress, on_progress=seen.append)
    assert [p.timesteps for p in seen] == [1280, 1520, 1600, 1600]
    assert [len(p.eval_rewards) for p in seen] == [1, 1, 1, 2]
    assert {p.total_timesteps for p in seen} == {TIMESTEPS}


@pytest.mark.thorough
def test_records_of_the_rest_begin_where_it_begins() -> None:
    dqn = small_dqn(**KINDS["tracked"])
    dqn._pacer = FixedPacer(SEGMENT)
    stop = StopAt(6)
    state, first = dqn.train(*small_state(dqn), TIMESTEPS, 2, N_EPISODES, on_progress=stop)
    _, second = dqn.train(*state, TIMESTEPS, 2, N_EPISODES, progress=stop.progress)
    _, whole = dqn.train(*small_state(dqn), TIMESTEPS, 2, N_EPISODES)
    both = jax.tree.map(lambda *x: np.concatenate(x), first.trajectories, second.trajectories)
    assert same_bits(both, whole.trajectories)
    # 160 iterations of 2 vector steps, and the 40 remaining ones.
    assert [len(r.trajectories.reward) for r in (first, second)] == [320, 80]
    losses = np.concatenate([first.metrics.loss, second.metrics.loss])
    assert same_bits(losses, np.asarray(whole.metrics.loss))


def test_a_run_whose_buffer_shrank_goes_on_with_the_rows_that_stayed(tmp_path: Path) -> None:
    dqn = small_dqn(buffer_prio_sampling=True)
    state, _ = dqn.train(*small_state(dqn), 400, 1, 2)
    dqn.update_hpo_config({"buffer_size": 50})
    state, _ = dqn.train(*state, 80, 1, 2)
    Checkpointer(tmp_path).save(dqn, state)
    loaded = Checkpointer.load(tmp_path, dqn).state
    assert len(packing.pack(loaded.buffer_state).priority) == 50
    (here, _), (there, _) = (dqn.train(*s, 400, 1, 2) for s in (state, loaded))
    assert same_bits(here.runner_state, there.runner_state)
    # After its filled rows, one buffer holds old values and the other zeros.
    assert same_bits(packing.pack(here.buffer_state), packing.pack(there.buffer_state))


WRONG = {
    "another length": lambda p: p._replace(total_timesteps=p.total_timesteps * 2),
    "in the middle of an iteration": lambda p: p._replace(timesteps=p.timesteps + 4),
    "an evaluation too few": lambda p: p._replace(eval_rewards=p.eval_rewards[:0]),
    "an evaluation too many": lambda p: p._replace(eval_rewards=np.zeros((2, N_EPISODES))),
    "evaluations of another size": lambda p: p._replace(eval_rewards=np.zeros((1, 5))),
    "before the beginning": lambda p: p._replace(timesteps=-8, eval_rewards=p.eval_rewards[:0]),
    "beyond the end": lambda p: p._replace(timesteps=1608, eval_rewards=np.zeros((2, N_EPISODES))),
}


@pytest.mark.parametrize("fault", WRONG)
def test_progress_of_another_training_is_refused(fault: str) -> None:
    dqn = small_dqn()
    state = small_state(dqn)
    right = TrainingProgress(state, 1040, TIMESTEPS, np.zeros((1, N_EPISODES), np.float32))
    with pytest.raises(ConfigurationError, match="the lengths of the earlier call"):
        dqn.train(*state, TIMESTEPS, 2, N_EPISODES, progress=WRONG[fault](right))
    # The state's memory was not reused, and the right progress is accepted.
    dqn.train(*state, TIMESTEPS, 2, N_EPISODES, progress=right)


def test_progress_inside_a_program_is_refused() -> None:
    dqn = small_dqn()
    state = small_state(dqn)
    progress = TrainingProgress(state, 0, 160, np.zeros((0, N_EPISODES), np.float32))
    with pytest.raises(ConfigurationError, match="progress"):
        jax.jit(lambda s: dqn.train(*s, 160, 2, N_EPISODES, progress=progress))(state)
