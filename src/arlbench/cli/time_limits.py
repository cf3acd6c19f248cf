"""A note on environments without a time limit, in which an episode may never end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arlbench.core.environments import EnvSpec


def note_on(spec: EnvSpec) -> str:
    """A sentence if an environment has no time limit; empty if it has one, or if nobody knows.

    Only gymnasium's registry says which environments have none. Classes of the user's own may end
    their episodes themselves, and the other libraries always do.
    """
    import gymnasium

    from arlbench.core.environments import make_env_from_spec, with_copies

    if spec.framework != "gymnasium":
        return ""
    entry = gymnasium.registry.get(spec.name.rpartition(":")[2])
    # A limit may also come from the environment's settings or its entry point.
    if entry is None or entry.max_episode_steps is not None:
        return ""
    if make_env_from_spec(with_copies(spec, 1)).max_episode_steps is not None:
        return ""
    return (
        f"{spec.name} has no time limit, so an episode may never end; to cut episodes off, give "
        """--env-kwargs '{"max_episode_steps": 500}'."""
    )
