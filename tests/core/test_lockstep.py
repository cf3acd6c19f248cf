"""Loops of members that do not all make as many turns."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from arlbench.core import lockstep


def one_more(turn: jax.Array, carry: jax.Array, active: Any) -> jax.Array:
    return lockstep.keep(active, carry + 1 + turn, carry)


@pytest.mark.parametrize("wanted", [True, False])
def test_one_turn_is_made_where_it_is_wanted(wanted: bool) -> None:
    run = jax.jit(lambda wanted: lockstep.once(wanted, one_more, jnp.float32(5), None))
    assert run(wanted) == 5 + wanted


@pytest.mark.parametrize("wanted", [[True, False, True], [False, False, False]])
def test_in_a_batch_it_counts_for_those_that_want_it(wanted: list[bool]) -> None:
    def run(wanted: jax.Array) -> jax.Array:
        return lockstep.once(wanted, one_more, jnp.float32(5), "members")

    found = jax.vmap(run, axis_name="members")(jnp.array(wanted))
    assert found.tolist() == [5 + one for one in wanted]


def test_each_member_makes_as_many_turns_as_it_should() -> None:
    def run(n: jax.Array) -> jax.Array:
        def body(carry: jax.Array, active: Any) -> jax.Array:
            return lockstep.keep(active, 2 * carry, carry)

        return lockstep.repeat(n, body, jnp.float32(1), "members")

    turns = jnp.array([0, 3, 1])
    assert jax.vmap(run, axis_name="members")(turns).tolist() == [1, 8, 2]
