"""A buffer that stores each frame once gives exactly the batches of the plain buffer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from arlbench.core.buffers import frames, replay
from arlbench.core.buffers.frame_slots import Layout
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
gather_plain, gather_framed = jax.jit(replay.gather), jax.jit(frames.gather)
draw_uniform, draw_prioritised = jax.jit(replay.sample_uniform), jax.jit(replay.sample_prioritised)
set_priorities = jax.jit(replay.set_priorities)


def example_of(row: Row) -> Row:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), row)


class Both:
    """The two buffers, which get the same transitions."""

    def __init__(self, row: Row, rows: int, layout: Layout = LAYOUT) -> None:
        example = example_of(row)
        self.size = rows
        self.plain = replay.init(example, replay.power_of_two_at_least(rows))
        self.framed = frames.init(example, rows, len(row.action), layout)

    def append(self, row: Row) -> None:
        self.plain = append_plain(self.plain, row, self.size, ALPHA)
        self.framed = append_framed(self.framed, row, self.size, ALPHA)

    def resize(self, size: int) -> None:
        self.size = size
        self.plain, self.framed = (
            replay.rebuild_tree(module.resize(state, size), ALPHA)
            for module, state in ((replay, self.plain), (frames, self.framed))
        )

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
    rows=st.sampled_from([10, 33, 64]),
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
    both = Both(row, rows)
    for step in range(1, 3 * rows // n_envs + 4):
        both.append(row)
        if both.framed.experience.pool.overflowed:
            assert p_end > 0.05
            return
        if step % 7 == 0 or step < 3:
            both.check(seed + step)
        row = play.row()
