"""Dense layers: what they compute, their gradient, and how it is computed on a CPU."""

from __future__ import annotations

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.layers import Dense, transposed_first

# Narrower inputs, narrower outputs, neither, and a kernel larger than the batch.
WIDTHS = [(4, 64), (64, 2), (16, 16), (96, 40)]
N_ROWS = 32


def gradients(layer, params, x):
    """Gradients of the summed squares of the layer's outputs, by its parameters and inputs."""
    return jax.grad(lambda p, x: jnp.sum(layer.apply(p, x) ** 2), argnums=(0, 1))(params, x)


def inputs(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


@functools.cache
def initial(n_in, n_out):
    return Dense(n_out).init(jax.random.key(0), jnp.zeros((1, n_in)))


@pytest.mark.thorough
@pytest.mark.parametrize(("n_in", "n_out"), WIDTHS)
@pytest.mark.parametrize("leading", [(), (N_ROWS,), (3, 5)])
def test_output_and_gradients_are_those_of_numpy(n_in, n_out, leading):
    params, x = initial(n_in, n_out), inputs(*leading, n_in)
    kernel, bias = (np.asarray(params["params"][name], np.float64) for name in ("kernel", "bias"))
    rows = np.asarray(x, np.float64).reshape(-1, n_in)
    out = rows @ kernel + bias

    params_grad, x_grad = gradients(Dense(n_out), params, x)

    close = functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=2e-5)
    close(Dense(n_out).apply(params, x), out.reshape(*leading, n_out))
    close(params_grad["params"]["kernel"], rows.T @ (2 * out))
    close(params_grad["params"]["bias"], np.sum(2 * out, axis=0))
    close(x_grad, (2 * out @ kernel.T).reshape(x.shape))


@pytest.mark.parametrize(("n_in", "n_out"), WIDTHS)
def test_parameters_are_those_of_flax(n_in, n_out):
    theirs = nn.Dense(n_out).init(jax.random.key(0), jnp.zeros((1, n_in)))
    jax.tree.map(np.testing.assert_array_equal, initial(n_in, n_out), theirs)


@pytest.mark.parametrize(("n_in", "n_out"), WIDTHS[:2])
def test_second_derivatives_are_those_of_flax_also_forwards(n_in, n_out):
    kernel, x = initial(n_in, n_out)["params"]["kernel"], inputs(N_ROWS, n_in)

    def loss(layer, kernel):
        params = {"params": {"kernel": kernel, "bias": jnp.ones(n_out)}}
        return jnp.mean(jnp.tanh(layer.apply(params, x)) ** 2)

    # Forward over reverse mode, which a layer with its own gradient may refuse.
    ours, theirs = (
        jax.jit(jax.hessian(functools.partial(loss, layer)))(kernel)
        for layer in (Dense(n_out), nn.Dense(n_out))
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_batches_of_networks_have_the_gradient_of_each():
    layer, n_members = Dense(2), 3
    keys = jax.random.split(jax.random.key(1), n_members)
    params = jax.vmap(layer.init, in_axes=(0, None))(keys, jnp.zeros((1, 5)))
    x = inputs(n_members, N_ROWS, 5)
    together, _ = jax.vmap(functools.partial(gradients, layer))(params, x)
    for member in range(n_members):
        own, _ = gradients(layer, jax.tree.map(lambda leaf, m=member: leaf[m], params), x[member])
        jax.tree.map(
            lambda a, b, m=member: np.testing.assert_allclose(a[m], b, rtol=1e-5), together, own
        )


@pytest.mark.parametrize(("n_in", "n_out"), WIDTHS)
def test_no_product_on_a_cpu_sums_over_the_rows_of_both_sides(n_in, n_out):
    """These products are slow; the flax layer has one, which shows that they are found."""
    if jax.default_backend() != "cpu":
        pytest.skip("Accelerators multiply in any order.")

    def slow_products(layer):
        lowered = jax.jit(functools.partial(gradients, layer)).lower(
            initial(n_in, n_out), inputs(N_ROWS, n_in)
        )
        pattern = r"lhs_contracting_dims=\{0\}, rhs_contracting_dims=\{0\}"
        return len(re.findall(pattern, lowered.compile().as_text()))

    assert slow_products(Dense(n_out)) == 0
    assert slow_products(nn.Dense(n_out)) == 1


@pytest.mark.parametrize(
    ("n_rows", "n_in", "n_out", "n_transposed"),
    [
        (32, 64, 2, 32 * 2 + 64 * 2),  # the incoming gradient and the product
        (32, 4, 64, 32 * 4),  # the inputs
        (32, 256, 64, 32 * 256),
        (256, 256, 64, 256 * 64 + 256 * 64),
    ],
)
def test_as_few_numbers_as_possible_are_transposed(n_rows, n_in, n_out, n_transposed):
    jaxpr = jax.make_jaxpr(transposed_first)(jnp.zeros((n_rows, n_in)), jnp.zeros((n_in, n_out)))
    transposed = [e for e in jaxpr.eqns if e.primitive.name == "optimization_barrier"]
    assert sum(out.aval.size for e in transposed for out in e.outvars) == n_transposed
