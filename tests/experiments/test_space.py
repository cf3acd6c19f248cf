"""Search spaces from arguments: their meaning, and contradictions."""

from __future__ import annotations

import pytest

from arlbench import DQN
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.declarations import POSITIVE, Condition, flag, real, whole
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.space import (
    Choices,
    Range,
    listed_values,
    parse_dimension,
    search_space,
)
from fake_training import PROBLEM


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("gamma", "0.9", 0.9),
        ("train_freq", "8", 8),
        ("train_freq", "1e2", 100),
        ("use_target_network", "no", False),
        ("activation", "relu", "relu"),
        ("learning_rate", "1e-5..1e-2", Range(1e-5, 1e-2, log=True)),
        ("gamma", "0..1", Range(0.0, 1.0, log=False)),
        ("buffer_size", "1e3..5000", Range(1000, 5000, log=False)),
        ("hidden_size", "16..256", Range(16, 256, log=False)),
        ("buffer_batch_size", "64,128,256", Choices((64, 128, 256))),
        ("gamma", "0.9,0.99", Choices((0.9, 0.99))),
        ("activation", "tanh,relu", Choices(("tanh", "relu"))),
        ("use_target_network", "true,false", Choices((True, False))),
    ],
)
def test_a_word_is_a_value_a_range_or_a_list(name, text, expected) -> None:
    dimension = parse_dimension(name, text, PROBLEM.declarations)
    assert dimension == expected
    assert type(dimension) is type(expected)


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("gama", "0.9..1", "Did you mean 'gamma'"),
        ("gamma", "0.99..0.9", "empty, because 0.99 is not below 0.9"),
        ("gamma", "0.9..0.9", "not below"),
        ("gamma", "0.9..", "not a range; write gamma=LOW..HIGH"),
        ("gamma", "..0.9", "not a range"),
        ("gamma", "0.8..0.9..1", "not a range"),
        ("gamma", "0.8..0.9,1", "not a range"),
        ("gamma", "0.9..1.5", "between 0 and 1, not 1.5"),
        ("learning_rate", "0..1", "greater than 0"),
        ("train_freq", "1.5..3", "whole number"),
        ("buffer_batch_size", "64..256", "separate values.* buffer_batch_size=4,8,16,32,64"),
        ("use_target_network", "false..true", "separate values"),
        ("activation", "relu..tanh", "separate values"),
        ("gamma", "0.9,", "lacks a value next to a comma"),
        ("gamma", "0.9,0.90", "has 0.9 twice"),
        ("activation", "tanh,relo", "mean 'relu'"),
        ("train_freq", "1,2.5", "whole number"),
    ],
)
def test_what_contradicts_itself_is_refused(name, text, named) -> None:
    with pytest.raises(ConfigurationError, match=named):
        parse_dimension(name, text, PROBLEM.declarations)


@pytest.mark.parametrize("value", [0.9, (0.9, 0.99), DQN.get_hpo_config_space()["gamma"]])
def test_only_a_text_says_where_to_search(value) -> None:
    with pytest.raises(ConfigurationError, match=r"text of gamma must be a string .* in quotes"):
        search_space(PROBLEM, {"gamma": value})


def test_what_is_not_named_varies_over_the_published_space() -> None:
    space = search_space(PROBLEM, {"gamma": "0.99", "train_freq": "1,2"})
    assert space.fixed == {"gamma": 0.99}
    assert space.varied.keys() == set(DQN.get_hpo_config_space()) - {"gamma"}
    assert space.varied["learning_rate"] == Range(1e-6, 0.1, log=True)
    assert space.varied["buffer_batch_size"] == Choices((4, 8, 16, 32, 64))
    assert space.varied["train_freq"] == Choices((1, 2))


def test_architecture_varies_only_if_it_is_named() -> None:
    assert "hidden_size" not in search_space(PROBLEM, {}).varied
    assert search_space(PROBLEM, {"hidden_size": "8..16"}).varied["hidden_size"] == Range(
        8, 16, log=False
    )


def test_what_can_never_count_is_not_searched() -> None:
    varied = search_space(PROBLEM, {"use_target_network": "false"}).varied
    assert not {"tau", "target_update_interval", "use_target_network"} & varied.keys()
    assert {"tau", "target_update_interval"} <= search_space(PROBLEM, {}).varied.keys()


@pytest.mark.parametrize("tau", ["0.5", "0.1..0.5", "0.1,0.5"])
def test_what_is_named_and_can_never_count_is_ignored(tau) -> None:
    space = search_space(PROBLEM, {"use_target_network": "false", "tau": tau})
    without = search_space(PROBLEM, {"use_target_network": "false"})
    assert space.varied == without.varied
    assert space.note == "tau is ignored, because it counts only if use_target_network is True."
    assert without.note == ""


def test_what_the_problem_fixes_varies_only_if_it_is_named() -> None:
    fixed = PROBLEM.replace(hpo_config=PROBLEM.resolve({"gamma": 0.9}))
    space = search_space(fixed, {"learning_rate": "1e-4..1e-3", "hidden_size": "8..16"})
    assert list(space.varied) == ["learning_rate", "hidden_size"]
    assert space.fixed["gamma"] == 0.9


def test_a_space_with_everything_fixed_is_empty() -> None:
    defaults = {k: str(v.default_value) for k, v in DQN.get_hpo_config_space().items()}
    with pytest.raises(ConfigurationError, match=r"space is empty.*learning_rate=1e-06\.\.0\.1"):
        search_space(PROBLEM, defaults)
    del defaults["gamma"]
    assert list(search_space(PROBLEM, defaults).varied) == ["gamma"]


@pytest.mark.parametrize(
    ("name", "text", "condition"),
    [
        ("huber_delta", "0.5..2", "loss is huber"),
        ("exploration_temperature", "0.1,1", "exploration is boltzmann"),
        ("n_atoms", "11,51", "distribution is categorical"),
        ("n_quantiles", "2..50", "distribution is quantile"),
    ],
)
def test_a_condition_that_is_not_named_has_its_default(
    name: str, text: str, condition: str
) -> None:
    space, published = (search_space(PROBLEM, words) for words in ({name: text}, {}))
    assert space.varied == published.varied
    assert space.note == f"{name} is ignored, because it counts only if {condition}."


def test_a_condition_that_no_choice_meets_is_never_met() -> None:
    words = {"distribution": "none,quantile", "n_atoms": "11,51", "n_quantiles": "5,9"}
    space = search_space(PROBLEM, words)
    assert "n_atoms" not in space.varied
    assert space.varied.keys() >= {"distribution", "n_quantiles"}
    assert (
        space.note == "n_atoms is ignored, because it counts only if distribution is categorical."
    )


def test_a_space_is_empty_if_its_only_range_does_not_count() -> None:
    defaults = {k: str(v.default_value) for k, v in DQN.get_hpo_config_space().items()}
    with pytest.raises(
        ConfigurationError,
        match=r"^The space is empty: huber_delta is ignored, because it counts only if loss is "
        r"huber; choose this value, or give another hyperparameter a range as in [^.]*\.\.0\.1\.$",
    ):
        search_space(PROBLEM, {**defaults, "huber_delta": "0.5..2"})


def test_a_grid_needs_values() -> None:
    listed = listed_values(PROBLEM, {"gamma": "0.9,0.99", "train_freq": "2..4", "tau": "1"})
    assert listed == {"gamma": (0.9, 0.99), "train_freq": (2, 3, 4), "tau": (1.0,)}
    with pytest.raises(
        ConfigurationError, match=r"gamma=0\.9\.\.1 has infinitely many.* gamma=0\.9,1"
    ):
        listed_values(PROBLEM, {"gamma": "0.9..1"})
    for words in ({}, {"gamma": "0.9"}):
        with pytest.raises(ConfigurationError, match=r"grid is empty.*learning_rate=1e-06,0\.1"):
            listed_values(PROBLEM, words)


def test_examples_and_ranges_are_made_from_the_declarations() -> None:
    class Other(Algorithm):
        hyperparameters = staticmethod(
            lambda: {
                "flag": flag(True, name="flag"),
                "b": whole(1, 9, 3, name="b", active_if=Condition("flag", True)),
                "a": real(0.5, 2.0, 1.0, POSITIVE, name="a"),
            }
        )
        architecture_choices = staticmethod(dict)

    class OtherProblem(Problem):
        algorithm_class = Other

    problem = object.__new__(OtherProblem)
    for name, value in {"algorithm": "other", "hpo_config": {}, "nas_config": {}}.items():
        object.__setattr__(problem, name, value)
    # Sorted by name, but after those they depend on.
    assert list(search_space(problem, {}).varied) == ["a", "flag", "b"]
    everything = {"a": "1", "flag": "true", "b": "2"}
    with pytest.raises(ConfigurationError, match=r"give one a range as in b=1\.\.9\."):
        search_space(problem, everything)
