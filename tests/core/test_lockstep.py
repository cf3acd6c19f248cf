"""Loops of members that make different numbers of turns."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from arlbench.core import lockstep


def test_each_member_makes_as_many_turns_as_it_should() -> None:
    def run(n: jax.Array) -> jax.Array:
        def body(carry: jax.Array, active: Any) -> jax.Array:
            return lockstep.keep(active, 2 * carry, carry)

        return lockstep.repeat(n, body, jnp.float32(1), "members")

    turns = jnp.array([0, 3, 1])
    assert jax.vmap(run, axis_name="members")(turns).tolist() == [1, 8, 2]
