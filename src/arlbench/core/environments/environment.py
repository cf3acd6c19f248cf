"""The interface of all environments, whatever library they come from."""

from __future__ import annotations

import abc
import functools
from typing import Any, ClassVar, Literal

import chex
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.checks import positive_whole
from arlbench.core.environments.actions import uniform_actions
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import RenderingError

#: ``obs``, ``reward``, ``done`` and ``info`` of one step of ``n_envs`` environments.
Timestep = tuple[Any, jax.Array, jax.Array, dict[str, Any]]


class Environment(abc.ABC):
    """``n_envs`` copies of one environment that step together and reset themselves.

    Subclasses are values: two environments that behave the same should compare equal,
    because equal environments share compiled programs. Environments made from an
    :class:`EnvSpec` are compared by their specs; others are equal only to themselves.

    Attributes:
        kind: ``"traceable"`` if ``step`` can be compiled, ``"host"`` if it runs in Python.
            On the host a state is only a reference: the environment itself is in this process.
        env_name: The name, for people.
        n_envs: The number of copies, the first axis of everything below.
        spec: Describes how to make this environment again; None if it was not made from a spec.
        max_episode_steps: The time limit of an episode; None without a time limit.
        evaluated_in_place: Whether only one instance exists, so that an evaluation resets the
            instance that a training run is stepping. Only possible on the host.
        stacked_frames: The number of frames that an observation consists of, the oldest first,
            if it is one array and each step replaces the oldest by a new one; otherwise None.
            A replay buffer then stores each frame only once. This is a hint about memory: the
            buffer compares the frames, so a wrong hint wastes memory but does no other harm.
        frame_axis: The axis of one copy's observation along which these frames are joined.
    """

    kind: ClassVar[Literal["traceable", "host"]] = "traceable"
    evaluated_in_place: bool = False
    stacked_frames: int | None = None
    frame_axis: int = 0

    def __init__(
        self,
        env_name: str,
        n_envs: int,
        spec: EnvSpec | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        """Stores what all environments have.

        Raises:
            ConfigurationError: If the time limit is not a positive whole number.
        """
        self.env_name = env_name
        self.n_envs = n_envs
        self.spec = spec
        if max_episode_steps is not None:
            what = f"max_episode_steps of {env_name}"
            max_episode_steps = positive_whole(what, max_episode_steps)
        self.max_episode_steps = max_episode_steps

    @abc.abstractmethod
    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        """Starts an episode in every copy.

        Returns:
            ``(env_state, obs)``, both with a first axis of ``n_envs``.
        """

    @abc.abstractmethod
    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        """Steps every copy; if the episode of a copy ends, the next one starts immediately.

        Args:
            env_state: A state that ``reset`` or ``step`` returned.
            action: Actions, ``[n_envs, *action_space.shape]``.
            rng: One key for all copies.

        Returns:
            ``(env_state, (obs, reward, done, info))``. ``obs`` is the observation for the next
            action, after a reset if the episode ended. ``info`` holds ``terminated`` (the
            task ended) and ``truncated`` (the episode was cut off), both bool ``[n_envs]``,
            and ``final_observation``, the observation after this step, before any reset.
        """

    def is_present(self, env_state: Any) -> bool:
        """Whether ``step`` can continue from this state; always True if ``step`` is compiled."""
        return True

    def release(self, env_state: Any) -> None:  # noqa: B027 (most have nothing to free)
        """Frees what the host keeps for this state, which must not be used any more."""

    def render(self, env_state: Any) -> np.ndarray:
        """A picture of the first copy by the library's own renderer, uint8 ``[height, width, 3]``.

        Raises:
            RenderingError: If the library cannot draw this environment.
        """
        raise RenderingError(
            f"{self.env_name} cannot be drawn, because its library has no renderer for it; a class "
            "of your own needs the method render_one."
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
            Actions ``[n_envs, *action_space.shape]``; int32 for Discrete, otherwise with the
            space's dtype.

        Raises:
            ConfigurationError: If the action space has no uniform distribution, for example
                because it has no bounds.
        """
        return uniform_actions(self.action_space, self.n_envs, rng)

    def identity(self) -> Any:
        """A hashable value that is the same for equal environments."""
        return self.spec if self.spec is not None else id(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.identity() == other.identity()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self.identity()))

    def __repr__(self) -> str:
        spec = self.spec
        parts = [repr(self.env_name), f"n_envs={self.n_envs}"]
        if spec is not None:
            parts.insert(0, repr(spec.framework))
            parts += [f"env_kwargs={dict(spec.env_kwargs)}"] if spec.env_kwargs else []
            parts += [f"wrappers={[name for name, _ in spec.wrappers]}"] if spec.wrappers else []
        return f"{type(self).__name__}({', '.join(parts)})"


@functools.lru_cache(maxsize=64)
def example_observation(env: Environment) -> Any:
    """Shapes and dtypes of the observation of one copy."""
    _, obs = jax.eval_shape(lambda: env.reset(jax.random.key(0)))
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), obs)


def select(mask: jax.Array, if_true: Any, if_false: Any) -> Any:
    """Takes one of two trees for each copy; ``mask`` is bool ``[n_envs]``."""

    def choose(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(jnp.expand_dims(mask, range(1, new.ndim)), new, old)

    return jax.tree.map(choose, if_true, if_false)
