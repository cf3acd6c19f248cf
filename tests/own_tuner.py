"""A tuner as a user writes one."""

from __future__ import annotations

from collections.abc import Sequence

from arlbench.tuning import Trial, Tuner


class Own(Tuner):
    """Uniform draws."""

    parallel = 2

    def ask(self, n: int) -> Sequence[Trial]:
        return [Trial(self.space.draw(self.rng)) for _ in range(n)]


class Outside(Tuner):
    """Proposes what lies outside the space."""

    def ask(self, n: int) -> Sequence[Trial]:
        return [Trial({"learning_rate": 50.0})]
