"""The proposals of tuners for CartPole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arlbench.experiments.tuner import Tuner
from arlbench.experiments.tuners import tuner_class
from fake_training import PROBLEM


def make_tuner(
    name: str, words: Mapping[str, str] | None = None, seed: int = 0, file: Path | None = None
) -> Tuner:
    """A tuner of the default problem."""
    return tuner_class(name)(PROBLEM, words or {}, seed=seed, file=file)


def propose(
    name: str,
    words: Mapping[str, str] | None = None,
    n: int | None = None,
    seed: int = 0,
    file: Path | None = None,
) -> list[dict[str, Any]]:
    """The first ``n`` configurations of a tuner; all of its trials if ``n`` is None."""
    tuner = make_tuner(name, words, seed, file)
    n_asked = tuner.n_trials if n is None else n
    assert n_asked is not None
    return [dict(trial.config) for trial in tuner.ask(n_asked)]
