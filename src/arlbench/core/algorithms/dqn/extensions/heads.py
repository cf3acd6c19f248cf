"""Heads of a network: what its outputs mean, and the loss with which they learn.

A head is a frozen value. Its functions take the outputs of one batch: ``[B, num_actions]``
values, or ``[B, num_actions, N]`` numbers that describe distributions of returns.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from arlbench.core.algorithms.dqn.extensions import distributions, regression
from arlbench.core.algorithms.dqn.extensions.hyperparameters import ExtendedHyperparameters


class Head(Protocol):
    """The functions of every head."""

    @property
    def size(self) -> int | None:
        """The number of outputs for each action; None for a single output, the value itself."""

    def values(self, outputs: jax.Array) -> jax.Array:
        """Expected returns ``[B, num_actions]``, or ``[B]`` for the outputs of one action each."""

    def losses(
        self, taken: jax.Array, target: Any, td_error: jax.Array, extended: ExtendedHyperparameters
    ) -> jax.Array:
        """The loss of each row ``[B]``.

        Args:
            taken: The outputs for the actions taken, ``[B, ...]``.
            target: What :meth:`target` gave.
            td_error: The errors of the expected values, ``[B]``.
            extended: The extended hyperparameters.
        """

    def target(
        self, outputs: jax.Array, policy: jax.Array, reward: jax.Array, discount: jax.Array
    ) -> Any:
        """The target of each row: ``reward + discount * return`` under a policy.

        Args:
            outputs: Those of the states from which to bootstrap.
            policy: Probabilities of actions there, ``[B, num_actions]``.
            reward: ``[B]``.
            discount: ``[B]``.
        """

    def priorities(self, losses: jax.Array, td_error: jax.Array) -> jax.Array:
        """The new priority of each row, without ``buffer_epsilon``, ``[B]``."""


@dataclasses.dataclass(frozen=True)
class Values:
    """The outputs are the values; their errors are squared, or count as in Huber's loss."""

    size: None = None

    def values(self, outputs: jax.Array) -> jax.Array:
        return outputs

    def losses(
        self, taken: jax.Array, target: Any, td_error: jax.Array, extended: ExtendedHyperparameters
    ) -> jax.Array:
        squared = 0.5 * jnp.square(td_error)
        if extended.loss is None:
            return squared
        return jnp.where(extended.loss, regression.huber(td_error, extended.huber_delta), squared)

    def target(
        self, outputs: jax.Array, policy: jax.Array, reward: jax.Array, discount: jax.Array
    ) -> Any:
        return ()

    def priorities(self, losses: jax.Array, td_error: jax.Array) -> jax.Array:
        return jnp.abs(td_error)


@dataclasses.dataclass(frozen=True)
class Categorical:
    """The outputs are logits of equally spaced returns (C51, Bellemare et al. 2017).

    Attributes:
        size: The number of returns.
        low: The smallest return.
        high: The largest return.
    """

    size: int
    low: float
    high: float

    @property
    def atoms(self) -> jax.Array:
        """The returns, ``[size]``."""
        return jnp.linspace(self.low, self.high, self.size, dtype=jnp.float32)

    def values(self, outputs: jax.Array) -> jax.Array:
        return jax.nn.softmax(outputs) @ self.atoms

    def losses(
        self, taken: jax.Array, target: Any, td_error: jax.Array, extended: ExtendedHyperparameters
    ) -> jax.Array:
        return distributions.cross_entropy(taken, target)

    def target(
        self, outputs: jax.Array, policy: jax.Array, reward: jax.Array, discount: jax.Array
    ) -> Any:
        probabilities = jnp.sum(policy[..., None] * jax.nn.softmax(outputs), axis=1)
        moved = reward[:, None] + discount[:, None] * self.atoms[None, :]
        return distributions.projected(moved, probabilities, self.atoms)

    def priorities(self, losses: jax.Array, td_error: jax.Array) -> jax.Array:
        return losses


@dataclasses.dataclass(frozen=True)
class Quantiles:
    """The outputs are equally likely returns (QR-DQN, Dabney et al. 2018).

    Attributes:
        size: The number of returns.
    """

    size: int

    def values(self, outputs: jax.Array) -> jax.Array:
        return jnp.mean(outputs, axis=-1)

    def losses(
        self, taken: jax.Array, target: Any, td_error: jax.Array, extended: ExtendedHyperparameters
    ) -> jax.Array:
        kappa: Any = 1.0
        if extended.loss is not None:
            kappa = jnp.where(extended.loss, extended.huber_delta, kappa)
        return distributions.quantile_huber(taken, target, kappa)

    def target(
        self, outputs: jax.Array, policy: jax.Array, reward: jax.Array, discount: jax.Array
    ) -> Any:
        returns = jnp.sum(policy[..., None] * outputs, axis=1)
        return reward[:, None] + discount[:, None] * returns

    def priorities(self, losses: jax.Array, td_error: jax.Array) -> jax.Array:
        return losses
