"""A buffer that stores each frame once gives exactly the batches of the plain buffer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arlbench.core import memory
from arlbench.core.buffers import frame_packing, frames, replay, storage
from arlbench.core.buffers.frame_slots import Layout
from arlbench.core.checkpoints.trees import read_tree, write_tree
from arlbench.errors import ConfigurationError
from probes import same_bits
from stacked_play import BEGINNINGS, Row, StackedPlay

ALPHA = 0.6
LAYOUT = Layout(4, 0)
ATARI = Row(
    jax.ShapeDtypeStruct((4, 84, 84), jnp.uint8),
    jax.ShapeDtypeStruct((), jnp.int32),
    jax.ShapeDtypeStruct((4, 84, 84), jnp.uint8),
)

append_plain = jax.jit(replay.append, static_argnames="alpha", donate_argnames="state")
append_framed = jax.jit(frames.append, static_argnames="alpha", donate_argnames="state")
resize_plain, resize_framed = jax.jit(replay.resize), jax.jit(frames.resize)
rebuild_tree = jax.jit(replay.rebuild_tree)
gather_plain, gather_framed = jax.jit(replay.gather), jax.jit(frames.gather)
draw_uniform, draw_prioritised = jax.jit(replay.sample_uniform), jax.jit(replay.sample_prioritised)
set_priorities = jax.jit(replay.set_priorities)


def example_of(row: Row) -> Row:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), row)


class Both:
    """The two buffers, which get the same transitions."""

    def __init__(
        self, row: Row, rows: int, layout: Layout = LAYOUT, size: int | None = None
    ) -> None:
        example = example_of(row)
        self.size = rows if size is None else size
        self.plain = replay.init(example, replay.power_of_two_at_least(rows))
        self.framed = frames.init(example, rows, len(row.action), layout)

    def append(self, row: Row) -> None:
        self.plain = append_plain(self.plain, row, self.size, ALPHA)
        self.framed = append_framed(self.framed, row, self.size, ALPHA)

    def resize(self, size: int) -> None:
        self.size = size
        self.plain = rebuild_tree(resize_plain(self.plain, size), ALPHA)
        self.framed = rebuild_tree(resize_framed(self.framed, size), ALPHA)

    def check(self, seed: int, n: int = 8) -> None:
        """Draws the same batches from both, uniformly and by priority, and sets priorities."""
        rng = np.random.default_rng(seed)
        words = rng.integers(0, 2**32, n, np.uint32)
        jitter = rng.random(n, np.float32)
        rows = [draw_uniform(state, words, self.size) for state in (self.plain, self.framed)]
        drawn = [draw_prioritised(state, jitter) for state in (self.plain, self.framed)]
        assert same_bits(rows[0], rows[1])
        assert same_bits(drawn[0], drawn[1])
        for chosen in (rows[0], drawn[0][0], self.all_rows()):
            plain, framed = gather_plain(self.plain, chosen), gather_framed(self.framed, chosen)
            assert same_bits(plain, framed)
            assert jax.tree.map(jnp.shape, plain) == jax.tree.map(jnp.shape, framed)
        new = rng.exponential(size=n).astype(np.float32)
        self.plain, self.framed = (
            set_priorities(state, drawn[0][0], new, ALPHA) for state in (self.plain, self.framed)
        )

    def all_rows(self) -> np.ndarray:
        """Every filled row, in an array whose length is always the same."""
        held = int(replay.count(self.plain, self.size))
        return np.arange(replay.capacity(self.plain), dtype=np.int32) % held


@settings(max_examples=12)
@given(
    n_envs=st.sampled_from([1, 2, 3, 16]),
    rows=st.sampled_from([10, 33, 60]),
    beginning=st.sampled_from([*BEGINNINGS, "any"]),
    n_values=st.sampled_from([1, 256]),
    p_end=st.sampled_from([0.0, 0.05, 0.3]),
    seed=st.integers(0, 2**31),
)
def test_batches_equal_those_of_the_plain_buffer(
    n_envs: int, rows: int, beginning: str, n_values: int, p_end: float, seed: int
) -> None:
    frame = (1, 2, 2)
    play = StackedPlay(n_envs, 4, frame, 0, beginning, p_end, n_values, seed)
    row = play.row()
    # The size is a number, so that all sizes share their programs.
    both = Both(row, 60, size=rows)
    for step in range(1, 3 * rows // n_envs + 4):
        both.append(row)
        if both.framed.experience.pool.overflowed:
            assert p_end > 0.05
            return
        if step % 7 == 0 or step < 3:
            both.check(seed + step)
        row = play.row()


def filled(play: StackedPlay, rows: int, n_steps: int, layout: Layout = LAYOUT) -> Both:
    """Both buffers after some steps."""
    row = play.row()
    both = Both(row, rows, layout)
    for _ in range(n_steps):
        both.append(row)
        row = play.row()
    return both


@pytest.mark.parametrize(("frame", "axis"), [((6, 6, 2), 2), ((3,), 0)])
def test_observations_may_have_any_shape(frame: tuple[int, ...], axis: int) -> None:
    play = StackedPlay(2, 3, frame, axis, "any", 0.1)
    filled(play, 20, 25, Layout(3, axis)).check(0)


def test_frames_are_compared_in_every_bit() -> None:
    # Zeros of both signs, and numbers that do not equal themselves.
    play = StackedPlay(2, 3, (2,), 0, "any", 0.1, dtype=np.float32)
    both = filled(play, 20, 25, Layout(3, 0))
    both.check(0)
    assert np.isnan(gather_framed(both.framed, both.all_rows()).obs).any()


def test_observations_that_are_no_stacks_come_back_too() -> None:
    rng = np.random.default_rng(0)

    def row() -> Row:
        obs, next_obs = rng.integers(0, 9, (2, 2, 4, 2), np.uint8)
        return Row(obs, np.arange(2, dtype=np.int32), next_obs)

    both = Both(row(), 20)
    for _ in range(4):
        both.append(row())
    both.check(0)
    assert not both.framed.experience.pool.overflowed


@pytest.mark.parametrize("size", [7, 16, 40])
def test_the_newest_rows_stay_when_the_size_changes(size: int) -> None:
    play = StackedPlay(3, 4, (1, 2, 2), 0, "any", 0.1)
    both = filled(play, 40, 20)
    both.resize(size)
    both.check(0)
    for _ in range(15):
        both.append(play.row())
        both.check(1)


@pytest.mark.thorough
def test_a_buffer_that_grows_keeps_everything() -> None:
    play = StackedPlay(3, 4, (1, 2, 2), 0, "any", 0.1)
    both = filled(play, 20, 11)
    both.plain, both.framed = replay.grow(both.plain, 64), frames.grow(both.framed, 50)
    assert storage.capacity(both.framed) == 50
    both.resize(50)
    for _ in range(25):
        both.check(0)
        both.append(play.row())


def slots_used(beginning: str, n_steps: int = 40) -> int:
    """Frames that one environment's episodes of ten steps need."""
    play = StackedPlay(1, 4, (8, 8), 0, beginning, p_end=0.0)
    state, row = None, play.row()
    for step in range(1, n_steps + 1):
        state = state or frames.init(example_of(row), 100, 1, LAYOUT)
        state = append_framed(state, row, 100, None)
        play.end_with_this_step = step % 10 == 9
        row = play.row()
    return int(state.experience.pool.next_slot)


@pytest.mark.parametrize(
    ("beginning", "further"), [("repeated", 1), ("empty", 2), ("different", 4), ("following", 1)]
)
def test_a_step_costs_one_frame_and_a_beginning_its_different_ones(
    beginning: str, further: int
) -> None:
    # The very first stack has nothing to go on from.
    first = 1 if beginning == "following" else further
    assert slots_used(beginning) == 40 + first + 3 * further


@pytest.mark.parametrize(("rows", "limit"), [(100_000, 1.0e9), (1_000_000, 8.2e9)])
@pytest.mark.parametrize("n_envs", [1, 16])
def test_atari_fits_into_memory(rows: int, limit: float, n_envs: int) -> None:
    state = jax.eval_shape(lambda: frames.init(ATARI, rows, n_envs, LAYOUT))
    assert frames.capacity(state) == rows
    assert rows * 84 * 84 < memory.tree_bytes(state) <= limit
    # Three further frames in each episode of 20 steps.
    assert state.experience.pool.frames.shape[1] >= rows * (1 + 3 / 20)
    # Whole observations need eight frames a row.
    assert (
        memory.tree_bytes(state)
        < memory.tree_bytes(
            jax.eval_shape(lambda: replay.init(ATARI, replay.power_of_two_at_least(rows)))
        )
        / 6.8
    )


def overflowing() -> tuple[Both, int]:
    """Both buffers at the step that had no room, and the rows that fitted before."""
    play = StackedPlay(2, 4, (64, 64), 0, "different", p_end=1.0)
    row = play.row()
    both, n_before = Both(row, 3000), 0
    while not both.framed.experience.pool.overflowed:
        n_before = int(both.framed.running_index)
        both.append(row)
        row = play.row()
    return both, n_before


def test_without_room_the_buffer_stays_as_it_was() -> None:
    both, n_before = overflowing()
    # Five frames a row: a beginning of four, and the last one.
    n_slots = both.framed.experience.pool.frames.shape[1]
    assert n_before == 2 * ((n_slots - 1) // 10)
    assert int(both.framed.running_index) == n_before
    held = np.arange(4096) % n_before
    assert same_bits(gather_plain(both.plain, held), gather_framed(both.framed, held))
    both.framed = append_framed(both.framed, StackedPlay(2, 4, (64, 64)).row(), 3000, ALPHA)
    assert int(both.framed.running_index) == n_before


def test_steps_that_do_not_count_change_nothing() -> None:
    play = StackedPlay(2, 4, (1, 2, 2), 0, "any", 0.1)
    both, row = filled(play, 20, 12), play.row()
    inactive = jax.jit(frames.append, static_argnames="alpha")
    after = inactive(both.framed, row, 20, ALPHA, jnp.asarray(False))
    assert same_bits(after, both.framed)


@pytest.mark.parametrize("n_steps", [0, 1, 30])
def test_a_packed_buffer_comes_back_from_a_file(n_steps: int, tmp_path: Path) -> None:
    play = StackedPlay(3, 4, (1, 6, 6), 0, "any", 0.1)
    both = filled(play, 40, n_steps)
    write_tree(tmp_path / "buffer.npz", storage.pack(both.framed))
    template = frame_packing.template(example_of(play.row()), 3, LAYOUT)
    state: Any = storage.unpack(read_tree(tmp_path / "buffer.npz", template, "buffer"))
    assert jax.tree.structure(state) == jax.tree.structure(both.framed)
    assert same_bits(storage.pack(state), storage.pack(both.framed))
    both.framed = state
    for _ in range(20):
        both.append(play.row())
        both.check(0)


def test_a_file_has_a_frame_for_each_row(tmp_path: Path) -> None:
    sizes = {}
    for n_steps in (10, 60):
        state = filled(StackedPlay(1, 4, (64, 64), p_end=0.0), 1000, n_steps).framed
        write_tree(tmp_path / f"{n_steps}.npz", storage.pack(state))
        sizes[n_steps] = (tmp_path / f"{n_steps}.npz").stat().st_size
    # A frame, two stacks of slots and the oldest one, the action, the priority and its leaf.
    assert sizes[60] - sizes[10] == 50 * (64 * 64 + 2 * 4 * 4 + 4 + 4 + 4 + 4)


def test_a_batch_of_buffers_is_not_packed_as_one() -> None:
    state = filled(StackedPlay(1, 4, (1, 2, 2)), 10, 3).framed
    with pytest.raises(ConfigurationError, match="a batch of buffers"):
        storage.pack(jax.tree.map(lambda x: jnp.stack([x, x]), state))
