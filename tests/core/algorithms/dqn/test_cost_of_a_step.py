"""The cost of a step does not grow with the replay buffer."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.algorithms.dqn.extensions.registry import EXTENSIONS
from arlbench.core.algorithms.harness import programs, recording
from arlbench.core.environments.wrappers import FrameStack
from arlbench.core.tracing import equations
from probes import Pictures, Walk, small_dqn

#: More than any other array of the program has in one dimension.
ROWS = 4096

#: What a program does with arrays of the buffer's size: it reads and writes single rows in place,
#: hands the arrays to its loops, and takes views of them.
IN_PLACE = {"while", "scan", "cond", "scatter", "dynamic_update_slice", "slice", "squeeze"}


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("prioritised", [False, True])
@pytest.mark.parametrize("extensions", [[], [*EXTENSIONS]])
def test_nothing_is_computed_for_the_whole_buffer(
    extensions: list[str], prioritised: bool, framed: bool
) -> None:
    env: Any = FrameStack(Pictures(n_envs=2), 4) if framed else Walk()
    dqn = small_dqn(
        env,
        settings={"extensions": extensions, "frame_buffer": framed},
        buffer_size=ROWS,
        buffer_prio_sampling=prioritised,
    )
    state = dqn.init(jax.random.key(0), capacity=ROWS)
    state = programs.prepare(dqn.structure.preparation, dqn.hp, state)
    room = programs.room(recording.shapes())
    own = (dqn.structure, dqn.hp, np.float32(1_000), state, room, np.int32(5))
    computed = {
        equation.primitive.name
        for equation in equations(programs.segment.trace(*own).jaxpr)
        if any(max(getattr(x.aval, "shape", ()), default=0) >= ROWS for x in equation.outvars)
    }
    assert computed <= IN_PLACE
    assert "scatter" in computed
