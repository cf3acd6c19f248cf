"""The proposals of samplers for CartPole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arlbench.experiments.sampler import Sampler
from arlbench.experiments.samplers import sampler_class
from fake_training import PROBLEM


def make_sampler(
    name: str, words: Mapping[str, str] | None = None, seed: int = 0, file: Path | None = None
) -> Sampler:
    """A sampler of the default problem."""
    return sampler_class(name)(PROBLEM, words or {}, seed=seed, file=file)


def propose(
    name: str,
    words: Mapping[str, str] | None = None,
    n: int | None = None,
    seed: int = 0,
    file: Path | None = None,
) -> list[dict[str, Any]]:
    """The first ``n`` configurations of a sampler; all that exist if ``n`` is None."""
    sampler = make_sampler(name, words, seed, file)
    n_asked = sampler.n_trials if n is None else n
    assert n_asked is not None
    return [dict(trial.config) for trial in sampler.ask(n_asked)]
