"""ConfigSpace spaces as places to search."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ConfigSpace import (
    AndConjunction,
    Categorical,
    ConfigurationSpace,
    Constant,
    EqualsCondition,
    Float,
    ForbiddenEqualsClause,
    GreaterThanCondition,
    InCondition,
    Integer,
    Normal,
)

from arlbench import DQN
from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.config_spaces import in_texts
from arlbench.experiments.samplers import sampler_class
from arlbench.experiments.space import Choices, Range
from arlbench.tuning import Space, load, resume, tune, tune_repeats
from fake_studies import FIXED, PROBLEM, FakePopulation, numbers

WHOLE = Problem(EnvSpec("gymnax", "CartPole-v1"))


def small() -> ConfigurationSpace:
    """A number on each scale, a count, choices of each kind, and a constant."""
    space = ConfigurationSpace(seed=0)
    prioritised = Categorical("buffer_prio_sampling", [True, False])
    alpha = Float("buffer_alpha", (0.25, 0.75))
    space.add(
        Float("learning_rate", (1e-5, 1e-2), log=True),
        Integer("train_freq", (1, 128), log=True),
        Integer("gradient_steps", (1, 4)),
        Categorical("buffer_batch_size", [64, 16]),
        Categorical("hidden_size", [32, 8, 64], ordered=True),
        Categorical("activation", ["relu", "tanh"]),
        Constant("gamma", 0.98),
        prioritised,
        alpha,
        EqualsCondition(alpha, prioritised, True),
    )
    return space


def test_each_kind_of_hyperparameter_is_searched_where_it_says() -> None:
    space = Space(WHOLE, small())
    assert space.varied == {
        "learning_rate": Range(1e-5, 1e-2, True),
        "train_freq": Range(1, 128, True),
        "gradient_steps": Range(1, 4, False),
        "buffer_batch_size": Choices((64, 16)),
        "hidden_size": Choices((32, 8, 64)),
        "activation": Choices(("relu", "tanh")),
        "buffer_prio_sampling": Choices((True, False)),
        "buffer_alpha": Range(0.25, 0.75, False),
    }
    assert space.fixed["gamma"] == 0.98
    # What it lacks keeps its value, although the published space would vary it.
    assert space.fixed["target_epsilon"] == WHOLE.resolve()["target_epsilon"]
    assert space.note == ""
    assert space.words["learning_rate"] == "1e-05..0.01:log"
    assert space.words["buffer_prio_sampling"] == "true,false"


@pytest.mark.parametrize("extended", [False, True])
def test_the_published_space_is_itself(extended) -> None:
    found = Space(WHOLE, DQN.get_hpo_config_space(extended=extended))
    if extended:
        assert set(found.names) > set(Space(WHOLE).names)
    else:
        assert list(found.varied.items()) == list(Space(WHOLE).varied.items())
        assert found.problem == Space(WHOLE).problem
        assert found.conditions == Space(WHOLE).conditions


def test_the_values_of_the_problem_are_kept_where_the_space_is_silent() -> None:
    space = ConfigurationSpace({"learning_rate": (1e-4, 1e-3)})
    fixed = Space(PROBLEM.replace(hpo_config={"gamma": 0.9, "learning_rate": 0.5}), space)
    assert fixed.names == ("learning_rate",)
    assert fixed.varied["learning_rate"] == Range(1e-4, 1e-3, False)
    assert fixed.fixed["gamma"] == 0.9


def test_texts_stay_as_they_are() -> None:
    assert in_texts(WHOLE, {"gamma": "0.9"}) == (WHOLE, {"gamma": "0.9"})
    assert in_texts(WHOLE, None) == (WHOLE, {})


def space_with(*added) -> ConfigurationSpace:
    space = ConfigurationSpace()
    space.add(*added)
    return space


def conditioned(make) -> ConfigurationSpace:
    """A space with a condition made of three of its hyperparameters."""
    target, prioritised = (
        Categorical(name, [True, False]) for name in ("use_target_network", "buffer_prio_sampling")
    )
    tau, rate = Float("tau", (0.1, 1.0)), Float("learning_rate", (1e-4, 1e-3))
    return space_with(target, prioritised, tau, rate, make(tau, target, prioritised, rate))


REFUSED = {
    "unknown name": (
        lambda: ConfigurationSpace({"learning_rte": (0.1, 0.2)}), "Did you mean 'learning_rate'"
    ),
    "normal": (
        lambda: space_with(Float("gamma", (0.9, 1.0), distribution=Normal(0.95, 0.01))),
        "gamma is a NormalFloatHyperparameter, which cannot be searched; use a uniform Float",
    ),
    "weights": (
        lambda: space_with(Categorical("buffer_batch_size", [16, 64], weights=[1, 2])),
        "buffer_batch_size has choices of unequal weights",
    ),
    "count for a number": (
        lambda: space_with(Integer("gamma", (0, 1))), "its values are of type float; use a Float"
    ),
    "number for a count": (
        lambda: space_with(Float("train_freq", (1, 9))), "of type int; use an Integer"
    ),
    "range of a flag": (
        lambda: space_with(Integer("use_target_network", (0, 1))), "takes separate values"
    ),
    "impossible value": (
        lambda: space_with(Categorical("gamma", [0.9, 1.5])), "gamma must be between 0 and 1"
    ),
    "impossible end": (
        lambda: space_with(Float("gamma", (0.9, 1.5))), "gamma must be between 0 and 1"
    ),
    "forbidden": (
        lambda: space_with(
            (size := Categorical("buffer_batch_size", [16, 64])), ForbiddenEqualsClause(size, 64)
        ),
        "with forbidden clauses cannot be searched; remove them",
    ),
    "condition on another parent": (
        lambda: conditioned(lambda tau, _, other, rate: EqualsCondition(tau, other, True)),
        r"the condition 'tau \| buffer_prio_sampling == True', which is not one of",
    ),
    "condition on another value": (
        lambda: conditioned(lambda tau, target, _, rate: EqualsCondition(tau, target, False)),
        "is not one of the algorithm's own conditions; leave it out",
    ),
    "condition of what has none": (
        lambda: conditioned(lambda tau, target, _, rate: EqualsCondition(rate, target, True)),
        "is not one of",
    ),
    "condition of several values": (
        lambda: conditioned(lambda tau, target, _, rate: InCondition(tau, target, [True, False])),
        "is not one of",
    ),
    "condition on a size": (
        lambda: conditioned(lambda tau, target, _, rate: GreaterThanCondition(tau, rate, 5e-4)),
        "is not one of",
    ),
    "two conditions": (
        lambda: conditioned(
            lambda tau, target, other, rate: AndConjunction(
                EqualsCondition(tau, target, True), EqualsCondition(tau, other, True)
            )
        ),
        "is not one of",
    ),
    "nothing that varies": (
        lambda: ConfigurationSpace({"gamma": 0.9}), "The space is empty"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_searched_is_named(case) -> None:
    make, sentence = REFUSED[case]
    with pytest.raises(ConfigurationError, match=sentence):
        Space(WHOLE, make())


def test_a_condition_of_one_value_is_the_same_as_that_it_equals() -> None:
    space = conditioned(lambda tau, target, _, rate: InCondition(tau, target, [True]))
    assert Space(WHOLE, space).conditions["tau"] == ("use_target_network", True)


def test_a_study_records_and_resumes_it(tmp_path) -> None:
    space = ConfigurationSpace(
        {"learning_rate": (1e-5, 1e-3), "use_target_network": [True, False]}, seed=1
    )
    given = {"words": space, "n_trials": 4, "seeds": (0, 1), "test_seeds": (100,)}
    first = tune(PROBLEM, folder=tmp_path / "a", train=FakePopulation(stop_after=3), **given)
    assert first.status == "interrupted"
    written = json.loads((tmp_path / "a" / "study.json").read_text())
    assert written["words"] == {
        "learning_rate": "1e-05..0.001:linear", "use_target_network": "true,false"
    }  # fmt: skip
    second = resume(tmp_path / "a", train=FakePopulation())
    whole = tune(PROBLEM, folder=tmp_path / "b", train=FakePopulation(), **given)
    assert numbers(second) == numbers(whole)
    # The same command continues it as well.
    again = tune(PROBLEM, folder=tmp_path / "b", train=FakePopulation(), **{**given, "n_trials": 6})
    assert again.trained_now == 2
    for result in again.results:
        assert 1e-5 <= result.trial.config["learning_rate"] <= 1e-3
        assert result.trial.config["gamma"] == PROBLEM.resolve()["gamma"]
    study = load(tmp_path / "b")
    assert "config.gamma" not in study.trials
    repeats = tune_repeats(
        PROBLEM, repeats=2, folder=tmp_path / "c", train=FakePopulation(), **given
    )
    assert numbers(repeats.outcomes[0]) == numbers(whole)


def test_the_published_space_gives_the_same_study_as_no_words(tmp_path) -> None:
    given = {"n_trials": 3, "seeds": (0,), "test_seeds": ()}
    spaces = (None, DQN.get_hpo_config_space())
    outcomes = [
        tune(WHOLE_SHORT, words=words, folder=tmp_path / str(i), train=FakePopulation(), **given)
        for i, words in enumerate(spaces)
    ]
    assert numbers(outcomes[0]) == numbers(outcomes[1])


WHOLE_SHORT = FIXED.replace(hpo_config={}, n_total_timesteps=20_000)


def test_samplers_of_sweeps_take_it_too() -> None:
    space = ConfigurationSpace({"learning_rate": (1e-5, 1e-3), "buffer_batch_size": [16, 64]})
    trials = sampler_class("sobol")(WHOLE, space, seed=0).ask(4)
    assert {trial.config["gamma"] for trial in trials} == {WHOLE.resolve()["gamma"]}
    assert all(1e-5 <= trial.config["learning_rate"] <= 1e-3 for trial in trials)
    grid = sampler_class("grid")(WHOLE, ConfigurationSpace({"buffer_batch_size": [16, 64]}))
    assert [trial.config["buffer_batch_size"] for trial in grid.ask(2)] == [16, 64]


VALUES: dict[str, tuple[object, str]] = {
    "learning_rate": ((1e-05, 0.01), "1e-05..0.01"),
    "train_freq": ((1, np.int64(8)), "1..8"),
    "gamma": ([0.9, np.float64(0.99)], "0.9,0.99"),
    "activation": (["tanh", "relu"], "tanh,relu"),
    "use_target_network": ([True, False], "true,false"),
    "buffer_prio_sampling": (True, "true"),
    "tau": (0.1 + 0.2, "0.30000000000000004"),
    "hidden_size": ([8], "8"),
    "exploration_fraction": ("0.1..0.5:log", "0.1..0.5:log"),
}


def test_python_values_say_where_to_search() -> None:
    space = Space(WHOLE, {name: value for name, (value, _) in VALUES.items()})
    assert space.words == {name: text for name, (_, text) in VALUES.items()}
    assert space.varied["learning_rate"] == Range(1e-5, 1e-2, log=True)
    assert space.varied["train_freq"] == Range(1, 8, log=False)
    assert space.varied["activation"] == Choices(("tanh", "relu"))
    assert (space.fixed["tau"], space.fixed["hidden_size"]) == (0.1 + 0.2, 8)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("gamma", None, r"gamma must be a value, \(LOW, HIGH\), a list .* not None"),
        ("gamma", (0.9, 0.95, 0.99), r"not \(0.9, 0.95, 0.99\)"),
        ("gamma", [], r"not \[\]"),
        ("gamma", [[0.9]], "must be a value"),
        ("activation", ("tanh", "relu"), "a list of values"),
        ("gamma", (0.99, 0.9), "is empty"),
        ("buffer_batch_size", (16, 64), "takes separate values"),
        ("gama", (0.9, 1.0), "Did you mean 'gamma'"),
    ],
)
def test_python_values_that_say_nothing_are_refused(name, value, complaint) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Space(WHOLE, {name: value})
