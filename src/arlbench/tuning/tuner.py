"""The interface of tuners, which are asked for trials and told their results."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from arlbench.core.checks import known_names, seed_in_range
from arlbench.core.tracebacks import raised_at
from arlbench.errors import ArlbenchError, TunerError
from arlbench.tuning.space import Space
from arlbench.tuning.trials import Result, Trial

# Parameters of the constructor that are not settings.
_NO_SETTINGS = ("self", "space", "seed")

#: How messages call the seed of a tuner.
TUNER_SEED = "The tuner's seed"


class Tuner(abc.ABC):
    """A method of search.

    When a study continues, a new tuner is asked and told the same as before, and must give the same
    answers. All of its random numbers must therefore come from ``rng`` or ``seed``.

    Further parameters of a subclass's constructor, each with a default, are its settings. With
    ``**``, it has the settings of its base class too.

    Args:
        space: Where to search, and the problem.
        seed: The seed of its random numbers.

    Attributes:
        asynchronous: Whether it is told each result when it arrives, and asked for another
            trial immediately. Otherwise it is told the results of all trials in flight
            together, in the order in which it proposed them.
        parallel: The number of trials in flight, unless the study sets another.
        continues: Whether its trials may continue others, whose states are kept for it.
        can_restart: Whether a study may train its trials from step 0 instead of continuing others.
            False if their configurations differ from those of the trials that they continue.
        ends: Whether it ends by itself, so that a study needs no other limit.
        learns_from_any: Whether it can be told results of trials that it did not propose.
        version: A number that is increased whenever the tuner's proposals change.
        space: Where to search.
        seed: The seed of its random numbers.
        rng: A generator of random numbers, made from the seed.
        note: A sentence for the user; empty if nothing needs to be said.
    """

    asynchronous: ClassVar[bool] = False
    parallel: ClassVar[int] = 8
    continues: ClassVar[bool] = False
    can_restart: ClassVar[bool] = True
    ends: ClassVar[bool] = False
    learns_from_any: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self.space = space
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.note = ""

    @abc.abstractmethod
    def ask(self, n: int) -> Sequence[Trial]:
        """Up to ``n`` trials to train next.

        It returns fewer if it needs results first. If it returns none while nothing is in flight,
        the study ends. A call that returns no trials must not change the tuner, because it is not
        repeated when the study continues.
        """

    def tell(self, results: Sequence[Result]) -> None:  # noqa: B027
        """Takes the results of trials; a tuner that does not learn ignores them."""

    def note_on_limits(self, trials: int | None, timesteps: float | None, n_seeds: int) -> str:
        """A sentence for the user if the limits of a study end the tuner before its time.

        Args:
            trials: The largest number of trials; None means no limit.
            timesteps: The environment steps after which no trial is begun; None means no limit.
            n_seeds: The number of seeds with which each trial is trained.

        Returns:
            The sentence, which gives the limit that would be needed; empty if nothing needs to be
            said.
        """
        return ""

    def start_from(self, configs: Sequence[Mapping[str, Any]]) -> bool:
        """Takes whole configurations for the tuner's first trials.

        Called before the tuner is first asked, if the study starts from given configurations. A
        tuner that cannot do this returns False. Then the study trains them at full length, and
        tells the tuner their results if it learns from any trial (``learns_from_any``).
        """
        return False

    @property
    def continuable(self) -> Collection[int] | None:
        """Numbers of trials, among those told, that may still be continued; None means any."""
        return None

    @property
    def position(self) -> str:
        """The position of the method, such as its bracket, in a few words for people."""
        return ""


def settings_of(cls: type[Tuner]) -> dict[str, Any]:
    """The settings that a tuner has, with their defaults.

    If its constructor takes any keywords (``**``), those are settings of its base class.
    """
    found: dict[str, Any] = {}
    constructors = (vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base))
    for constructor in constructors:
        parameters = inspect.signature(constructor).parameters
        own = {
            name: parameter.default
            for name, parameter in parameters.items()
            if name not in _NO_SETTINGS and _is_optional(parameter)
        }
        found = {**own, **found}
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
            break
    return found


def _is_optional(parameter: inspect.Parameter) -> bool:
    """Whether a parameter can be given by name, and need not be given."""
    by_name = parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    return by_name and parameter.default is not parameter.empty


def make_tuner(
    cls: type[Tuner], space: Space, seed: int = 0, settings: Mapping[str, Any] | None = None
) -> Tuner:
    """A tuner that has not been asked yet.

    Raises:
        ConfigurationError: If the seed or a setting is impossible.
        TunerError: If its constructor raises another error, or does not call that of
            :class:`Tuner`.
    """
    seed = seed_in_range(seed, TUNER_SEED)
    given = dict(settings or {})
    known_names(given, settings_of(cls), f"setting of the tuner {cls.__name__}")
    try:
        made = cls(space, seed=seed, **given)
    except ArlbenchError:
        raise
    except Exception as error:
        raise TunerError(
            f"The tuner {cls.__name__} raised {type(error).__name__} in its constructor ({error})"
            f"{raised_at(error)}; correct it."
        ) from error
    if not hasattr(made, "rng"):
        raise TunerError(
            f"The tuner {cls.__name__} does not call super().__init__(space, seed=seed) in its "
            "constructor; add the call."
        )
    return made
