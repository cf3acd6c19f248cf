"""The compiled programs.

They belong to the module and not to an object, so all objects of equal structure share
them: neither a changed traced hyperparameter nor another object compiles anything.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from arlbench.core.algorithms.harness import recording, segments
from arlbench.core.algorithms.harness.recording import Recorder
from arlbench.core.algorithms.harness.structure import Acting, InitOptions, State

# LLVM's third level takes a quarter longer to compile than its second, for programs that are not
# faster and give the same bits (measured on a CPU, batches of 64 and 256). Options are only allowed
# for a program that is not part of another one; inside another program, call the functions that
# these are made from.
_compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 2})

# Without this analysis, XLA on the CPU cannot see that the sum tree is read before it is
# written, and copies the whole tree at every gradient step.
_compiled_in_place = functools.partial(
    jax.jit,
    compiler_options={
        "xla_backend_optimization_level": 2,
        "xla_cpu_copy_insertion_use_region_analysis": True,
    },
)

segment = _compiled_in_place(
    segments.run_segment, static_argnames=("structure",), donate_argnames=("state", "recorder")
)

evaluate = _compiled(segments.evaluate, static_argnames=("agent", "n_episodes"))


@functools.partial(_compiled, static_argnames=("preparation",), donate_argnames=("state",))
def prepare(preparation: Callable[[Any, State], State], hp: Any, state: State) -> State:
    """Adapts the state to hyperparameters that may have changed since it was made."""
    return preparation(hp, state)


@functools.partial(_compiled, static_argnames=("agent",))
def init_runner(agent: Acting, rng: chex.PRNGKey, parts: Any, hp: Any) -> Any:
    """A runner state at step 0; see :meth:`Acting.init_runner`."""
    return agent.init_runner(hp, rng, parts)


@functools.partial(_compiled, static_argnames=("agent",))
def begin_episodes(agent: Acting, runner_state: Any) -> Any:
    """The runner state with new episodes in its environments."""
    return agent.begin_episodes(runner_state)


@functools.partial(jax.jit, static_argnames=("agent", "options"))
def init_buffer(agent: Acting, options: InitOptions) -> Any:
    """An empty buffer state."""
    return agent.init_buffer(**dict(options))


@functools.partial(jax.jit, static_argnames=("agent", "deterministic"))
def act(
    agent: Acting,
    runner_state: Any,
    hp: Any,
    obs: Any,
    rng: chex.PRNGKey | None,
    deterministic: bool,
) -> jax.Array:
    """Actions for observations ``[B, ...]``; see :meth:`Acting.act`."""
    return agent.act(hp, runner_state, obs, rng, deterministic)


def room(shapes: Recorder) -> Recorder:
    """An empty recorder of these shapes."""
    leaves, treedef = jax.tree.flatten(shapes)
    return _room(treedef, tuple((x.shape, x.dtype) for x in leaves))


@functools.partial(jax.jit, static_argnames=("treedef", "leaves"))
def _room(treedef: Any, leaves: tuple[tuple[Any, Any], ...]) -> Recorder:
    shapes = treedef.unflatten([jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
    return recording.make_room(shapes)


@jax.jit
def copy(tree: Any) -> Any:
    """A copy of the tree in its own memory, with strong types."""
    return jax.tree.map(jnp.copy, tree)


def unshared(tree: Any) -> Any:
    """The tree with a copy of any array that occurs twice.

    A user may pass the same arrays as ``params`` and ``target_params``, but their memory can be
    reused only once.
    """
    seen: set[int] = set()

    def own(leaf: Any) -> Any:
        if id(leaf) in seen:
            return copy(leaf)
        seen.add(id(leaf))
        return leaf

    return jax.tree.map(own, tree)
