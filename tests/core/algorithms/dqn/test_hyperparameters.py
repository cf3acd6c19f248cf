"""The published search spaces, and values that are possible beyond them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from ConfigSpace import CategoricalHyperparameter as Choice
from ConfigSpace import UniformFloatHyperparameter as Float
from ConfigSpace import UniformIntegerHyperparameter as Integer
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.algorithms.declarations import probability, resolve
from arlbench.core.algorithms.dqn.hyperparameters import (
    ARCHITECTURE_CHOICES,
    HYPERPARAMETERS,
    TracedHyperparameters,
    hpo_config_space,
    nas_config_space,
    traced,
)
from arlbench.errors import ConfigurationError

# name: type, range or choices, default, logarithmic
PUBLISHED = {
    "buffer_size": (Integer, (1024, 10_000_000), 1_000_000, False),
    "buffer_batch_size": (Choice, (4, 8, 16, 32, 64), 16, None),
    "buffer_prio_sampling": (Choice, (True, False), False, None),
    "buffer_alpha": (Float, (0.01, 1.0), 0.9, False),
    "buffer_beta": (Float, (0.01, 1.0), 0.9, False),
    "buffer_epsilon": (Float, (1e-7, 1e-3), 1e-6, False),
    "learning_rate": (Float, (1e-6, 0.1), 3e-4, True),
    "gamma": (Float, (0.8, 1.0), 0.99, False),
    "tau": (Float, (0.01, 1.0), 1.0, False),
    "initial_epsilon": (Float, (0.5, 1.0), 1.0, False),
    "target_epsilon": (Float, (0.001, 0.2), 0.05, False),
    "exploration_fraction": (Float, (0.005, 0.5), 0.1, False),
    "use_target_network": (Choice, (True, False), True, None),
    "train_freq": (Integer, (1, 256), 4, False),
    "gradient_steps": (Integer, (1, 256), 1, False),
    "learning_starts": (Integer, (0, 32768), 1024, False),
    "target_update_interval": (Integer, (1, 2000), 1000, False),
    "normalize_observations": (Choice, (True, False), False, None),
}
PUBLISHED_NAS = {
    "activation": (Choice, ("tanh", "relu"), "tanh", None),
    "hidden_size": (Integer, (1, 1024), 64, False),
}
STRUCTURAL = {"buffer_prio_sampling"}

INTEGERS = [name for name, row in PUBLISHED.items() if row[0] is Integer] + ["buffer_batch_size"]
FLOATS = [name for name, row in PUBLISHED.items() if row[0] is Float]
FLAGS = [name for name, row in PUBLISHED.items() if row[1] == (True, False)]
PROBABILITIES = [name for name in FLOATS if name not in {"learning_rate", "buffer_epsilon"}]
SEEDS = st.integers(0, 2**31 - 1)


def check_value(name, value):
    return {**HYPERPARAMETERS, **ARCHITECTURE_CHOICES}[name].check(value)


def default_of(name):
    return {**PUBLISHED, **PUBLISHED_NAS}[name][2]


def as_table(space):
    """A space in the form of the tables above."""
    table = {}
    for name, entry in space.items():
        is_choice = isinstance(entry, Choice)
        values = tuple(entry.choices) if is_choice else (entry.lower, entry.upper)
        table[name] = (
            type(entry), values, entry.default_value, None if is_choice else entry.log,
        )  # fmt: skip
    return table


@pytest.mark.parametrize(
    ("make", "name", "published", "declarations"),
    [
        (hpo_config_space, "DQNConfigSpace", PUBLISHED, HYPERPARAMETERS),
        (nas_config_space, "DQNNASConfigSpace", PUBLISHED_NAS, ARCHITECTURE_CHOICES),
    ],
)
def test_the_spaces_are_those_published(make, name, published, declarations):
    space = make()
    assert space.name == name
    assert as_table(space) == published
    types = {key: type(row[2]) for key, row in published.items()}
    defaults = resolve(None, declarations, "hyperparameter")
    assert {key: type(value) for key, value in defaults.items()} == types


def test_only_the_target_networks_settings_are_conditional():
    conditions = {(c.child.name, c.parent.name, c.value) for c in hpo_config_space().conditions}
    assert conditions == {
        ("target_update_interval", "use_target_network", True),
        ("tau", "use_target_network", True),
    }
    assert not nas_config_space().conditions
    assert not hpo_config_space().forbidden_clauses


@pytest.mark.parametrize("make", [hpo_config_space, nas_config_space])
def test_a_seed_makes_sampling_repeatable(make):
    samples = [make(seed).sample_configuration(3) for seed in (1, 1, 2)]
    assert samples[0] == samples[1]
    assert samples[0] != samples[2]


@given(SEEDS)
def test_every_sampled_configuration_resolves_to_its_own_values(seed):
    spaces = {hpo_config_space: HYPERPARAMETERS, nas_config_space: ARCHITECTURE_CHOICES}
    for make, declarations in spaces.items():
        space = make(seed)
        for config in space.sample_configuration(20):
            resolved = resolve(config, declarations, "hyperparameter")
            assert list(resolved) == list(declarations)
            assert set(resolved) == set(space)
            for name, value in resolved.items():
                expected = config[name] if name in config else default_of(name)
                assert value == expected
                assert type(value) is type(default_of(name))


def test_inactive_hyperparameters_take_their_defaults():
    space = hpo_config_space(0)
    inactive = [c for c in space.sample_configuration(40) if not c["use_target_network"]]
    assert inactive
    for config in inactive:
        assert "tau" not in config
        resolved = resolve(config, HYPERPARAMETERS, "hyperparameter")
        assert (resolved["tau"], resolved["target_update_interval"]) == (1.0, 1000)


def test_a_mapping_is_completed_from_the_defaults():
    given_values = {"gamma": 0.5, "buffer_batch_size": 256, "tau": None}
    resolved = resolve(given_values, HYPERPARAMETERS, "hyperparameter")
    defaults = {name: row[2] for name, row in PUBLISHED.items()}
    assert resolved == {**defaults, "gamma": 0.5, "buffer_batch_size": 256}
    assert given_values == {"gamma": 0.5, "buffer_batch_size": 256, "tau": None}


def test_no_configuration_is_the_default_configuration():
    default = hpo_config_space().get_default_configuration()
    of_default = resolve(default, HYPERPARAMETERS, "h")
    assert resolve(None, HYPERPARAMETERS, "h") == resolve({}, HYPERPARAMETERS, "h") == of_default


@pytest.mark.parametrize("config", [[], [("gamma", 0.5)], "gamma", 3, {"gamma"}])
def test_what_is_not_a_mapping_is_refused(config):
    with pytest.raises(ConfigurationError, match=type(config).__name__):
        resolve(config, HYPERPARAMETERS, "hyperparameter")


@pytest.mark.parametrize("name", [*INTEGERS, "hidden_size"])
@pytest.mark.parametrize(
    "value",
    [-1, 1.5, 0.99999, True, False, np.True_, "4", b"4", math.nan, math.inf, -math.inf,
     np.float32(2.5), np.float64("nan"), 2**31, 1e10, 1 + 0j, [4], (4,), {}, Fraction(3, 2)],
)  # fmt: skip
def test_impossible_whole_numbers_are_refused(name, value):
    with pytest.raises(ConfigurationError, match=name):
        check_value(name, value)


@pytest.mark.parametrize("name", [*INTEGERS, "hidden_size"])
def test_zero_is_possible_only_where_learning_starts(name):
    if name == "learning_starts":
        assert check_value(name, 0) == 0
        return
    with pytest.raises(ConfigurationError, match=f"{name} must be at least 1"):
        check_value(name, 0)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(
    "value",
    [-0.1, -1e-9, -1, True, False, np.False_, "0.5", "nan", math.nan, math.inf, -math.inf,
     np.float32("nan"), np.float64("inf"), 0.5j, [0.5], {0.5}],
)  # fmt: skip
def test_impossible_numbers_are_refused(name, value):
    with pytest.raises(ConfigurationError, match=name):
        check_value(name, value)


@pytest.mark.parametrize("name", PROBABILITIES)
def test_probabilities_lie_between_zero_and_one(name):
    for value in (0, 0.0, 1, 1.0, 0.5, np.float32(0.25)):
        assert check_value(name, value) == float(value)
    for value in (1.0000001, 2, np.float64(1.5)):
        with pytest.raises(ConfigurationError, match=f"{name} must be between 0 and 1"):
            check_value(name, value)


@pytest.mark.parametrize("name", ["learning_rate", "buffer_epsilon"])
def test_what_must_be_positive_may_be_large_but_not_zero(name):
    assert check_value(name, 3) == 3.0
    for value in (0, 0.0, -0.0):
        with pytest.raises(ConfigurationError, match=f"{name} must be greater than 0"):
            check_value(name, value)


@pytest.mark.parametrize("name", ["learning_rate", "buffer_epsilon"])
@pytest.mark.parametrize("value", [1e-60, 1e-40, 1e300])
def test_what_would_be_zero_or_infinite_in_the_program_is_refused(name, value):
    with pytest.raises(ConfigurationError, match=name):
        check_value(name, value)


@pytest.mark.parametrize("name", ["buffer_size", "gamma", "learning_rate"])
def test_a_whole_number_too_large_for_any_float_is_refused(name):
    with pytest.raises(ConfigurationError, match=name):
        check_value(name, 10**400)


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize(
    "value", ["True", "False", "true", "yes", 0, 1, 1.0, np.int64(1), [], math.nan]
)
def test_a_flag_is_true_or_false_and_nothing_like_it(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} must be True or False"):
        check_value(name, value)


@pytest.mark.parametrize("value", [1, True, ["tanh"], math.nan])
def test_an_activation_that_is_no_word_is_refused(value):
    with pytest.raises(ConfigurationError, match="activation must be a word"):
        check_value("activation", value)


@pytest.mark.parametrize("value", ["", "Tanh", "gelu", "tanh "])
def test_an_activation_that_is_unknown_is_refused_with_the_choices(value):
    with pytest.raises(ConfigurationError, match="one of tanh, relu"):
        check_value("activation", value)


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize(
    "value", [64, 64.0, np.int32(64), np.uint8(64), np.float32(64), np.float64(64)]
)
def test_whole_numbers_of_every_type_are_accepted(name, value):
    accepted = check_value(name, value)
    assert accepted == 64
    assert type(accepted) is int


@pytest.mark.parametrize("value", [1, np.int64(1), np.float32(1), np.float64(1), Fraction(1)])
def test_real_numbers_of_every_type_are_accepted(value):
    accepted = check_value("gamma", value)
    assert accepted == 1
    assert type(accepted) is float


@pytest.mark.parametrize("value", [True, np.True_])
def test_numpy_booleans_and_words_are_accepted(value):
    assert check_value("use_target_network", value) is True
    accepted = check_value("activation", np.str_("relu"))
    assert accepted == "relu"
    assert type(accepted) is str


@pytest.mark.parametrize(
    ("name", "meant"),
    [("learning_rat", "learning_rate"), ("Gamma", "gamma"), ("batch_size", "buffer_batch_size"),
     ("target_update_freq", "target_update_interval")],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_the_nearest_known_one(name, meant):
    with pytest.raises(ConfigurationError, match=f"Unknown thing '{name}'. Did you mean '{meant}'"):
        resolve({name: 1}, HYPERPARAMETERS, "thing")


@pytest.mark.parametrize("name", ["zzzzzz", "", 3])
def test_a_name_that_is_near_to_none_is_refused_with_all_of_them(name):
    with pytest.raises(ConfigurationError, match="Known: activation, hidden_size"):
        resolve({name: 1}, ARCHITECTURE_CHOICES, "architecture choice")


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, True, "0.5", None])
def test_what_is_not_a_probability_is_refused(value):
    with pytest.raises(ConfigurationError, match="eval_eps"):
        probability("eval_eps", value)


def test_the_inputs_of_a_program_are_what_is_not_structural():
    assert TracedHyperparameters._fields == (*PUBLISHED, "extended")
    structural = {name for name, declared in HYPERPARAMETERS.items() if declared.structural}
    assert structural == STRUCTURAL
    inputs = traced(resolve(None, HYPERPARAMETERS, "hyperparameter"))._asdict()
    not_inputs = {name for name, value in inputs.items() if value is None}
    assert not_inputs == {*STRUCTURAL, "extended"}
    assert all(declared.structural for declared in ARCHITECTURE_CHOICES.values())


def test_traced_values_are_scalars_of_fixed_types():
    values = traced(resolve({"gamma": 1, "train_freq": 8.0}, HYPERPARAMETERS, "h"))
    dtypes = {Integer: np.int32, Float: np.float32, Choice: np.bool_}
    for name, value in values._asdict().items():
        if name in {*STRUCTURAL, "extended"}:
            continue
        # The only choice of numbers.
        expected = np.int32 if name == "buffer_batch_size" else dtypes[PUBLISHED[name][0]]
        assert type(value) is expected, name
    assert (values.gamma, values.train_freq, values.learning_rate) == (1, 8, np.float32(3e-4))
