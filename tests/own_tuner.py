"""A tuner as a user writes one."""

from __future__ import annotations

from collections.abc import Sequence

from arlbench.tuning import Space, Trial, Tuner


class Own(Tuner):
    """Uniform draws."""

    parallel = 2

    def ask(self, n: int) -> Sequence[Trial]:
        return [Trial(self.space.draw(self.rng)) for _ in range(n)]


class Outside(Tuner):
    """Proposes what lies outside the space."""

    def ask(self, n: int) -> Sequence[Trial]:
        return [Trial({"learning_rate": 50.0})]


class TooShort(Tuner):
    """Proposes what ends before its first evaluation."""

    def ask(self, n: int) -> Sequence[Trial]:
        return [Trial(self.space.draw(self.rng), fidelity=10)]


class Raising(Tuner):
    """Raises an error when it is asked."""

    def ask(self, n: int) -> Sequence[Trial]:
        raise KeyError("mine")


class Broken(Tuner):
    """Cannot be made."""

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        raise ValueError("no luck")

    def ask(self, n: int) -> Sequence[Trial]:
        return []
