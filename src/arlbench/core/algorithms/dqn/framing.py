"""Whether an agent's replay buffer stores each frame of its observations once."""

from __future__ import annotations

import logging

from arlbench.core.algorithms.dqn.agent import AgentStructure, example_transition
from arlbench.core.buffers import frames, replay
from arlbench.core.buffers.frame_slots import Layout
from arlbench.errors import ConfigurationError

_log = logging.getLogger(__name__)

# A million rows that are smaller take less than a GiB, however they are stored.
_SMALL_ROW = 1024

#: How to do without, as the last part of a sentence.
CURE = "give the agent the option frame_buffer=False, which stores whole observations"


def choose(agent: AgentStructure, asked: bool | None) -> Layout | None:
    """How the buffer divides observations into frames; None if it stores them whole.

    Args:
        agent: The agent.
        asked: Whether to store frames; None does so if rows then have at most half of their
            bytes, and would otherwise not be small.

    Raises:
        ConfigurationError: If frames are asked for, but observations are not known to be stacks.
    """
    layout = layout_of(agent)
    if asked is None:
        asked = layout is not None and _is_worthwhile(agent, layout)
    if not asked:
        return None
    if layout is None:
        raise ConfigurationError(
            f"Observations of {agent.env.env_name} are not known to be stacks of frames, so a "
            "buffer cannot store each frame once; leave frame_buffer out, or wrap the environment "
            "in frame_stack."
        )
    _log.info("the replay buffer stores each frame of %s once", agent.env.env_name)
    return layout


def layout_of(agent: AgentStructure) -> Layout | None:
    """How observations consist of frames; None if they are not known to do so."""
    env = agent.env
    if env.stacked_frames is None:
        return None
    shape = getattr(example_transition(agent).obs, "shape", ())
    fits = env.frame_axis < len(shape) and shape[env.frame_axis] % env.stacked_frames == 0
    return Layout(env.stacked_frames, env.frame_axis) if fits else None


def _is_worthwhile(agent: AgentStructure, layout: Layout) -> bool:
    example = example_transition(agent)
    whole = replay.row_bytes(example)
    return whole >= _SMALL_ROW and 2 * frames.row_bytes(example, layout) <= whole


def overflow_sentence(env_name: str) -> str:
    """Says that a buffer has no room for further frames, and the cure."""
    return (
        f"Episodes of {env_name} are so short that the replay buffer has no room for all of their "
        f"first frames; {CURE}."
    )
