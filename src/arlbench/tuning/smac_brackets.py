"""SMAC3's Hyperband, asked in such a way that it completes each bracket."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from arlbench.tuning.smac_search import Search, config_of, make_facade
from arlbench.tuning.space import Config, Space, key_of


class Place(NamedTuple):
    """A position in SMAC3's brackets.

    Attributes:
        bracket: The bracket, counted from the first of all rounds.
        rung: The rung in it, from 0.
        level: The position of its budget among all budgets in ascending order.
        is_last: Whether nothing is promoted from it.
    """

    bracket: int
    rung: int
    level: int
    is_last: bool


class Proposed(NamedTuple):
    """A trial of SMAC3.

    Attributes:
        config: The whole configuration.
        place: Its bracket and rung.
        info: What SMAC3 needs to recognise it, with its budget and seed.
    """

    config: Config
    place: Place
    info: Any


class SmacBrackets:
    """SMAC3's facade for many fidelities, with its intensifier Hyperband.

    If it is asked for more trials than a rung has left before it was told all results of
    this rung, SMAC3 begins the next bracket and never returns to this one (its issue 1148).
    Therefore no trial is returned while a rung waits for results.

    Args:
        space: Where to search.
        seed: The seed of its random numbers.
        eta: One in ``eta`` trials of a rung enters the next.
        n_levels: The number of budgets, each ``eta`` times as large as the one before.
        n_initial: Random configurations before the model begins to propose them; the first rung
            is always random, because nothing is known yet.

    Attributes:
        place: The bracket and rung of the last trial; None before the first.
    """

    def __init__(self, space: Space, seed: int, eta: int, n_levels: int, n_initial: int) -> None:
        # SMAC3 rounds the logarithm of their quotient down, which must not lose a budget.
        smallest, largest = 1 - 1e-6, eta ** (n_levels - 1)
        # Without results, SMAC3 would draw the configurations of its initial design again, and
        # a rung with a configuration that was trained before never ends.
        n_initial = max(n_initial, largest)
        facade = make_facade(
            "MultiFidelityFacade",
            space,
            seed,
            n_initial,
            {"eta": eta},
            min_budget=smallest,
            max_budget=float(largest),
        )
        self._search = Search(facade)
        self._space, self._eta, self._n_levels = space, eta, n_levels
        self._asked: set[tuple[int, tuple[Any, ...]]] = set()
        self._waiting: set[tuple[Any, ...]] = set()
        self._n_in_flight, self._n_brackets = 0, 0
        # The bracket and rung in SMAC3's words, such as "1,0".
        self._where = ""
        self.place: Place | None = None

    def ask(self) -> Proposed | None:
        """The next trial; None if its rung waits for results, or the whole space was tried."""
        if self._n_in_flight and not self._waiting:
            return None
        info = self._search.ask()
        if info is None:
            return None
        config = config_of(self._space, info.config)
        if key_of(config) not in self._waiting:
            self._enter_rung(key_of(config), info.budget)
        assert self.place is not None, "a rung was entered"
        self._waiting.discard(key_of(config))
        self._asked.add((self.place.level, key_of(config)))
        self._n_in_flight += 1
        return Proposed(config, self.place, info)

    def tell(self, proposed: Proposed, score: float) -> None:
        """Takes the score of a trial; ``-inf`` if it diverged."""
        self._n_in_flight -= 1
        self._search.tell(proposed.info, score)

    def awaits(self, config: Config) -> bool:
        """Whether a configuration is in the current rung, and was not asked for yet."""
        return key_of(config) in self._waiting

    def _enter_rung(self, key: tuple[Any, ...], budget: float) -> None:
        """Reads from SMAC3 in which rung a trial is, and which configurations are in it."""
        tracker = self._search.facade.intensifier.get_state()["tracker"]
        level = round(math.log(budget, self._eta))
        found = [
            (where, keys)
            for where, groups in tracker.items()
            for _, configs in groups
            if sum(map(int, where.split(","))) == level
            and key in (keys := [key_of(config_of(self._space, config)) for config in configs])
        ]
        # A bracket that SMAC3 could not end, as happens in tiny spaces, stays in the tracker.
        where, keys = found[-1]
        rung = int(where.split(",")[1])
        if rung == 0 and where != self._where:
            self._n_brackets += 1
        self._where = where
        self.place = Place(self._n_brackets - 1, rung, level, level == self._n_levels - 1)
        self._waiting = {key for key in keys if (level, key) not in self._asked}
