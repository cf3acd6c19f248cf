"""The interface every environment has, wherever it comes from."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, Literal

import chex
import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.actions import uniform_actions
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import RenderingError

#: ``obs``, ``reward``, ``done`` and ``info`` of one step of ``n_envs`` environments.
Timestep = tuple[Any, jax.Array, jax.Array, dict[str, Any]]


class Environment(abc.ABC):
    """``n_envs`` copies of one environment that step together and reset themselves.

    Subclasses are values: two environments that behave the same should compare equal,
    because compiled programs are shared between equal environments. Those made from an
    :class:`EnvSpec` compare by it; others are equal only to themselves.

    Attributes:
        kind: ``"traceable"`` where ``step`` can be compiled, ``"host"`` where it runs
            in Python. Then a state is no value: the environment itself is in this process.
        env_name: The name, for people.
        n_envs: The number of copies, the first axis of everything below.
        spec: What makes this environment again, or None for one made by hand.
        max_episode_steps: The time limit of an episode, or None where there is none.
        evaluated_in_place: Whether a reset takes the environment away from whoever steps it,
            because there is only one of it. It can be on the host only.
    """

    kind: ClassVar[Literal["traceable", "host"]] = "traceable"
    evaluated_in_place: bool = False

    def __init__(
        self,
        env_name: str,
        n_envs: int,
        spec: EnvSpec | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.env_name = env_name
        self.n_envs = n_envs
        self.spec = spec
        self.max_episode_steps = max_episode_steps

    @abc.abstractmethod
    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        """Begins an episode in every copy.

        Returns:
            ``(env_state, obs)``, both with a first axis of ``n_envs``.
        """

    @abc.abstractmethod
    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        """Steps every copy; one whose episode ended begins the next at once.

        Args:
            env_state: What ``reset`` or ``step`` returned.
            action: Actions, ``[n_envs, *action_space.shape]``.
            rng: One key for all copies.

        Returns:
            ``(env_state, (obs, reward, done, info))``. ``obs`` is where the next action
            is taken, after a reset if there was one. ``info`` holds ``terminated`` (the
            task ended), ``truncated`` (only the time did), both bool ``[n_envs]``, and
            ``final_observation``, where this step led, before any reset.
        """

    def is_present(self, env_state: Any) -> bool:
        """Whether ``step`` can go on from this state; a value can be gone on from for ever."""
        return True

    def release(self, env_state: Any) -> None:  # noqa: B027 (few have anything to do)
        """Says that nobody will go on from this state; only the host has anything to free."""

    def render(self, env_state: Any) -> np.ndarray:
        """A picture of the first copy by the library's own renderer, uint8 ``[height, width, 3]``.

        Raises:
            RenderingError: If the library cannot draw this environment.
        """
        raise RenderingError(
            f"{self.env_name} cannot be drawn: its library has no renderer for it."
        )

    @property
    @abc.abstractmethod
    def action_space(self) -> spaces.Space:
        """The space of one copy's action."""

    @property
    @abc.abstractmethod
    def observation_space(self) -> spaces.Space:
        """The space of one copy's observation."""

    def sample_actions(self, rng: chex.PRNGKey) -> jax.Array:
        """Uniformly random actions.

        Returns:
            ``[n_envs, *action_space.shape]``; int32 for Discrete, else of the space's dtype.

        Raises:
            ConfigurationError: If the action space has no uniform distribution, as one
                without bounds.
        """
        return uniform_actions(self.action_space, self.n_envs, rng)

    def identity(self) -> Any:
        """A hashable value that equal environments share."""
        return self.spec if self.spec is not None else id(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.identity() == other.identity()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self.identity()))
