"""The compiled programs.

They belong to the module, not to an object, so everything of equal structure shares
them: a change of a traced hyperparameter, or another object, compiles nothing.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from arlbench.core.algorithms.dqn import acting, beginning, learner, recording, updates
from arlbench.core.algorithms.dqn.recording import Recorder
from arlbench.core.buffers import replay

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
    learner.run_segment, static_argnames=("structure",), donate_argnames=("state", "recorder")
)

prepare = _compiled(beginning.prepare, static_argnames=("prioritised",), donate_argnames=("state",))

# Not donated: memory cannot be taken over by something larger.
grow = functools.partial(jax.jit, static_argnames=("new_capacity",))(replay.grow)

evaluate = _compiled(acting.evaluate, static_argnames=("agent", "n_episodes"))

init_runner = _compiled(beginning.init_runner, static_argnames=("agent",))

begin_episodes = _compiled(beginning.begin_episodes, static_argnames=("agent",))

init_buffer = functools.partial(jax.jit, static_argnames=("agent", "capacity"))(
    beginning.init_buffer
)

act = functools.partial(jax.jit, static_argnames=("agent", "deterministic"))(acting.act)

update = functools.partial(jax.jit, static_argnames=("agent",))(updates.update_once)


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
    """The tree with a copy wherever one array stands in two places.

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
