"""Training from a buffer of frames equals training from whole observations in every bit."""

from __future__ import annotations

import dataclasses
import logging
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.autorl import Checkpointer
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.harness import programs, recording
from arlbench.core.buffers import frames, packing, storage
from arlbench.core.environments.wrappers import FrameStack
from arlbench.core.logs import info_once
from arlbench.errors import BufferOverflowError, ConfigurationError, MemoryLimitError
from probes import Pictures, Walk, same_bits, small_dqn

# Steps of a training; the buffer of 200 rows wraps around twice.
TIMESTEPS, ROWS = 480, 200


def made(frame_buffer: bool | None, **hpo: Any) -> DQN:
    hpo = {"buffer_size": ROWS, "buffer_prio_sampling": True, **hpo}
    settings = {"frame_buffer": frame_buffer}
    return small_dqn(FrameStack(Pictures(), 4), settings=settings, **hpo)


def begun(dqn: DQN) -> Any:
    return dqn.init(jax.random.key(3), capacity=ROWS)


def trained(dqn: DQN, state: Any, part: float = 1.0) -> Any:
    """The state after a part of a training."""
    n = round(TIMESTEPS * part)
    return dqn.train(*state, n, 1, 2, schedule_timesteps=TIMESTEPS)[0]


def contents(state: Any) -> Any:
    """All that a buffer holds, as whole transitions."""
    return storage.gather(state.buffer_state, np.arange(ROWS))


@pytest.mark.thorough
def test_a_training_equals_that_with_whole_observations() -> None:
    framed, whole = made(True), made(False)
    ours, theirs = trained(framed, begun(framed)), trained(whole, begun(whole))
    assert frames.is_framed(ours.buffer_state)
    assert not frames.is_framed(theirs.buffer_state)
    assert same_bits(ours.runner_state, theirs.runner_state)
    assert same_bits(contents(ours), contents(theirs))


@pytest.mark.thorough
def test_the_same_with_uniform_replay() -> None:
    framed, whole = (made(kind, buffer_prio_sampling=False) for kind in (True, False))
    ours, theirs = trained(framed, begun(framed)), trained(whole, begun(whole))
    assert same_bits(ours.runner_state, theirs.runner_state)
    assert same_bits(contents(ours), contents(theirs))


@pytest.mark.thorough
def test_a_training_continues_from_a_checkpoint(tmp_path: Path) -> None:
    dqn = made(True)
    half = trained(dqn, begun(dqn), 0.5)
    checkpointer = Checkpointer(tmp_path, "state")
    checkpointer.save(dqn, half)
    loaded = Checkpointer.load(tmp_path, dqn).state
    expected, found = trained(dqn, half, 0.5), trained(dqn, loaded, 0.5)
    assert same_bits(found.runner_state, expected.runner_state)
    assert same_bits(contents(found), contents(expected))


@pytest.mark.thorough
def test_a_training_with_a_smaller_buffer_goes_on_with_its_newest_rows() -> None:
    ours, theirs = (trained(dqn, begun(dqn)) for dqn in (made(True), made(False)))
    ours, theirs = (
        trained(made(kind, buffer_size=60), state, 0.25)
        for kind, state in ((True, ours), (False, theirs))
    )
    assert same_bits(ours.runner_state, theirs.runner_state)


def test_both_kinds_of_buffers_can_be_loaded_by_both_kinds_of_agents(tmp_path: Path) -> None:
    for saver, loader in ((made(True), made(False)), (made(False), made(True))):
        folder = tmp_path / str(saver.structure.agent.frames is None)
        state = begun(saver)
        Checkpointer(folder, "buffer").save_buffer(saver, state.buffer_state)
        loaded = Checkpointer.load_buffer(folder, loader)
        assert frames.is_framed(loaded) == frames.is_framed(state.buffer_state)
        given = loader.init(jax.random.key(0), buffer_state=loaded).buffer_state
        assert same_bits(storage.pack(given), storage.pack(state.buffer_state))


@pytest.mark.thorough
def test_if_frames_have_no_room_training_stops_with_the_cure() -> None:
    dqn = made(True)
    runner_state, buffer_state = begun(dqn)
    experience = buffer_state.experience
    full = dataclasses.replace(experience.pool, overflowed=jnp.asarray(True))
    buffer_state = buffer_state.replace(experience=experience._replace(pool=full))
    with pytest.raises(BufferOverflowError, match=r"no room for all of their first frames.*=False"):
        dqn.train(runner_state, buffer_state, TIMESTEPS, 1, 2)


@pytest.mark.thorough
def test_frames_stay_in_their_place() -> None:
    dqn = made(True)
    state, records = begun(dqn), programs.room(recording.shapes())
    run = (dqn.structure, dqn.hp, np.float32(1), state, records, np.int32(1))
    program = programs.segment.lower(*run).compile().as_text()
    shape = ",".join(map(str, state.buffer_state.experience.pool.frames.shape))
    assert f"u8[{shape}]" in program
    assert not re.findall(rf"= u8\[{shape}\]\S* copy", program)


@pytest.mark.thorough
def test_within_jit_returns_are_not_numbers_if_frames_have_no_room() -> None:
    dqn = made(True)
    runner_state, buffer_state = begun(dqn)
    experience = buffer_state.experience
    for full in (False, True):
        pool = dataclasses.replace(experience.pool, overflowed=jnp.asarray(full))
        buffer = buffer_state.replace(experience=experience._replace(pool=pool))
        _, result = jax.jit(lambda *state: dqn.train(*state, 48, 2, 2))(runner_state, buffer)
        assert np.isnan(result.eval_rewards).all() == full


def layout_of(env: Any, frame_buffer: bool | None = None) -> Any:
    return DQN({}, env, frame_buffer=frame_buffer).structure.agent.frames


def test_frames_are_stored_where_that_saves_memory(caplog: pytest.LogCaptureFixture) -> None:
    info_once.cache_clear()
    with caplog.at_level(logging.INFO, "arlbench"):
        assert layout_of(FrameStack(Pictures(side=36), 4)) == (4, 0)
    assert "the replay buffer stores each frame of Pictures once" in caplog.text
    assert layout_of(FrameStack(Pictures(side=36), 4), False) is None
    # Small rows, few frames, and no frames.
    assert layout_of(FrameStack(Pictures(), 4)) is None
    assert layout_of(FrameStack(Walk(), 4)) is None
    assert layout_of(FrameStack(Pictures(side=36), 1)) is None
    assert layout_of(Pictures(side=36)) is None
    # Asked for.
    assert layout_of(FrameStack(Walk(), 4), True) == (4, 0)
    with pytest.raises(ConfigurationError, match="not known to be stacks of frames"):
        layout_of(Walk(), True)


def test_the_memory_limit_counts_frames_once() -> None:
    env = FrameStack(Pictures(n_envs=8, side=84), 4)
    # 10^9 bytes are 0.93 GiB.
    small = DQN({"buffer_size": 100_000}, env, memory_limit_gib=0.93)
    assert small.init_options(1_000_000) == {"capacity": 100_000}
    # One iteration of 32 steps may go beyond the budget.
    assert small.init_options(50_000) == {"capacity": 50_031}
    with pytest.raises(MemoryLimitError, match=r"need 7\.\d+ GiB \(buffer 7\.\d+ GiB\).*4 GiB"):
        DQN({"buffer_size": 1_000_000}, env).init_options(1_000_000)
    with pytest.raises(MemoryLimitError, match=r"6\.\d+ GiB"):
        DQN({"buffer_size": 100_000}, env, frame_buffer=False).init_options(1_000_000)


@pytest.mark.parametrize("kind", [True, False])
def test_a_buffer_of_another_kind_of_environment_is_refused(kind: bool) -> None:
    other = small_dqn(FrameStack(Pictures(side=5), 4), settings={"frame_buffer": kind})
    given = other.init(jax.random.key(0), capacity=ROWS).buffer_state
    with pytest.raises(ConfigurationError, match="has the shape"):
        made(kind).init(jax.random.key(0), buffer_state=given)


def test_old_checkpoints_hold_whole_observations() -> None:
    template = made(True).checkpoint_template()["buffer"]
    assert isinstance(template.templates[1], packing.PackedBuffer)
