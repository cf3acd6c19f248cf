"""``update``, compared with an independent implementation in NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from probes import CAPACITY, small_dqn

GAMMA, LEARNING_RATE, BATCH = 0.9, 0.02, 8

Layers = list[tuple[np.ndarray, np.ndarray]]
"""``(kernel [inputs, outputs], bias [outputs])`` of three layers."""


class Batch(NamedTuple):
    """One batch, in the order of the arguments of ``update``."""

    observations: np.ndarray
    is_weights: np.ndarray
    actions: np.ndarray
    next_observations: np.ndarray
    rewards: np.ndarray
    dones: np.ndarray


def random_batch(seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    return Batch(
        rng.normal(size=(BATCH, 2)).astype(np.float32),
        rng.uniform(0.1, 1.0, BATCH).astype(np.float32),
        rng.integers(0, 2, BATCH).astype(np.int32),
        rng.normal(size=(BATCH, 2)).astype(np.float32),
        rng.normal(size=BATCH).astype(np.float32),
        (rng.random(BATCH) < 0.4).astype(np.float32),
    )


def to_layers(params: Any) -> Layers:
    names = ["hidden_0", "hidden_1", "out"]
    leaves = jax.tree.map(lambda x: np.asarray(x, np.float64), params["params"])
    return [(leaves[name]["kernel"], leaves[name]["bias"]) for name in names]


def random_params(like: Any, seed: int) -> Any:
    """Parameters with biases that are not zero."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: rng.normal(0, 0.5, x.shape).astype(np.float32), like)


def forward(layers: Layers, x: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Values ``[B, num_actions]`` and the input of each layer."""
    inputs = [x.astype(np.float64)]
    for kernel, bias in layers[:2]:
        inputs.append(np.tanh(inputs[-1] @ kernel + bias))
    return inputs[-1] @ layers[2][0] + layers[2][1], inputs


def backward(layers: Layers, inputs: list[np.ndarray], d_out: np.ndarray) -> Layers:
    """Gradients of all layers, from the gradient of the values."""
    grads: Layers = []
    for index in (2, 1, 0):
        grads.insert(0, (inputs[index].T @ d_out, d_out.sum(axis=0)))
        # The derivative of tanh is 1 - tanh^2.
        d_out = (d_out @ layers[index][0].T) * (1 - inputs[index] ** 2)
    return grads


def loss_and_grads(
    online: Layers, target: Layers, batch: Batch
) -> tuple[float, np.ndarray, Layers]:
    next_q, _ = forward(target, batch.next_observations)
    targets = batch.rewards + GAMMA * (1 - batch.dones) * next_q.max(axis=1)
    q, inputs = forward(online, batch.observations)
    rows = np.arange(BATCH)
    td_error = q[rows, batch.actions] - targets
    d_out = np.zeros_like(q)
    d_out[rows, batch.actions] = batch.is_weights * td_error / BATCH
    loss = float(np.mean(batch.is_weights * 0.5 * td_error**2))
    return loss, td_error, backward(online, inputs, d_out)


class Adam:
    """Kingma & Ba (2015), algorithm 1."""

    def __init__(self) -> None:
        self.step = 0
        self.moments: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def apply(self, layers: Layers, grads: Layers) -> Layers:
        self.step += 1
        return [
            (self._one((i, 0), kernel, grads[i][0]), self._one((i, 1), bias, grads[i][1]))
            for i, (kernel, bias) in enumerate(layers)
        ]

    def _one(self, place: tuple[int, int], value: np.ndarray, grad: np.ndarray) -> np.ndarray:
        first, second = self.moments.get(place, (np.zeros_like(grad), np.zeros_like(grad)))
        first, second = 0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2
        self.moments[place] = (first, second)
        unbiased = first / (1 - 0.9**self.step), second / (1 - 0.999**self.step)
        return value - LEARNING_RATE * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)


def assert_layers_close(params: Any, layers: Layers, rtol: float = 2e-5) -> None:
    for (kernel, bias), (kernel_here, bias_here) in zip(to_layers(params), layers, strict=True):
        np.testing.assert_allclose(kernel, kernel_here, rtol=rtol, atol=2e-6)
        np.testing.assert_allclose(bias, bias_here, rtol=rtol, atol=2e-6)


@pytest.mark.parametrize("use_target_network", [True, False])
def test_three_updates_agree_with_numpy(use_target_network: bool) -> None:
    dqn = small_dqn(gamma=GAMMA, learning_rate=LEARNING_RATE, use_target_network=use_target_network)
    state = dqn.init(jax.random.key(0), capacity=CAPACITY).runner_state.train_state
    online, target = random_params(state.params, 1), random_params(state.params, 2)
    state = dqn.init(
        jax.random.key(0), network_params=online, target_params=target, capacity=CAPACITY
    ).runner_state.train_state
    layers, target_layers, adam = to_layers(online), to_layers(target), Adam()
    for seed in range(3):
        batch = random_batch(seed)
        state, loss, td_error, grads = dqn.update(state, *batch)
        bootstrap = target_layers if use_target_network else layers
        loss_here, td_error_here, grads_here = loss_and_grads(layers, bootstrap, batch)
        layers = adam.apply(layers, grads_here)
        np.testing.assert_allclose(loss, loss_here, rtol=1e-5)
        np.testing.assert_allclose(td_error, td_error_here, rtol=1e-4, atol=1e-5)
        assert_layers_close(grads, grads_here, rtol=1e-4)
        assert_layers_close(state.params, layers)
    assert state.step == 3
    assert_layers_close(state.target_params, target_layers if use_target_network else layers)


def test_without_target_parameters_an_update_bootstraps_from_the_network_itself() -> None:
    dqn = small_dqn(gamma=GAMMA, learning_rate=LEARNING_RATE)
    state = dqn.init(jax.random.key(0), capacity=CAPACITY).runner_state.train_state
    batch = random_batch(5)
    layers = to_layers(state.params)
    updated, loss, td_error, _ = dqn.update(state.replace(target_params=None), *batch)
    loss_here, td_error_here, grads = loss_and_grads(layers, layers, batch)
    assert updated.target_params is None
    np.testing.assert_allclose(loss, loss_here, rtol=1e-5)
    np.testing.assert_allclose(td_error, td_error_here, rtol=1e-4, atol=1e-5)
    assert_layers_close(updated.params, Adam().apply(layers, grads))


def test_an_update_leaves_the_state_that_it_was_given_alone() -> None:
    dqn = small_dqn()
    state = dqn.init(jax.random.key(0), capacity=CAPACITY).runner_state.train_state
    _, first_loss, _, _ = dqn.update(state, *random_batch(1))
    _, second_loss, _, _ = dqn.update(state, *random_batch(1))
    assert first_loss == second_loss
    assert state.step == 0


def test_flags_may_be_boolean_or_whole_numbers() -> None:
    dqn = small_dqn()
    state = dqn.init(jax.random.key(0), capacity=CAPACITY).runner_state.train_state
    batch = random_batch(1)
    losses = [
        float(dqn.update(state, *batch._replace(dones=batch.dones.astype(dtype)))[1])
        for dtype in (np.float32, np.bool_, np.int32)
    ]
    assert losses[0] == losses[1] == losses[2]
