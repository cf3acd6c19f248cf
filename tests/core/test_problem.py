"""Environments of a problem: one pair for all of its algorithms where they have no state."""

from __future__ import annotations

import pickle

import pytest

from arlbench.core.environments import EnvSpec, registry
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from probe_framework import walk
from probes import SMALL


def test_traceable_environments_are_made_once_for_all_algorithms():
    problem = Problem(walk())
    first, second = (problem.make_algorithm({**SMALL, "gamma": g}) for g in (0.9, 0.99))
    assert first.env is second.env
    assert first.eval_env is second.eval_env
    assert first.env is not Problem(walk()).make_algorithm().env


@pytest.mark.parametrize("names", [("env_spec",), ("env_spec", "eval_env_spec")])
def test_a_problem_needs_the_spec_of_an_environment(names):
    given = {"env_spec": walk(), names[-1]: "CartPole-v1"}
    with pytest.raises(ConfigurationError, match=r"needs an EnvSpec, .* not a str; an environment"):
        Problem(**given)


def test_a_problem_is_sent_and_compared_without_its_environments():
    problem = Problem(walk())
    before = pickle.dumps(problem)
    algorithm = problem.make_algorithm(SMALL)
    assert pickle.dumps(problem) == before
    sent = pickle.loads(pickle.dumps(problem))
    assert sent == problem
    assert sent.make_algorithm(SMALL).env is not algorithm.env
    # Nor does a problem that differs take them over.
    assert problem.replace(env_spec=walk(n_envs=2)).make_algorithm().env.n_envs == 2


def test_a_name_that_comes_to_mean_another_environment_is_made_again(monkeypatch):
    problem = Problem(walk())
    before = problem.make_algorithm().env
    adapter = registry._adapter("tiny")
    monkeypatch.setattr(adapter, "meaning", lambda spec: "another", raising=False)
    after = problem.make_algorithm().env
    assert after is not before
    assert problem.make_algorithm().env is after


def test_environments_on_the_host_are_each_algorithm_s_own():
    problem = Problem(EnvSpec("gymnasium", "CartPole-v1", n_envs=1))
    first, second = (problem.make_algorithm() for _ in range(2))
    assert first.env is not second.env
    assert first.eval_env is not second.eval_env
