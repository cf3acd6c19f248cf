"""What a method of search is: it proposes trials, and may learn from their results."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from arlbench.core.checks import SEED_LIMIT
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population import MemberResult

#: More than this is a slip of the hand.
MAX_TRIALS = 100_000


class Trial(NamedTuple):
    """What a tuner proposes to train.

    Attributes:
        config: A whole configuration, as ``Problem.resolve`` gives it.
    """

    config: Mapping[str, Any]


class Tuner(abc.ABC):
    """A method of search. A file with one subclass in ``experiments/tuners`` adds it.

    Attributes:
        reads_file: Whether it takes its configurations from a file.
        takes_count: Whether a user may say how many trials to propose.
        problem: What is to be trained; its declarations say what there is to search.
        words: What the user says of each hyperparameter: ``VALUE``, ``LOW..HIGH`` or
            ``a,b,c`` by name.
        seed: Of its random numbers.
        file: Where it reads configurations; None if it does not.
        note: A sentence for the user about what was left out; empty if nothing was.
        searched: Names of the hyperparameters that it varies, known once it was asked;
            empty if it does not search a space.
    """

    reads_file: ClassVar[bool] = False
    takes_count: ClassVar[bool] = True

    def __init__(
        self,
        problem: Problem,
        words: Mapping[str, str],
        *,
        seed: int = 0,
        file: Path | None = None,
    ) -> None:
        """Begins a search.

        Raises:
            ConfigurationError: If a word, the seed or the file is impossible.
        """
        if not 0 <= seed < SEED_LIMIT:
            raise ConfigurationError(
                f"The sampler's seed must lie in 0 to 2**32 - 1, not be {seed}."
            )
        self.problem = problem
        self.words = dict(words)
        self.seed = seed
        self.file = file
        self.note = ""
        self.searched: tuple[str, ...] = ()

    @property
    def n_trials(self) -> int | None:
        """How many trials it has in all; None if that is for the user to say."""
        return None

    @abc.abstractmethod
    def ask(self, n: int) -> list[Trial]:
        """The next ``n`` trials, all different.

        The first ones are the same however many are asked for, and at once or in turn.

        Raises:
            ConfigurationError: If there are fewer.
        """

    def tell(self, results: Sequence[MemberResult]) -> None:  # noqa: B027
        """Takes the results of trials, whose ``config_index`` counts those asked for.

        Unless a tuner learns, it ignores them.
        """


def check_count(n: int) -> int:
    """The number of trials, if it is not a slip of the hand.

    Raises:
        ConfigurationError: If it is.
    """
    if n > MAX_TRIALS:
        raise ConfigurationError(f"{n} configurations are more than {MAX_TRIALS}; take fewer.")
    return n
