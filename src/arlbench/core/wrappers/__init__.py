"""Wrappers: environments made from environments."""

from arlbench.core.wrappers.cast_observation import CastObservation
from arlbench.core.wrappers.flatten import FlattenObservation
from arlbench.core.wrappers.frame_stack import FrameStack
from arlbench.core.wrappers.one_hot import OneHotObservation
from arlbench.core.wrappers.registry import wrap
from arlbench.core.wrappers.rewards import ClipReward, ScaleReward
from arlbench.core.wrappers.sticky_action import StickyAction
from arlbench.core.wrappers.time_limit import TimeLimit
from arlbench.core.wrappers.wrapper import ObservationWrapper, Wrapper

__all__ = [
    "CastObservation",
    "ClipReward",
    "FlattenObservation",
    "FrameStack",
    "ObservationWrapper",
    "OneHotObservation",
    "ScaleReward",
    "StickyAction",
    "TimeLimit",
    "Wrapper",
    "wrap",
]
