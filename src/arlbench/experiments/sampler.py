"""The interface of samplers, which generate the configurations of a sweep."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from arlbench.core.checks import positive_whole, seed_in_range
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.config_spaces import Where, in_texts

#: A larger number is treated as a typing mistake.
MAX_CONFIGS = 100_000


class Trial(NamedTuple):
    """What a sampler proposes to train.

    Attributes:
        config: A complete configuration, as ``Problem.resolve`` returns it.
    """

    config: Mapping[str, Any]


class Sampler(abc.ABC):
    """To add a sampler, put a file with one subclass into ``experiments/samplers``.

    Attributes:
        reads_file: Whether it takes its configurations from a file.
        takes_count: Whether a user may say how many configurations to generate.
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
        """Starts at the first configuration.

        Raises:
            ConfigurationError: If a text, the seed or the file is impossible.
        """
        self.seed = seed_in_range(seed, "The sampler's seed")
        self.problem, self.words = in_texts(problem, words)
        self.file = None if file is None else Path(file)
        self.note = ""
        self.searched: tuple[str, ...] = ()
        self._n_asked = 0

    @property
    def n_trials(self) -> int | None:
        """The number of configurations that exist; None if the user has to choose it."""
        return None

    def ask(self, n: int) -> list[Trial]:
        """The next ``n`` configurations, all different.

        Raises:
            ConfigurationError: If fewer exist.
        """
        begin, end = self._n_asked, self._n_asked + positive_whole("n_configs", n)
        configs = self.first(end)
        self._n_asked = end
        return [Trial(config) for config in configs[begin:]]

    @abc.abstractmethod
    def first(self, n: int) -> Sequence[Mapping[str, Any]]:
        """The first ``n`` complete configurations, all different, and the same for every ``n``.

        Raises:
            ConfigurationError: If fewer exist.
        """


def check_count(n: int) -> int:
    """The number of configurations, after checking that it is not a typing mistake.

    Raises:
        ConfigurationError: If it is too large.
    """
    if n > MAX_CONFIGS:
        raise ConfigurationError(f"{n} configurations are too many; the limit is {MAX_CONFIGS}.")
    return n
