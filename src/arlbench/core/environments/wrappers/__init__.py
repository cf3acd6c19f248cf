"""Wrappers: environments made from environments."""

from arlbench.core.environments.wrappers.cast_observation import CastObservation
from arlbench.core.environments.wrappers.end_at_time_limit import EndAtTimeLimit
from arlbench.core.environments.wrappers.flatten import FlattenObservation
from arlbench.core.environments.wrappers.frame_stack import FrameStack
from arlbench.core.environments.wrappers.one_hot import OneHotObservation
from arlbench.core.environments.wrappers.registry import wrap
from arlbench.core.environments.wrappers.rewards import ClipReward, ScaleReward
from arlbench.core.environments.wrappers.sticky_action import StickyAction
from arlbench.core.environments.wrappers.time_limit import TimeLimit
from arlbench.core.environments.wrappers.transpose import TransposeObservation
from arlbench.core.environments.wrappers.wrapper import ObservationWrapper, Wrapper

__all__ = [
    "CastObservation",
    "ClipReward",
    "EndAtTimeLimit",
    "FlattenObservation",
    "FrameStack",
    "ObservationWrapper",
    "OneHotObservation",
    "ScaleReward",
    "StickyAction",
    "TimeLimit",
    "TransposeObservation",
    "Wrapper",
    "wrap",
]
