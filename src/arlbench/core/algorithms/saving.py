"""Collecting what of a state can be saved, without knowing whose state it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from arlbench.core import checkpoints
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.buffers import packing

#: The part that is the replay buffer, in its packed form.
BUFFER = "buffer"


def collect(
    algorithm: Algorithm,
    state: Any,
    names: Collection[str] | None = None,
    train_result: Any = None,
) -> dict[str, Any]:
    """Copies of parts of a state in ordinary memory; those that are not there are left out.

    Args:
        algorithm: Whose state it is.
        state: ``(runner_state, buffer_state)``.
        names: The parts; None takes all, the buffer included.
        train_result: Of the last training, for what was recorded in it.
    """
    runner_state, buffer_state = state
    factory = algorithm.get_checkpoint_factory(runner_state, train_result)
    wanted = [name for name in factory if names is None or name in names]
    if algorithm.env.kind == "host":
        wanted = [name for name in wanted if name not in algorithm.environment_parts]
    parts = {name: checkpoints.on_host(factory[name]()) for name in wanted}
    if buffer_state is not None and (names is None or BUFFER in names):
        parts[BUFFER] = packing.pack(buffer_state)
    return {name: part for name, part in parts.items() if part is not None}
