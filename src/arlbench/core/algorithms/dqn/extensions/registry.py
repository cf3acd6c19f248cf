"""Which extensions exist, which of them a configuration needs, and which a program contains.

This is the only module that knows extensions by name. Everything else asks whether an input
exists: an extension that is not compiled in has None for its inputs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from arlbench.core.algorithms.declarations import differs, is_tracer
from arlbench.core.algorithms.dqn.extensions.hyperparameters import (
    EXTENDED,
    EXTENDED_CHOICES,
    ExtendedHyperparameters,
)
from arlbench.core.algorithms.dqn.models import ACTIVATIONS
from arlbench.core.checks import known_names
from arlbench.errors import ConfigurationError

#: An extension is named after the hyperparameter that switches it on. These have further ones.
_FURTHER = {
    "loss": ("huber_delta",),
    "munchausen_alpha": ("munchausen_temperature",),
    "exploration": ("exploration_temperature",),
}

#: The extension whose largest value shapes the program.
_N_STEP = "n_step"

#: Neighbouring atoms must be at least this many roundings of the largest one apart.
_LEAST_SPACING = 4

#: The hyperparameters of each extension, the one that switches it on first.
EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    name: (name, *_FURTHER.get(name, ()))
    for name in EXTENDED
    if not any(name in others for others in _FURTHER.values())
}


class Extensions(NamedTuple):
    """The extensions that are compiled into a program.

    Attributes:
        names: Their names, in the order of ``EXTENSIONS``.
        n_step: The largest ``n_step`` that the program can take.
    """

    names: tuple[str, ...] = ()
    n_step: int = 1

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def keeps_ends(self) -> bool:
        """Whether the replay buffer must know where episodes were cut off."""
        return _N_STEP in self.names

    @property
    def persists(self) -> bool:
        """Whether a random action may last for several steps."""
        return "exploration" in self.names

    def to_options(self) -> list[str]:
        """The names for files; the largest ``n_step`` is written next to its name."""
        return [f"{_N_STEP}={self.n_step}" if name == _N_STEP else name for name in self.names]


NONE = Extensions()


def needed(config: Mapping[str, Any]) -> Extensions:
    """The extensions that one resolved configuration needs."""
    return for_space({name: (config[name],) for name in EXTENSIONS if name in config})


def for_space(possible: Mapping[str, Sequence[Any]]) -> Extensions:
    """The extensions that some configuration of a space needs.

    Args:
        possible: The values of each hyperparameter: all choices, both ends of a range, or one
            value. A hyperparameter that is not named is off.
    """
    names = tuple(
        name
        for name in EXTENSIONS
        if any(differs(value, EXTENDED[name].default) for value in possible.get(name, ()))
    )
    if _N_STEP not in names:
        return Extensions(names)
    return Extensions(names, max(map(_bound, possible[_N_STEP])))


def options_for_space(possible: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The option of DQN that makes one program fit a space; see ``Algorithm``."""
    extensions = for_space(possible)
    return {"extensions": extensions.to_options()} if extensions else {}


def _bound(n_step: Any) -> int:
    return int(EXTENDED[_N_STEP].high or 1) if is_tracer(n_step) else int(n_step)


def parse(given: Collection[str]) -> Extensions:
    """The extensions of these names; ``n_step=5`` takes up to five steps.

    Raises:
        ConfigurationError: If a name is unknown or a largest ``n_step`` impossible.
    """
    if isinstance(given, str | Mapping) or not isinstance(given, Collection):
        raise ConfigurationError(f"extensions must be a list of names, not {given!r}.")
    bounds: dict[str, str] = {}
    for one in given:
        name, equals, bound = str(one).partition("=")
        known_names([name], EXTENSIONS, "extension")
        if equals and name != _N_STEP:
            raise ConfigurationError(f"The extension {name} takes no value; leave ={bound} out.")
        if name in bounds:
            raise ConfigurationError(f"extensions has {name} twice; leave one of them out.")
        bounds[name] = bound
    names = tuple(name for name in EXTENSIONS if name in bounds)
    if _N_STEP not in names:
        return Extensions(names)
    declared, text = EXTENDED[_N_STEP], bounds[_N_STEP]
    largest: Any = int(text) if text.isdecimal() else text or declared.high
    return Extensions(names, declared.check(largest))


def require(config: Mapping[str, Any], extensions: Extensions) -> None:
    """Raises a ConfigurationError if a program with these extensions cannot take a configuration.

    Args:
        config: A resolved configuration.
        extensions: The extensions that were given.
    """
    wanted = needed(config)
    for name in wanted.names:
        if name not in extensions.names:
            raise ConfigurationError(
                f"{name} is {config[name]!r}, but the extension {name} is not compiled in; add it "
                f"to extensions, or leave {name} at {EXTENDED[name].default!r}."
            )
    if wanted.n_step > extensions.n_step and not is_tracer(config[_N_STEP]):
        raise ConfigurationError(
            f"n_step is {wanted.n_step}, but this program takes at most {extensions.n_step}; lower "
            f"it, or make the algorithm with extensions=['{_N_STEP}={wanted.n_step}']."
        )


def inputs(config: Mapping[str, Any], extensions: Extensions) -> ExtendedHyperparameters | None:
    """The inputs of a program with these extensions; None if there are none."""
    if not extensions:
        return None
    own = {part for name in extensions.names for part in EXTENSIONS[name]}
    values = {
        name: declared.as_input(config[name]) if name in own else None
        for name, declared in EXTENDED.items()
    }
    return ExtendedHyperparameters(**values)


def check_architecture(config: Mapping[str, Any]) -> None:
    """Raises a ConfigurationError if extended architecture choices contradict each other."""
    low, high = config["v_min"], config["v_max"]
    if low >= high:
        raise ConfigurationError(
            f"v_min is {low:g} and v_max {high:g}, so the atoms would have no range; make v_min "
            "smaller than v_max."
        )
    if config["distribution"] == "categorical" and not _are_distinct(low, high, config["n_atoms"]):
        raise ConfigurationError(
            f"{config['n_atoms']} atoms between v_min={low!r} and v_max={high!r} would not all be "
            "different, finite numbers of 32 bits; change the range or lower n_atoms."
        )


def check_space(possible: Mapping[str, Sequence[Any]]) -> None:
    """Raises a ConfigurationError if values of a space would contradict each other.

    Args:
        possible: All choices, both ends of the range, or the only value of each hyperparameter
            that is not at its default.
    """
    values = {
        name: possible.get(name, (EXTENDED_CHOICES[name].default,))
        for name in ("distribution", "v_min", "v_max", "n_atoms")
    }
    lows, highs = values["v_min"], values["v_max"]
    if "categorical" not in values["distribution"]:
        return
    if max(lows) >= min(highs):
        raise ConfigurationError(
            f"v_min can be {_span(lows)} and v_max {_span(highs)}, so the atoms of some "
            "configurations would have no range; make the largest v_min smaller than the smallest "
            "v_max."
        )
    largest = {"distribution": "categorical", "n_atoms": max(values["n_atoms"])}
    for low, high in ((max(lows), min(highs)), (min(lows), max(highs))):
        check_architecture({**largest, "v_min": low, "v_max": high})


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _are_distinct(low: float, high: float, n_atoms: int) -> bool:
    """Whether a program computes different atoms, however it rounds."""
    rounding = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    width, largest = high - low, float(np.finfo(np.float32).max)
    return _LEAST_SPACING * rounding <= width / (n_atoms - 1) and width <= largest


def is_extended(config: Mapping[str, Any]) -> bool:
    """Whether an architecture needs a network that is not published."""
    return config["activation"] not in ACTIVATIONS or any(
        config.get(name, declared.default) != declared.default
        for name, declared in EXTENDED_CHOICES.items()
        if name != "activation"
    )
