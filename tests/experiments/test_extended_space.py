"""The extended space in runs, sweeps, studies and AutoRLEnv: what is searched and recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arlbench import DQN
from arlbench.autorl import AutoRLEnv, AutoRLVectorEnv
from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.presets import named_agent
from arlbench.experiments.run_settings import RunSettings, resolve
from arlbench.experiments.space import (
    Choices,
    Range,
    extended_words,
    search_space,
    with_options,
    with_options_of,
)
from arlbench.tuning.space import Space

CARTPOLE = EnvSpec("gymnax", "CartPole-v1", 4)
PROBLEM = Problem(CARTPOLE, n_total_timesteps=2000, n_eval_steps=2, n_eval_episodes=2)

PUBLISHED = set(DQN.get_hpo_config_space())
EXTENDED = set(DQN.get_hpo_config_space(extended=True)) - PUBLISHED


def test_the_published_space_is_searched_unless_the_extended_one_is_asked_for() -> None:
    assert set(search_space(PROBLEM, {}).varied) == PUBLISHED
    words = extended_words(PROBLEM)
    assert words.keys() == EXTENDED
    varied = search_space(PROBLEM, words).varied
    assert set(varied) == PUBLISHED | EXTENDED
    assert varied["n_step"] == Range(1, 10, log=False)
    assert varied["adam_epsilon"] == Range(1e-10, 1e-2, log=True)
    assert varied["double_q"] == Choices((True, False))
    assert varied["loss"] == Choices(("squared", "huber"))


def test_a_space_that_needs_no_extension_leaves_the_problem_as_it_is() -> None:
    assert with_options(PROBLEM, search_space(PROBLEM, {})) is PROBLEM
    assert with_options_of(PROBLEM, [PROBLEM.resolve({"gamma": 0.5})]) is PROBLEM
    assert Space(PROBLEM, {"gamma": "0.9..0.99"}).problem is PROBLEM


def test_a_space_records_its_extensions_once() -> None:
    words = {"double_q": "true,false", "n_step": "2..5", "loss": "huber", "gamma": "0.9..0.99"}
    problem = Space(PROBLEM, words).problem
    assert problem.options == {"extensions": ["loss", "double_q", "n_step=5"]}
    # A study that was begun keeps what it recorded.
    assert Space(problem, {"gamma": "0.9..0.99"}).problem == problem
    assert Problem.from_mapping(problem.to_mapping()) == problem
    configs = [PROBLEM.resolve({"n_step": 3}), PROBLEM.resolve({"double_q": True})]
    assert with_options_of(PROBLEM, configs).options == {"extensions": ["double_q", "n_step=3"]}


def test_every_configuration_of_such_a_space_has_the_same_program() -> None:
    space = Space(PROBLEM, {"double_q": "true,false", "n_step": "1..5", "max_grad_norm": "0..9"})
    corners: list[dict[str, Any]] = [{}, {"double_q": True, "n_step": 5, "max_grad_norm": 9.0}]
    made = [space.problem.make_algorithm(space.complete(config)) for config in corners]
    assert made[0].structure == made[1].structure


def test_a_run_records_the_extensions_of_its_values() -> None:
    settings = resolve(CARTPOLE, {"double_q": True}, n_total_timesteps=2000, tuned=False)
    assert settings.problem.options == {"extensions": ["double_q"]}
    assert resolve(CARTPOLE, {}, n_total_timesteps=2000).problem.options == {}
    again = RunSettings.from_mapping(json.loads(settings.to_json()))
    assert again.problem == settings.problem


def test_a_named_agent_gives_its_values_below_those_that_are_named() -> None:
    settings = resolve(CARTPOLE, {"n_step": 5}, agent="rainbow", n_total_timesteps=2000)
    problem = settings.problem
    assert (problem.hpo_config["n_step"], problem.hpo_config["double_q"]) == (5, True)
    assert problem.nas_config["distribution"] == "categorical"
    assert named_agent(None) == {}
    with pytest.raises(ConfigurationError, match=r"Unknown agent 'rainbw'. Did you mean 'rainbow'"):
        named_agent("rainbw")


def test_an_environment_of_configurations_takes_the_extended_space_if_it_is_asked_to() -> None:
    plain, extended = AutoRLEnv(), AutoRLEnv({"extended": True})
    assert set(plain.config_space) == PUBLISHED
    assert set(extended.config_space) == set(extended.action_space) == PUBLISHED | EXTENDED
    assert extended.config["extended"] is True
    learner = extended._algorithm
    assert learner.structure.extensions.n_step == 10  # type: ignore[attr-defined]
    assert len(learner.structure.extensions.names) == 10  # type: ignore[attr-defined]
    several = AutoRLVectorEnv(2, {"extended": True})
    assert set(several.config_space) == PUBLISHED | EXTENDED
    several.close()
