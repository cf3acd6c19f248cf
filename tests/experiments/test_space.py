"""Search spaces from words: what they say, and what contradicts itself."""

from __future__ import annotations

import pytest

from arlbench import DQN
from arlbench.errors import ConfigurationError
from arlbench.sweeps.space import (
    Choices,
    Range,
    complete,
    listed_values,
    parse_dimension,
    scale_of,
    search_space,
    split,
)


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
    dimension = parse_dimension(name, text)
    assert dimension == expected
    assert type(dimension) is type(expected)


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("gama", "0.9..1", "Did you mean 'gamma'"),
        ("gamma", "0.99..0.9", "empty, because 0.99 is not below 0.9"),
        ("gamma", "0.9..0.9", "not below"),
        ("gamma", "0.9..", "no range; write gamma=LOW..HIGH"),
        ("gamma", "..0.9", "no range"),
        ("gamma", "0.8..0.9..1", "no range"),
        ("gamma", "0.8..0.9,1", "no range"),
        ("gamma", "0.9..1.5", "between 0 and 1, not 1.5"),
        ("learning_rate", "0..1", "greater than 0"),
        ("train_freq", "1.5..3", "whole number"),
        ("buffer_batch_size", "64..256", "separate values.* buffer_batch_size=4,8,16,32,64"),
        ("use_target_network", "false..true", "separate values"),
        ("activation", "relu..tanh", "separate values"),
        ("gamma", "0.9,", "lacks a value beside a comma"),
        ("gamma", "0.9,0.90", "has 0.9 twice"),
        ("activation", "tanh,relo", "mean 'relu'"),
        ("train_freq", "1,2.5", "whole number"),
    ],
)
def test_what_contradicts_itself_is_refused(name, text, named) -> None:
    with pytest.raises(ConfigurationError, match=named):
        parse_dimension(name, text)


def test_what_is_not_named_varies_over_the_published_space() -> None:
    space = search_space({"gamma": "0.99", "train_freq": "1,2"})
    assert space.fixed == {"gamma": 0.99}
    assert space.varied.keys() == set(DQN.get_hpo_config_space()) - {"gamma"}
    assert space.varied["learning_rate"] == Range(1e-6, 0.1, log=True)
    assert space.varied["buffer_batch_size"] == Choices((4, 8, 16, 32, 64))
    assert space.varied["train_freq"] == Choices((1, 2))


def test_architecture_varies_only_where_it_is_named() -> None:
    assert "hidden_size" not in search_space({}).varied
    assert search_space({"hidden_size": "8..16"}).varied["hidden_size"] == Range(8, 16, log=False)


def test_what_can_never_count_is_not_searched() -> None:
    varied = search_space({"use_target_network": "false"}).varied
    assert not {"tau", "target_update_interval", "use_target_network"} & varied.keys()
    assert {"tau", "target_update_interval"} <= search_space({}).varied.keys()


@pytest.mark.parametrize("tau", ["0.5", "0.1..0.5", "0.1,0.5"])
def test_what_is_named_and_can_never_count_contradicts_itself(tau) -> None:
    with pytest.raises(ConfigurationError, match="tau counts only where use_target_network"):
        search_space({"use_target_network": "false", "tau": tau})


def test_a_space_with_everything_fixed_is_empty() -> None:
    defaults = {k: str(v.default_value) for k, v in DQN.get_hpo_config_space().items()}
    with pytest.raises(ConfigurationError, match="space is empty"):
        search_space(defaults)
    del defaults["gamma"]
    assert list(search_space(defaults).varied) == ["gamma"]


def test_a_grid_needs_values() -> None:
    listed = listed_values({"gamma": "0.9,0.99", "train_freq": "2..4", "tau": "1"})
    assert listed == {"gamma": (0.9, 0.99), "train_freq": (2, 3, 4), "tau": (1.0,)}
    with pytest.raises(ConfigurationError, match=r"gamma=0\.9\.\.1 has no end .* gamma=0\.9,1"):
        listed_values({"gamma": "0.9..1"})
    for words in ({}, {"gamma": "0.9"}):
        with pytest.raises(ConfigurationError, match="grid is empty"):
            listed_values(words)


def test_inactive_values_are_defaults() -> None:
    off = complete({"use_target_network": False, "tau": 0.2, "target_update_interval": 5})
    assert (off["tau"], off["target_update_interval"]) == (1.0, 1000)
    assert complete({"tau": 0.2})["tau"] == 0.2
    assert complete(off) == off
    assert complete({"tau": None}) == complete({})


def test_a_configuration_splits_into_what_learns_and_what_is_learnt_with() -> None:
    hpo_config, nas_config = split(complete({"hidden_size": 8}))
    assert nas_config == {"activation": "tanh", "hidden_size": 8}
    assert hpo_config.keys() == set(DQN.get_hpo_config_space())


def test_scales() -> None:
    scales = {name: scale_of(name) for name in ("learning_rate", "gamma", "buffer_batch_size")}
    assert scales == {"learning_rate": "log", "gamma": "linear", "buffer_batch_size": "choice"}
