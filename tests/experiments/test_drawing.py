"""Drawing: inside the space, evenly spread, repeatable, and without repetitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from arlbench import DQN
from arlbench.errors import ConfigurationError
from arlbench.experiments.drawing import value_at
from arlbench.experiments.samplers import sampler_class
from arlbench.experiments.space import Choices, Range
from fake_training import PROBLEM
from proposing import make_sampler, propose

BELOW_ONE = float(np.nextafter(1.0, 0.0))


@given(u=st.floats(0, BELOW_ONE), low=st.integers(0, 50), width=st.integers(1, 50))
def test_whole_numbers_stay_in_their_range(u, low, width) -> None:
    assert low <= value_at(Range(low, low + width, log=False), u) <= low + width


def test_both_ends_of_whole_numbers_are_as_likely_as_the_rest() -> None:
    values = [value_at(Range(1, 4, log=False), u) for u in np.arange(0.0005, 1, 0.001)]
    counts = np.bincount(values)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:], 250, atol=1)


def test_choices_are_equally_likely() -> None:
    values = [value_at(Choices(("a", "b")), u) for u in (0.0, 0.49, 0.5, BELOW_ONE)]
    assert values == ["a", "a", "b", "b"]


def test_the_ends_of_a_range_are_reached() -> None:
    assert value_at(Range(1e-6, 1e-1, log=True), 0.0) == pytest.approx(1e-6)
    assert value_at(Range(1e-6, 1e-1, log=True), 0.5) == pytest.approx(10**-3.5)
    assert value_at(Range(0.8, 1.0, log=False), BELOW_ONE) <= 1.0
    assert value_at(Range(1e-6, 1e-1, log=True), BELOW_ONE) <= 1e-1


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_each_hyperparameter_is_spread_over_its_own_scale(sampler) -> None:
    configs = propose(sampler, {}, 512, seed=3)
    rates = np.log([config["learning_rate"] for config in configs])
    rates = (rates - np.log(1e-6)) / (np.log(0.1) - np.log(1e-6))
    gammas = (np.array([config["gamma"] for config in configs]) - 0.8) / 0.2
    sizes = np.array([config["buffer_size"] for config in configs]) / 1e7
    for values in (rates, gammas, sizes):
        assert kstest(values, "uniform").pvalue > 0.01
    batches = np.array([config["buffer_batch_size"] for config in configs])
    assert set(batches) == {4, 8, 16, 32, 64}
    assert min(np.bincount(batches)[[4, 8, 16, 32, 64]]) > 70


def test_sobol_is_more_even_than_chance() -> None:
    def largest_gap(sampler: str) -> float:
        gammas = [config["gamma"] for config in propose(sampler, {}, 128)]
        return float(np.diff(np.sort(gammas)).max())

    # A Sobol sequence has one point in each of 128 equal parts; random points leave gaps.
    assert largest_gap("sobol") <= 2 * 0.2 / 128
    assert largest_gap("random") > 2 * 0.2 / 128


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_a_seed_repeats_and_the_beginning_is_the_same(sampler) -> None:
    few, many = (propose(sampler, {"tau": "0.5..1"}, n, seed=1) for n in (5, 40))
    assert many[:5] == few
    in_turn = make_sampler(sampler, {"tau": "0.5..1"}, seed=1)
    assert [trial.config for n in (1, 4, 35) for trial in in_turn.ask(n)] == many
    assert propose(sampler, {"tau": "0.5..1"}, 5, seed=2) != few


def test_every_configuration_is_legal_in_the_published_space() -> None:
    space = DQN.get_hpo_config_space()
    for config in propose("sobol", {}, 64):
        assert PROBLEM.resolve(config) == config
        for name, value in config.items():
            if name in space:
                assert space[name].legal_value(value)


def test_inactive_values_do_not_make_another_configuration() -> None:
    words = {name: str(e.default_value) for name, e in DQN.get_hpo_config_space().items()}
    words |= {"use_target_network": "true,false", "tau": "0.1,0.2,0.3"}
    configs = propose("random", words, 4)
    assert len({tuple(config.items()) for config in configs}) == 4
    assert {config["tau"] for config in configs if config["use_target_network"]} == {0.1, 0.2, 0.3}
    with pytest.raises(ConfigurationError, match=r"Only 4 different .* instead of 5"):
        propose("sobol", words, 5)


@pytest.mark.parametrize(
    ("n_configs", "seed", "named"),
    [(0, 0, "n_configs must be"), (200_000, 0, "too many"), (1, -1, "sampler's seed")],
)
def test_impossible_requests_are_refused(n_configs, seed, named) -> None:
    with pytest.raises(ConfigurationError, match=named):
        propose("sobol", {}, n_configs, seed)


def test_one_configuration_can_be_drawn() -> None:
    assert len(propose("sobol", {}, 1)) == 1


def test_what_the_problem_fixes_is_not_drawn() -> None:
    fixed = PROBLEM.replace(hpo_config={"gamma": 0.9}, nas_config={"hidden_size": 8})
    configs = [trial.config for trial in sampler_class("random")(fixed, {}).ask(4)]
    assert {(config["gamma"], config["hidden_size"]) for config in configs} == {(0.9, 8)}
    narrowed = [
        trial.config for trial in sampler_class("random")(fixed, {"gamma": "0.1..0.2"}).ask(4)
    ]
    assert all(0.1 <= config["gamma"] <= 0.2 for config in narrowed)
