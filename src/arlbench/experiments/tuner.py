"""The interface of search methods, which propose trials and may learn from their results."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from arlbench.core.checks import seed_in_range
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.config_spaces import Where, in_texts
from arlbench.population import MemberResult

#: A larger number is treated as a typing mistake.
MAX_TRIALS = 100_000


class Trial(NamedTuple):
    """A training that a tuner proposes.

    Attributes:
        config: A complete configuration, as ``Problem.resolve`` returns it.
    """

    config: Mapping[str, Any]


class Tuner(abc.ABC):
    """A search method. To add one, put a file with one subclass into ``experiments/tuners``.

    Attributes:
        reads_file: Whether it takes its configurations from a file.
        takes_count: Whether a user may say how many trials to propose.
        problem: The problem to train; its declarations define what can be searched.
        words: The user's text for each hyperparameter, by name: ``VALUE``, ``LOW..HIGH`` or
            ``a,b,c``.
        seed: Seed of its random numbers.
        file: The file from which it reads configurations; None if it does not read one.
        note: A sentence for the user about what is ignored; empty if nothing is.
        searched: Names of the hyperparameters that it varies, known after the first ``ask``;
            empty if it does not search a space.
    """

    reads_file: ClassVar[bool] = False
    takes_count: ClassVar[bool] = True

    def __init__(
        self,
        problem: Problem,
        words: Where,
        *,
        seed: int = 0,
        file: str | Path | None = None,
    ) -> None:
        """Starts a search.

        Raises:
            ConfigurationError: If a text, the seed or the file is impossible.
        """
        self.seed = seed_in_range(seed, "The sampler's seed")
        self.problem, self.words = in_texts(problem, words)
        self.file = None if file is None else Path(file)
        self.note = ""
        self.searched: tuple[str, ...] = ()

    @property
    def n_trials(self) -> int | None:
        """The total number of trials; None if the user has to choose it."""
        return None

    @abc.abstractmethod
    def ask(self, n: int) -> list[Trial]:
        """The next ``n`` trials, all different.

        The first trials are always the same, however many are requested in one or more calls.

        Raises:
            ConfigurationError: If fewer exist.
        """

    def tell(self, results: Sequence[MemberResult]) -> None:  # noqa: B027
        """Receives the results of trials; ``config_index`` counts the requested trials.

        Tuners that do not learn ignore them.
        """


def check_count(n: int) -> int:
    """The number of trials, after checking that it is not a typing mistake.

    Raises:
        ConfigurationError: If it is too large.
    """
    if n > MAX_TRIALS:
        raise ConfigurationError(f"{n} configurations are too many; the limit is {MAX_TRIALS}.")
    return n
