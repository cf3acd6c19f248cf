"""The compiled programs.

They belong to the module, not to an object, so everything of equal structure shares
them: a change of a traced hyperparameter, or another object, compiles nothing.
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

# LLVM's third level takes a quarter longer than its second, and the programs are neither
# faster for it nor differ in a bit (measured on a CPU, batches of 64 and 256).
# Options are for programs of their own: within another one, call what they are made of.
_compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 2})

# Without this analysis XLA on the CPU cannot see that the sum tree is read before it is
# written, and copies all of it at every gradient step.
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
    """The state in line with hyperparameters that may have changed since it was made."""
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
    """The tree in memory of its own, strongly typed."""
    return jax.tree.map(jnp.copy, tree)


def unshared(tree: Any) -> Any:
    """The tree with a copy of any array that stands in two places.

    A user may put the parameters into a state as the target too; memory that is taken
    over can only be taken over once.
    """
    seen: set[int] = set()

    def own(leaf: Any) -> Any:
        if id(leaf) in seen:
            return copy(leaf)
        seen.add(id(leaf))
        return leaf

    return jax.tree.map(own, tree)
