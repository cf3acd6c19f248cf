"""The parts of an algorithm's state, by the names under which they are saved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import jax

from arlbench.core import checkpoints
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.harness.structure import State
from arlbench.errors import ConfigurationError, ConsumedStateError, did_you_mean

#: Stands for every part, including the buffer.
ALL = "all"

#: Stands for everything that an exact continuation needs: all parts except tracked records.
STATE = "state"

#: The name of the part that holds the replay buffer in its packed form.
BUFFER = "buffer"

# A runner state and a buffer state.
_PAIR = 2


def collect(
    algorithm: Algorithm,
    state: State,
    names: Collection[str] | None = None,
    train_result: Any = None,
) -> dict[str, Any]:
    """Copies parts of a state into ordinary memory; parts that do not exist are left out.

    Args:
        algorithm: The algorithm that the state belongs to.
        state: A runner state and a buffer state.
        names: The parts; None takes all, including the buffer.
        train_result: The result of the last training, which holds its records.
    """
    runner_state, buffer_state = state
    factory = algorithm.get_checkpoint_factory(runner_state, train_result)
    wanted = [name for name in factory if names is None or name in names]
    if algorithm.env.kind == "host":
        wanted = [name for name in wanted if name not in algorithm.environment_parts]
    parts = {name: checkpoints.on_host(factory[name]()) for name in wanted}
    if names is None or BUFFER in names:
        parts[BUFFER] = algorithm.pack_buffer(buffer_state)
    return {name: part for name, part in parts.items() if part is not None}


def check_names(names: Iterable[str], algorithm: Algorithm, known: Sequence[str]) -> None:
    """Raises if a name is not one of an algorithm's parts."""
    for name in names:
        if name not in (*known, ALL, STATE):
            raise ConfigurationError(
                f"{algorithm.name} has no part called {name!r}."
                f"{did_you_mean(name, [*known, ALL, STATE])} The parts are: "
                f"{', '.join(known)}, {STATE}, {ALL}."
            )


def with_companions(
    algorithm: Algorithm, names: Iterable[str], known: Iterable[str]
) -> tuple[str, ...]:
    """The names of parts, including those that are saved with them."""
    of_state = [name for name in known if name not in algorithm.tracked_parts]
    wanted: list[str] = []
    for name in names:
        companions = algorithm.companion_parts.get(name, ())
        wanted += of_state if name == STATE else (name, *companions)
    return tuple(dict.fromkeys(wanted))


def own(algorithm: Algorithm, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts for a state, which training may overwrite without changing the loaded parts.

    Records are not part of a state, and unpacking a buffer copies it anyway.
    """
    shared = (BUFFER, *algorithm.tracked_parts)
    copies = {name: part for name, part in parts.items() if name not in shared}
    return {**parts, **checkpoints.on_device(copies)}


def require_pair(state: Any) -> None:
    """Raises if a caller gives something else than a state, such as its first part alone."""
    if not isinstance(state, tuple) or len(state) != _PAIR:
        raise ConfigurationError(
            "state must be a runner_state and a buffer_state, the pair that init and train "
            f"return, not a {type(state).__name__}."
        )


def require_memory(state: Any) -> None:
    """Raises if a later call to ``train`` has reused the memory of a state."""
    if any(isinstance(x, jax.Array) and x.is_deleted() for x in jax.tree.leaves(state)):
        raise ConsumedStateError(
            "train has reused the memory of this state; save the state that it returned."
        )
