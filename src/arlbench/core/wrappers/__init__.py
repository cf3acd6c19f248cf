"""Wrappers: environments made from environments."""

from arlbench.core.wrappers.wrapper import Wrapper

__all__ = ["Wrapper"]
