"""Takes apart and checks what an environment on the host returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

#: The largest reward; rewards are kept in 32 bits.
MAX_REWARD = float(np.finfo(np.float32).max)

_RESET = "observation, info"
_STEP = "observation, reward, terminated, truncated, info"


class MisfitError(Exception):
    """A value from an environment does not fit.

    Attributes:
        what: What the environment did, such as ``"gave a reward of nan"``.
        cure: What to do about it, as a part of a sentence.
        copy: The number of the copy; None if the caller knows it.
    """

    def __init__(self, what: str, cure: str, copy: int | None = None) -> None:
        super().__init__(f"{what}; {cure}")
        self.what = what
        self.cure = cure
        self.copy = copy


def first_observation(returned: Any) -> Any:
    """The observation in the result of ``reset``.

    Raises:
        MisfitError: If the result is not an observation and a mapping.
    """
    if type(returned) is tuple and len(returned) == 2 and type(returned[1]) is dict:
        return returned[0]
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        what = f"returned {_amount(returned)} from reset, not the two ({_RESET})"
        raise MisfitError(what, "end it with 'return observation, {}'")
    _require_info("reset", returned[1], "observation")
    return returned[0]


def parts_of_step(returned: Any) -> tuple[Any, Any, Any, Any]:
    """Observation, reward and the two flags in the result of ``step``, unchanged.

    Raises:
        MisfitError: If the result is not these four and a mapping.
    """
    if not isinstance(returned, tuple | list) or len(returned) != 5:
        what = f"returned {_amount(returned)} from step, not the five ({_STEP})"
        cure = (
            "return 'terminated' (the task ended) and 'truncated' (a time limit) instead of 'done'"
        )
        raise MisfitError(what, cure)
    _require_info("step", returned[4], "observation, reward, terminated, truncated")
    return returned[0], returned[1], returned[2], returned[3]


def reward_of(reward: Any) -> float:
    """A reward as a finite number that fits into 32 bits.

    Raises:
        MisfitError: If it is something else.
    """
    number = _single(reward)
    if isinstance(number, bool | int | float | np.number | np.bool_):
        try:
            value = float(number)  # type: ignore[arg-type]
        except (OverflowError, TypeError):
            value = np.inf
        if -MAX_REWARD <= value <= MAX_REWARD:
            return value
        raise impossible_reward(reward)
    what = f"gave a reward of {shown(reward)}, a {type(reward).__name__}"
    raise MisfitError(what, "return a number from step")


def impossible_reward(reward: Any, copy: int | None = None) -> MisfitError:
    """The error for a reward that is not finite, or too large for 32 bits."""
    cure = f"rewards must be finite numbers of at most {MAX_REWARD:.2g} in size"
    return MisfitError(f"gave a reward of {reward}", cure, copy)


def flag_of(name: str, flag: Any) -> bool:
    """``terminated`` or ``truncated`` as a bool.

    Raises:
        MisfitError: If it is not true or false.
    """
    if isinstance(flag, np.bool_):
        return bool(flag)
    single = _single(flag)
    if isinstance(single, bool | np.bool_ | int | np.integer | float) and single in {0, 1}:
        return bool(single)
    what = f"gave {name} = {shown(flag)}, a {type(flag).__name__}"
    raise MisfitError(what, "return True or False for it from step")


def shown(value: Any) -> str:
    """A short form of a value, as part of a sentence."""
    text = " ".join(repr(value.tolist() if isinstance(value, np.ndarray) else value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _single(value: Any) -> Any:
    """The element of an array with only one element; anything else unchanged."""
    is_array = hasattr(value, "shape") and hasattr(value, "item")
    return value.item() if is_array and np.size(value) == 1 else value


def _amount(returned: Any) -> str:
    if isinstance(returned, tuple | list):
        return f"{len(returned)} value{'' if len(returned) == 1 else 's'}"
    return "nothing" if returned is None else f"a single {type(returned).__name__}"


def _require_info(method: str, info: Any, before: str) -> None:
    if not isinstance(info, Mapping) and info is not None:
        what = f"returned {shown(info)} as the info of {method}, which must be a mapping"
        raise MisfitError(what, f"return {before} and then a dict, such as {{}}")
