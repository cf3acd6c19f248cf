"""Environments known by numbers: found, refused, passed on and closed."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import host_probes
from arlbench.core.environments.adapters.instances import Instance, Instances
from arlbench.errors import StaleEnvironmentError


def make() -> gymnasium.Env:
    return gymnasium.make("Stairs-v0", disable_env_checker=True)


def test_an_episode_that_ends_is_followed_by_the_one_of_the_seed() -> None:
    instance = Instance(make(), "stairs")
    instance.reset(4)
    begun = make().reset(seed=9)[0]
    for _ in range(host_probes.TOP):
        outcome = instance.step(1, seed=9)
        if outcome.terminated:
            break
        assert outcome.first_observation is None
    assert outcome.final_observation[0] == host_probes.TOP
    assert outcome.reward == host_probes.TOP
    assert not outcome.truncated
    assert outcome.first_observation.tolist() == begun.tolist()


def test_where_an_episode_ended_is_kept_though_its_array_is_used_again() -> None:
    class Sharing(host_probes.Stairs):
        """Returns the same array every time, and computes in it."""

        def __init__(self) -> None:
            super().__init__()
            self._array = np.zeros(2)

        def _obs(self) -> np.ndarray:
            self._array[:] = super()._obs()
            return self._array

    instance = Instance(Sharing(), "stairs")
    instance.reset(4)
    while (outcome := instance.step(1, seed=9)).first_observation is None:
        pass
    assert outcome.final_observation[0] == host_probes.TOP
    assert outcome.first_observation[0] < host_probes.TOP


def test_the_clock_counts_steps_and_resets() -> None:
    instance = Instance(make(), "stairs")
    instance.reset(0)
    for _ in range(4):
        instance.step(0, seed=0)
    assert instance.clock == 5


def test_an_instance_has_one_present() -> None:
    instances = Instances(Instance)
    number, instance = instances.take("stairs", make)
    instance.reset(0)
    assert instances.present(number, 1) is instance
    for wrong in ((number, 0), (number, 2), (number + 1, 1)):
        assert not instances.is_present(*wrong)
        with pytest.raises(
            StaleEnvironmentError, match="Continue from the state that the last step returned"
        ):
            instances.present(*wrong)


def test_a_released_instance_is_given_to_the_next_of_its_kind() -> None:
    instances = Instances(Instance)
    first, instance = instances.take("stairs", make)
    instances.release([first, first + 100])
    assert not instances.is_present(first, 0)
    other, _ = instances.take("other stairs", make)
    assert other != first
    assert instances.take("stairs", make) == (first, instance)
    assert instances.is_present(first, 0)
    assert instances.take("stairs", make)[0] not in {first, other}
    assert len(instances) == 3


def test_without_further_instances_the_oldest_are_taken_whether_free_or_in_use() -> None:
    instances = Instances(Instance)
    numbers = [instances.take("stairs", make)[0] for _ in range(3)]
    instances.release(numbers[1:])
    instances.present(numbers[0], 0)  # used most recently
    first, _ = instances.take("stairs", make, ())
    second, _ = instances.take("stairs", make, (first,))
    assert [first, second] == numbers[:2]
    assert instances.take("stairs", make, ())[0] == first


def test_what_failed_is_closed_and_never_used_again() -> None:
    closed = []

    class Closing(gymnasium.Wrapper):
        def close(self) -> None:
            closed.append(self)
            raise OSError("the connection is closed already")

    env = Closing(make())
    instances = Instances(Instance)
    number, _ = instances.take("kind", lambda: env)
    instances.discard(number)
    instances.discard(number)
    assert closed == [env]
    assert len(instances) == 0


def test_what_was_used_longest_ago_is_closed() -> None:
    closed = []

    class Door(host_probes.Stairs):
        def close(self) -> None:
            closed.append(self)

    instances = Instances(Instance, limit=2)
    first, one = instances.take("door", Door)
    second, two = instances.take("door", Door)
    instances.present(first, 0)
    instances.take("door", Door)
    assert closed == [two.env]
    assert instances.is_present(first, 0)
    assert not instances.is_present(second, 0)
    assert len(instances) == 2
    assert one.env not in closed
