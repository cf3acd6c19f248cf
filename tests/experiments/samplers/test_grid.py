"""The grid: every combination once, in order."""

from __future__ import annotations

import pytest

from arlbench.errors import ConfigurationError
from fake_training import PROBLEM
from proposing import make_sampler, propose


def test_a_grid_has_every_combination_in_order() -> None:
    configs = propose("grid", {"gamma": "0.9,0.99", "train_freq": "1..3", "tau": "0.5"})
    assert [(c["gamma"], c["train_freq"]) for c in configs] == [
        (gamma, train_freq) for gamma in (0.9, 0.99) for train_freq in (1, 2, 3)
    ]
    assert configs[0] == PROBLEM.resolve({"gamma": 0.9, "train_freq": 1, "tau": 0.5})


def test_a_grid_has_what_is_equal_once() -> None:
    configs = propose("grid", {"use_target_network": "true,false", "tau": "0.1,0.2"})
    assert [(c["use_target_network"], c["tau"]) for c in configs] == [
        (True, 0.1),
        (True, 0.2),
        (False, 1.0),
    ]


def test_a_grid_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(ConfigurationError, match="too many"):
        propose("grid", {"buffer_size": "1..1000000", "learning_starts": "1..10000"})


def test_a_grid_is_asked_in_turn_and_ends() -> None:
    sampler = make_sampler("grid", {"gamma": "0.7,0.8,0.9"})
    assert sampler.n_trials == 3
    assert [[t.config["gamma"] for t in sampler.ask(n)] for n in (1, 2)] == [[0.7], [0.8, 0.9]]
    with pytest.raises(ConfigurationError, match="The grid has 3 configurations, fewer than 4"):
        sampler.ask(1)
