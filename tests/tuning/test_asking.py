"""What a tuner may answer: every fault of it is one sentence."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.errors import ArlbenchError, ConfigurationError, TunerError
from arlbench.tuning import Trial, Tuner, load, resume
from arlbench.tuning.asking import Asking
from arlbench.tuning.tuner import make_tuner, settings_of
from arlbench.tuning.tuners import name_of, tuner_class, tuner_names
from fake_studies import FakePopulation, space, study


def answering(ask: Callable[[int], Any], tell: Callable[[Any], None] = lambda _: None) -> Any:
    """A class of a tuner with these methods."""

    class Answering(Tuner):
        def ask(self, n: int) -> Any:
            return ask(n)

        def tell(self, results: Any) -> None:
            tell(results)

    return Answering


def fail(*_: Any) -> Any:
    raise ZeroDivisionError("no rate")


RATE = {"learning_rate": 1e-3}

FAULTS = {
    "outside the space": (lambda n: [Trial({"learning_rate": 0.5})], "outside the range"),
    "unknown name": (lambda n: [Trial({"rate": 0.5})], "Unknown hyperparameter 'rate'"),
    "misspelt name": (lambda n: [Trial({"learning_rte": 1e-3})], "Did you mean 'learning_rate'?"),
    "fixed": (lambda n: [Trial({"gamma": 0.5})], "the study fixes it at 0.99"),
    "not a trial": (lambda n: [RATE], "proposed a dict; propose a Trial"),
    "too many": (lambda n: [Trial(RATE)] * (n + 1), "asked for 4 trials and gave 5"),
    "raises": (fail, "raised ZeroDivisionError in ask (no rate)"),
    "below an evaluation": (lambda n: [Trial(RATE, 99)], "before the first of 9 evaluations"),
    "beyond the problem": (lambda n: [Trial(RATE, 901)], "beyond the 900 of the problem"),
    "no fidelity": (lambda n: [Trial(RATE, -1)], "positive whole number"),
    "unknown parent": (lambda n: [Trial(RATE, 900, 7)], "continues trial 7, which it was not told"),
    "network alone": (lambda n: [Trial(RATE, 900, None, 7)], "trial 7, which it was not told"),
    "half a fidelity": (lambda n: [Trial(RATE, 450.5)], "whole number"),
    "word for a fidelity": (lambda n: [Trial(RATE, "long")], "whole number"),
    "half a parent": (
        lambda n: [Trial(RATE, 900, 0.5)], "continues 0.5, which is not the number of a trial"
    ),
    "list of parents": (
        lambda n: [Trial(RATE, 900, [0])], "continues [0], which is not the number of a trial"
    ),
    "no configuration": (lambda n: [Trial(None)], "trial 0 with a NoneType as its configuration"),
    "list of values": (lambda n: [Trial([])], "with a list as its configuration; give values by"),
    "info that no file can hold": (lambda n: [Trial(RATE, info={"a": {1}})], "info"),
}  # fmt: skip


@pytest.mark.parametrize("kind", [np.int64, np.float64, jnp.int32])
def test_whole_numbers_of_other_libraries_are_whole_numbers(tmp_path, kind) -> None:
    parent = np.int64(0) if kind is np.float64 else kind(0)

    class Continuing(Tuner):
        continues = True
        parallel = 1
        n = 0

        def ask(self, n: int) -> Any:
            self.n += 1
            return [Trial(RATE, kind(300)) if self.n == 1 else Trial(RATE, kind(600), parent)]

    outcome = study(tmp_path / "study", Continuing, n_trials=2)
    second = outcome.results[1].trial
    assert (second.fidelity, second.continues) == (600, 0)
    assert type(second.continues) is int
    assert load(tmp_path / "study").results[1].trial.continues == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_tuner_is_one_sentence(tmp_path, fault) -> None:
    ask, complaint = FAULTS[fault]
    with pytest.raises(TunerError) as raised:
        study(tmp_path / "study", answering(ask))
    assert complaint in str(raised.value)
    assert "The tuner Answering " in str(raised.value)
    assert not str(raised.value).endswith(("?.", ".."))
    assert "\n" not in str(raised.value)


def test_a_single_trial_counts_as_a_list_of_one(tmp_path) -> None:
    outcome = study(tmp_path / "study", answering(lambda n: Trial(RATE)), n_trials=2)
    rates = [result.trial.config["learning_rate"] for result in outcome.results]
    assert rates == [RATE["learning_rate"]] * 2


def test_an_error_in_tell_is_named(tmp_path) -> None:
    line = fail.__code__.co_firstlineno + 1
    place = rf"test_asking\.py, line {line}; correct it"
    with pytest.raises(TunerError, match=rf"raised ZeroDivisionError in tell .* at .*{place}"):
        study(tmp_path / "study", answering(lambda n: [Trial(RATE)], fail))


def test_a_tuner_that_never_answers_is_given_up(tmp_path) -> None:
    silent = answering(lambda n: time.sleep(30))
    with pytest.raises(TunerError, match=r"has not returned from ask for 0\.2 seconds"):
        study(tmp_path / "study", silent, answer_seconds=0.2)


def test_a_trial_must_end_after_the_one_that_it_continues(tmp_path) -> None:
    answers = iter([[Trial(RATE, 300)], [Trial(RATE, 300, continues=0)]])
    with pytest.raises(TunerError, match="trial 0 already ended at 300"):
        study(tmp_path / "study", answering(lambda n: next(answers)))


def test_a_class_must_say_that_its_trials_continue(tmp_path) -> None:
    answers = iter([[Trial(RATE, 300)], [Trial(RATE, 900, continues=0)]])
    with pytest.raises(TunerError, match="does not set continues = True, so no states are kept"):
        study(tmp_path / "study", answering(lambda n: next(answers)))


@pytest.mark.parametrize("name", ["position", "continuable"])
def test_an_error_in_a_property_is_named(tmp_path, name) -> None:
    kind = answering(lambda n: [Trial(RATE)])
    kind.continues = True
    setattr(kind, name, property(fail))
    with pytest.raises(TunerError, match=f"Answering raised ZeroDivisionError in {name}"):
        study(tmp_path / "study", kind, on_progress=lambda _: False)


def test_a_constructor_must_call_that_of_its_base(tmp_path) -> None:
    class Forgetful(Tuner):
        def __init__(self, space: Any, *, seed: int = 0) -> None:
            self.space = space

        def ask(self, n: int) -> Any:
            return []

    with pytest.raises(TunerError, match=r"does not call super\(\).__init__\(space, seed"):
        study(tmp_path / "study", Forgetful)


class Outer:
    """Holds a tuner."""

    class Inner(Tuner):
        """Proposes one configuration."""

        def ask(self, n: int) -> Any:
            return [Trial(RATE)]


def test_a_study_with_a_class_inside_another_can_be_continued(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "own_outer", sys.modules[__name__])
    monkeypatch.setattr(Outer.Inner, "__module__", "own_outer")
    study(tmp_path / "study", Outer.Inner, n_trials=2)
    assert load(tmp_path / "study").settings.tuner == "own_outer:Outer.Inner"
    outcome = resume(tmp_path / "study", more=1, train=FakePopulation())
    assert outcome.trained_now == 1


def test_a_trial_that_diverged_cannot_be_continued(tmp_path) -> None:
    fast = {"learning_rate": 9e-3}
    answers = iter([[Trial(fast, 300)], [Trial(fast, 900, continues=0)]])
    with pytest.raises(TunerError, match="continues trial 0, which diverged"):
        study(tmp_path / "study", answering(lambda n: next(answers)))


@pytest.mark.parametrize("rate", [1e-3, 2e-3])
def test_only_a_trial_with_one_configuration_is_trained_from_step_0(tmp_path, rate) -> None:
    class Halves(Tuner):
        continues = True
        parallel = 1
        asked = 0

        def ask(self, n: int) -> Any:
            self.asked += 1
            first = self.asked == 1
            return [Trial(RATE, 300) if first else Trial({"learning_rate": rate}, 900, 0)]

    given = {"n_trials": 2, "restart": True, "test_seeds": ()}
    if rate != RATE["learning_rate"]:
        with pytest.raises(ConfigurationError, match="other hyperparameters, so it cannot be"):
            study(tmp_path / "study", Halves, **given)
    else:
        outcome = study(tmp_path / "study", Halves, **given)
        assert [(r.cost, r.restarted) for r in outcome.results] == [(600, False), (1800, True)]


def test_tuners_by_name() -> None:
    assert {"grid", "random", "sobol"} <= set(tuner_names())
    for name in tuner_names():
        assert name_of(tuner_class(name)) == name
    with pytest.raises(ConfigurationError, match="Did you mean 'random'"):
        tuner_class("randm")


def test_tuners_of_other_modules() -> None:
    assert tuner_class("own_tuner:Own").__name__ == "Own"
    for name, complaint in {
        "no_module:Own": "cannot be imported",
        "own_tuner:Nothing": "cannot be imported",
        "json:JSONDecoder": "is not a tuner",
        "arlbench.tuning:Tuner": "is not a tuner",
    }.items():
        with pytest.raises(ConfigurationError, match=complaint):
            tuner_class(name)


def test_settings_of_a_tuner() -> None:
    with pytest.raises(ConfigurationError, match="Unknown setting of the tuner Random 'eta'"):
        make_tuner(tuner_class("random"), space(), 0, {"eta": 3})
    with pytest.raises(ConfigurationError, match="tuner's seed"):
        make_tuner(tuner_class("random"), space(), -1)


def test_settings_need_not_be_keyword_only(tmp_path) -> None:
    class Own(Tuner):
        def __init__(self, space: Any, seed: int = 0, rate: float = 1e-3, *, n: int = 4) -> None:
            super().__init__(space, seed=seed)
            self.rate, self.n = rate, n

        def ask(self, n: int) -> Any:
            return [Trial({"learning_rate": self.rate})]

    assert settings_of(Own) == {"rate": 1e-3, "n": 4}
    outcome = study(tmp_path / "study", Own, n_trials=1, tuner_settings={"rate": 2e-3})
    assert outcome.results[0].trial.config["learning_rate"] == 2e-3
    with pytest.raises(ConfigurationError, match=r"Unknown setting .*'rte'.* Did you mean 'rate'"):
        make_tuner(Own, space(), 0, {"rte": 1e-3})


def test_the_time_of_the_tuner_is_counted() -> None:
    asking = Asking("slow", answering(lambda n: time.sleep(0.05) or [])(space()))
    assert asking.ask(1, 0, {}) == []
    assert 0.05 <= asking.seconds < 5


def test_errors_of_ours_pass_as_they_are(tmp_path) -> None:
    def refuse(n: int) -> Any:
        raise ConfigurationError("eta must be 2 or more.")

    with pytest.raises(ArlbenchError, match=r"^eta must be 2 or more\.$"):
        study(tmp_path / "study", answering(refuse))
