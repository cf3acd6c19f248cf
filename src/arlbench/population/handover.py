"""Members that begin from a state in one folder, and leave their last state in another.

The process that trains a member reads and writes these states, so they need not be sent between
processes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.checkpointing import Checkpointer
from arlbench.core.algorithms.harness.structure import State
from arlbench.core.algorithms.state_parts import STATE


class Handover(NamedTuple):
    """From which state a member continues, and where it leaves its last one.

    Attributes:
        begin: The folder that another handover named as its ``end``; None begins at step 0.
        network: Such a folder of another member, whose learnt parts replace those of ``begin``,
            while buffer, environment and random key stay; None replaces nothing.
        end: Where to leave the last state, unless the member diverges; None leaves none.
    """

    begin: Path | None = None
    network: Path | None = None
    end: Path | None = None


def received(
    handover: Handover, algorithm: Algorithm, on_notice: Callable[[str], None]
) -> State | None:
    """The state from which a member continues; None if it begins at step 0.

    Raises:
        CheckpointError: If the state is absent or damaged, or belongs to another environment or
            network.
    """
    if handover.begin is None:
        return None
    loaded = Checkpointer.load(handover.begin, algorithm)
    for note in loaded.notes:
        on_notice(note)
    if handover.network is None:
        return loaded.state
    of_other = Checkpointer.load(handover.network, algorithm).parts
    acting = algorithm.acting_parts
    along = [more for name in acting for more in algorithm.companion_parts.get(name, ())]
    learnt = {name: of_other[name] for name in (*acting, *along) if name in of_other}
    return algorithm.restore(learnt, loaded.state)


def left(handover: Handover, algorithm: Algorithm, state: State) -> None:
    """Writes the state with which a member has ended, if it is to be kept.

    Raises:
        CheckpointError: If it cannot be written.
    """
    if handover.end is not None:
        Checkpointer(handover.end, STATE, keep=1).save(algorithm, state)
