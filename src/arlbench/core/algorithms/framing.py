"""Whether an agent's replay buffer stores each frame of its observations once."""

from __future__ import annotations

import logging
from typing import Any

from arlbench.core.buffers import frames, replay
from arlbench.core.buffers.frame_slots import Layout
from arlbench.core.checks import true_or_false
from arlbench.core.environments import Environment
from arlbench.core.logs import info_once
from arlbench.errors import ConfigurationError

_log = logging.getLogger(__name__)

# A million rows with fewer bytes than this take less than a GiB, however they are stored.
_SMALL_ROW = 1024

#: How to avoid a buffer of frames, as the last part of a sentence.
CURE = "give the agent the option frame_buffer=False, which stores whole observations"


def choose(env: Environment, example: Any, asked: bool | None) -> Layout | None:
    """How the buffer divides observations into frames; None if it stores them whole.

    Args:
        env: The environment.
        example: One row of the buffer, a transition of shapes.
        asked: Whether to store frames; None does so if this at least halves the bytes of a row,
            unless rows are small anyway.

    Raises:
        ConfigurationError: If ``asked`` is something else, or if frames are asked for, but
            observations are not known to be stacks.
    """
    layout = layout_of(env, example)
    if asked is None:
        asked = layout is not None and _is_worthwhile(example, layout)
    if not true_or_false("frame_buffer", asked):
        return None
    if layout is None:
        raise ConfigurationError(
            f"Observations of {env.env_name} are not known to be stacks of frames, so a "
            "buffer cannot store each frame once; leave frame_buffer out, or wrap the environment "
            "in frame_stack."
        )
    info_once(_log, f"the replay buffer stores each frame of {env.env_name} once")
    return layout


def layout_of(env: Environment, example: Any) -> Layout | None:
    """How observations consist of frames; None if they are not known to do so."""
    if env.stacked_frames is None:
        return None
    shape = getattr(example.obs, "shape", ())
    fits = env.frame_axis < len(shape) and shape[env.frame_axis] % env.stacked_frames == 0
    return Layout(env.stacked_frames, env.frame_axis) if fits else None


def _is_worthwhile(example: Any, layout: Layout) -> bool:
    whole = replay.row_bytes(example)
    return whole >= _SMALL_ROW and 2 * frames.row_bytes(example, layout) <= whole


def overflow_sentence(env_name: str) -> str:
    """Says that a buffer has no room for further frames, and the cure."""
    return (
        f"Episodes of {env_name} are so short that the replay buffer has no room for all of their "
        f"first frames; {CURE}."
    )
