"""Copies that step in processes of their own give the results of copies in this process."""

from __future__ import annotations

import os
import signal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.environments import Environment, EnvSpec, make_env, with_copies
from arlbench.core.environments.adapters.host_batches import BATCHES
from arlbench.core.environments.adapters.host_worker import _Share
from arlbench.core.environments.adapters.host_workers import Hire, Reset, WorkerBatch
from arlbench.core.environments.adapters.instances import INSTANCES
from arlbench.errors import ConfigurationError, EnvironmentFaultError, RenderingError
from host_probes import Stairs
from probes import same_bits

KEY = jax.random.key(3)


def play(env: Any, n_steps: int) -> list[Any]:
    """Everything that a reset and some steps return, besides references to instances."""
    env_state, obs = env.reset(KEY)
    step, seen = jax.jit(env.step), [obs]
    for i in range(n_steps):
        action = jnp.arange(env.n_envs) % env.action_space.n
        env_state, (obs, reward, done, info) = step(env_state, action, jax.random.key(i))
        seen.append((obs, reward, done, info))
    env.release(env_state)
    return seen


@pytest.mark.parametrize("n_workers", [1, 2])
def test_results_are_those_of_copies_in_this_process(n_workers: int) -> None:
    settings = {"max_episode_steps": 7}
    here = make_env("gymnasium", "CartPole-v1", 3, settings)
    there = make_env("gymnasium", "CartPole-v1", 3, {**settings, "env_workers": n_workers})
    assert same_bits(play(there, 20), play(here, 20))
    assert there.max_episode_steps == here.max_episode_steps == 7


def test_observations_may_be_composed() -> None:
    here = make_env("gymnasium", "host_probes:Parts-v0", 4)
    there = make_env("gymnasium", "host_probes:Parts-v0", 4, {"env_workers": 2})
    assert same_bits(play(there, 5), play(here, 5))


def test_each_copy_has_its_own_settings() -> None:
    settings = {"per_copy": {"max_episode_steps": [2, 3, 5]}, "env_workers": 2}
    env = make_env("gymnasium", "CartPole-v1", 3, settings)
    lengths = [[int(n) for n in step[3]["episode_length"]] for step in play(env, 4)[1:]]
    assert lengths == [[1, 1, 1], [2, 2, 2], [1, 3, 3], [2, 1, 4]]


def test_resets_without_steps_make_no_further_copies() -> None:
    share = _Share(Hire(EnvSpec("gymnasium", "CartPole-v1", 3), None, 0))
    seeds = np.arange(3, dtype=np.uint32)
    first = share.answer(Reset(seeds))
    n_before = len(INSTANCES)
    for _ in range(3):
        assert same_bits(share.answer(Reset(seeds)), first)
    assert len(INSTANCES) == n_before


def test_a_worker_that_dies_is_reported_with_its_copies() -> None:
    env = make_env("gymnasium", "CartPole-v1", 3, {"env_workers": 2})
    env_state, _ = env.reset(KEY)
    number, clock = (int(values[0]) for values in env_state.env_state)
    batch = BATCHES.present(number, clock).env
    assert isinstance(batch, WorkerBatch)
    os.kill(batch._workers[1].pid, signal.SIGKILL)
    match = r"steps copy 2 of CartPole-v1 has died \(exit status -9\)"
    with pytest.raises(EnvironmentFaultError, match=match):
        env.step(env_state, jnp.zeros(3, jnp.int32), KEY)


def test_a_fault_names_the_copy_among_all() -> None:
    settings = {"per_copy": {"breaks_after": [100, 100, 1]}, "env_workers": 2}
    env = make_env("gymnasium", "host_probes:Stairs-v0", 3, settings)
    env_state, _ = env.reset(KEY)
    number, clock = (int(values[0]) for values in env_state.env_state)
    batch = BATCHES.present(number, clock).env
    assert isinstance(batch, WorkerBatch)
    with pytest.raises(EnvironmentFaultError, match=r"a step is broken.*|.*\(copy 2\)") as error:
        env.step(env_state, jnp.zeros(3, jnp.int32), KEY)
    assert "(copy 2)" in str(error.value)
    # Its processes have ended, and the next reset starts others.
    assert not any(worker.alive for worker in batch._workers)
    assert not BATCHES.is_present(number, clock + 1)
    assert env.is_present(env.reset(KEY)[0])


@pytest.mark.parametrize(("action", "name"), [(0, "TwoPartsError"), (1, "LocalError")])
def test_an_error_of_the_user_s_own_class_is_told(action: int, name: str) -> None:
    class TwoPartsError(Exception):
        def __init__(self, what: str, where: str) -> None:
            super().__init__(f"{what} in {where}")

    class Breaking(Stairs):
        def step(self, action: int) -> Any:
            class LocalError(TwoPartsError):
                pass

            if self._steps_left == 0:
                raise (LocalError if action else TwoPartsError)("smoke", "the engine")
            return super().step(action)

    # The first copy takes one step in the trial.
    env = make_env("gymnasium", Breaking, 2, {"breaks_after": 1, "env_workers": 1})
    env_state, _ = env.reset(KEY)
    match = rf"Breaking raised {name} at step 1 \(copy 0\): smoke in the engine"
    with pytest.raises(EnvironmentFaultError, match=match):
        env.step(env_state, jnp.full(2, action, jnp.int32), KEY)


def test_classes_that_only_this_process_knows_differ_in_their_settings() -> None:
    class Local(Stairs):
        pass

    def made(**settings: Any) -> Environment:
        return make_env("gymnasium", Local, 2, {"env_workers": 2, **settings})

    assert made(breaks_after=3) == made(breaks_after=3)
    assert made(breaks_after=3) != made(breaks_after=5)
    assert made() != make_env("gymnasium", Local, 3, {"env_workers": 2})


def test_other_numbers_of_copies_have_no_more_workers_than_copies() -> None:
    spec = EnvSpec("gymnasium", "CartPole-v1", 4, {"env_workers": 3, "max_episode_steps": 9})
    assert with_copies(spec, 2).env_kwargs == {"env_workers": 2, "max_episode_steps": 9}
    assert with_copies(spec, 8).env_kwargs == {"env_workers": 3, "max_episode_steps": 9}
    assert with_copies(EnvSpec("gymnax", "CartPole-v1", 4), 2).n_envs == 2
    assert with_copies(spec, 1) == EnvSpec("gymnasium", "CartPole-v1", 1, {"max_episode_steps": 9})


def test_it_is_not_drawn() -> None:
    env = make_env("gymnasium", "CartPole-v1", 2, {"env_workers": 1})
    env_state, _ = env.reset(KEY)
    with pytest.raises(RenderingError, match="its copies step together; make it from a class"):
        env.render(env_state)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"env_workers": 4}, r"must be a whole number from 0 to n_envs \(3\), not 4"),
        ({"env_workers": True}, "must be a whole number"),
        ({"env_workers": 1, "evaluate_in_place": True}, "cannot be combined"),
    ],
)
def test_wrong_numbers_of_workers_are_one_sentence(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        make_env("gymnasium", "CartPole-v1", 3, settings)
