"""The accelerator's programs: what they may not contain, and that they compute the same."""

from __future__ import annotations

import dataclasses
from typing import Any

import chex
import jax
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

from accelerated import (
    ACCELERATOR,
    CPU,
    WITH_KERNELS,
    batch_of,
    evaluation_program,
    training_program,
    waiting,
    within_a_span,
)
from arlbench import DQN
from arlbench.core.algorithms.dqn.state import DQNState
from arlbench.core.algorithms.harness.backend import Backend
from arlbench.core.algorithms.harness.batching import Batch
from arlbench.core.environments import Environment, EnvSpec, SingleStep, make_env_from_spec
from probes import CAPACITY, SMALL, Walk, as_numpy, small_dqn

UPDATE_A_STEP = {**SMALL, "train_freq": 1, "gradient_steps": 1}

# All games of MinAtar but one are thorough, because tracing them takes seconds.
GYMNAX = [
    "CartPole-v1",
    "Breakout-MinAtar",
    pytest.param("Freeway-MinAtar", marks=pytest.mark.thorough),
    pytest.param("SpaceInvaders-MinAtar", marks=pytest.mark.thorough),
]

#: Loops and branches of libraries in an iteration: their own, and one loop over the copies that
#: start an episode if a start costs too much to be done for all copies at each step.
BROUGHT = {
    "gymnax/Asterix-MinAtar": {"while": 1},
    "gymnax/Seaquest-MinAtar": {"while": 1},
    "xland/MiniGrid-EmptyRandom-5x5": {"while": 1},
    "navix/Navix-Empty-5x5-v0": {"while": 1, "cond": 1},
    "jumanji/Game2048-v1": {"while": 6},
    "craftax/Craftax-Classic-Symbolic-v1": {"while": 1},
}

#: They differ in every loop: iterations, vector steps, updates, and the start of learning; the
#: last one diverges.
CONFIGS: list[dict[str, Any]] = [
    {"train_freq": 2, "gradient_steps": 2},
    {"train_freq": 5, "gradient_steps": 1, "learning_starts": 200},
    {"train_freq": 1, "gradient_steps": 3, "buffer_size": 50, "gamma": 0.9},
    {"use_target_network": False, "normalize_observations": True},
    {"learning_rate": 1e38},
]

DIVERGING = 4

#: Programs for accelerators, and programs for a CPU.
BOTH = (ACCELERATOR, CPU)

#: With these, the actions do not depend on what is learnt.
RANDOM = {"initial_epsilon": 1.0, "target_epsilon": 1.0}


class Waiting(Walk):
    """A walk whose steps have a number of turns that is not known in advance."""

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        position, n_steps = env_state
        position = jax.lax.while_loop(lambda x: x > 0.9, lambda x: x - 0.1, position)
        return super().step_one((position, n_steps), action, rng)


def batch_in(env: Environment, n_members: int = 3, **config: Any) -> Batch:
    """A batch whose members have equal frequencies, with an accelerator's programs."""
    dqn = small_dqn(env, **{**UPDATE_A_STEP, **config})
    return batch_of([dqn] * n_members)


def environment(name: str) -> Environment:
    framework, name = name.split("/")
    return make_env_from_spec(EnvSpec(framework, name, n_envs=2))


@pytest.mark.parametrize("name", GYMNAX)
@pytest.mark.parametrize("is_prioritised", [False, True], ids=["uniform", "prioritised"])
def test_nothing_is_waited_for_within_an_iteration(name, is_prioritised):
    batch = batch_in(environment(f"gymnax/{name}"), buffer_prio_sampling=is_prioritised)
    training = training_program(batch)
    assert within_a_span(training) == {}
    # One wait for each span of many iterations, and no others.
    assert waiting(training.jaxpr.jaxpr) == {"while": 1}
    assert within_a_span(evaluation_program(batch)) == {}


def test_loops_of_unknown_length_and_branches_would_be_noticed():
    assert within_a_span(training_program(batch_in(Walk()))) == {}
    planted = batch_in(Waiting())
    assert within_a_span(training_program(planted)) == {"while": 1}
    assert within_a_span(evaluation_program(planted)) == {"while": 1}
    on_cpu = batch_of([small_dqn(**UPDATE_A_STEP)] * 3, CPU)
    of_cpu = waiting(training_program(on_cpu).jaxpr.jaxpr)
    assert of_cpu["while"] > 1
    assert of_cpu["cond"] > 0


@pytest.mark.thorough
@pytest.mark.parametrize("name", BROUGHT)
def test_what_is_waited_for_is_what_the_library_brings(name):
    pytest.importorskip({"xland": "xminigrid"}.get(name.split("/")[0], name.split("/")[0]))
    batch = batch_in(environment(name))
    assert within_a_span(training_program(batch)) == BROUGHT[name]
    assert within_a_span(evaluation_program(batch)) == BROUGHT[name]


@pytest.mark.parametrize("is_prioritised", [False, True], ids=["uniform", "prioritised"])
def test_programs_lower_for_a_gpu_without_one(is_prioritised):
    batch = batch_in(Walk(), buffer_prio_sampling=is_prioritised)
    for program in (training_program(batch), evaluation_program(batch)):
        text = program.lower(lowering_platforms=("cuda",)).as_text()
        assert "func.func public @main" in text
        # Callbacks would wait for the host.
        assert "callback" not in text


# Since jax 0.11.
@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated:DeprecationWarning")
def test_programs_with_kernels_of_their_own_lower_too():
    dqn = small_dqn(hidden_size=16, **UPDATE_A_STEP)
    batch = batch_of([dqn] * 3, WITH_KERNELS)
    # A kernel is for one kind of card.
    card = AbstractDevice("NVIDIA H100 80GB HBM3", num_cores=132, platform="gpu")
    with use_abstract_mesh(AbstractMesh((), (), abstract_device=card)):
        program = training_program(batch)
        text = program.lower(lowering_platforms=("cuda",)).as_text()
    assert within_a_span(program) == {}
    assert "two_layers_step" in text
    assert "two_layers_follow" in text


def trained(
    configs: list[dict[str, Any]], n_iterations: Any, backend: Backend, **settings: Any
) -> list[DQNState]:
    """Each member's state after these iterations, with one of the two kinds of programs."""
    agents = [small_dqn(**{**config, **settings}) for config in configs]
    batch = batch_of(agents, backend)
    state = batch.prepare(batch.init(range(len(agents)), {"capacity": CAPACITY}))
    # In two parts; neither of them is a whole number of spans.
    for part in (n_iterations // 3, n_iterations - n_iterations // 3):
        state = batch.advance(state, part)
    return [batch.member(state, i) for i in range(len(agents))]


def iterations(n_updates: int) -> np.ndarray:
    """Unequal lengths in which the members make about as many updates, ``[M]``."""
    whole = [{**SMALL, **config} for config in CONFIGS]
    updates = np.array([config["gradient_steps"] for config in whole])
    return (n_updates // updates + 7 * np.arange(len(CONFIGS))).astype(np.int32)


def assert_counted_alike(one: DQNState, other: DQNState) -> None:
    """Counters, keys and the number of rows in the buffer are exactly the same."""
    counted = [
        (
            state.runner_state.rng,
            state.runner_state.global_step,
            state.runner_state.train_state.step,
            state.buffer_state.current_index,
            state.buffer_state.is_full,
            state.buffer_state.running_index,
        )
        for state in (one, other)
    ]
    for left, right in zip(*map(as_numpy, counted), strict=True):
        np.testing.assert_array_equal(left, right)


def learnt(state: DQNState) -> list[np.ndarray]:
    """The parameters, and those of the target network if the member has one."""
    train_state = state.runner_state.train_state
    return as_numpy((train_state.params, train_state.target_params))


def assert_close(one: Any, other: Any, rtol: float, atol: float) -> None:
    for left, right in zip(as_numpy(one), as_numpy(other), strict=True):
        np.testing.assert_allclose(left, right, rtol=rtol, atol=atol)


def assert_members_agree(
    ours: list[DQNState], theirs: list[DQNState], rtol: float, atol: float
) -> None:
    """Members have equal counters, and have seen and learnt the same up to rounding."""
    for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert_counted_alike(one, other)
        if i != DIVERGING:
            assert_seen_alike(one, other, rtol, atol)
            assert_close(learnt(one), learnt(other), rtol, atol)
            continue
        for state in (one, other):
            assert not all(np.isfinite(leaf).all() for leaf in learnt(state))


def assert_seen_alike(one: DQNState, other: DQNState, rtol: float, atol: float) -> None:
    """Environments are in the same state, and the stored transitions are the same."""
    seen = [(s.runner_state.env_state, s.buffer_state.experience.transition) for s in (one, other)]
    assert_close(*seen, rtol, atol)


@pytest.mark.thorough
def test_members_are_those_of_the_cpu_s_program():
    n = iterations(n_updates=200)
    ours, theirs = (trained(CONFIGS, n, backend) for backend in BOTH)
    updates = [int(state.runner_state.train_state.step) for state in ours]
    assert 190 < min(updates) <= max(updates) < 260
    assert_members_agree(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.thorough
def test_prioritised_members_are_those_of_the_cpu_s_program():
    """The two trees round differently, so a draw at a boundary may be another row."""
    n, settings = iterations(n_updates=200), {"buffer_prio_sampling": True, **RANDOM}
    ours, theirs = (trained(CONFIGS, n, backend, **settings) for backend in BOTH)
    assert_members_agree(ours, theirs, rtol=1e-2, atol=1e-3)
    for one, other in zip(ours[:DIVERGING], theirs[:DIVERGING], strict=True):
        trees = [state.buffer_state.sum_tree_state for state in (one, other)]
        # The state that leaves the program has the binary tree, whichever program it was.
        assert_close(trees[0].nodes, trees[1].nodes, rtol=1e-2, atol=1e-3)
        assert trees[0].nodes.shape == (2 * CAPACITY - 1,)


@pytest.mark.thorough
@pytest.mark.parametrize("is_prioritised", [False, True], ids=["uniform", "prioritised"])
def test_members_that_act_at_random_are_those_of_the_cpu_s_program_for_long(is_prioritised):
    n, settings = iterations(n_updates=2_000), {"buffer_prio_sampling": is_prioritised, **RANDOM}
    ours, theirs = (trained(CONFIGS, n, backend, **settings) for backend in BOTH)
    assert int(ours[0].runner_state.train_state.step) > 1_900
    if not is_prioritised:
        assert_members_agree(ours, theirs, rtol=1e-3, atol=1e-3)
        return
    # Sooner or later, a draw at a boundary is another row, and from then on learning differs;
    # the observations do not depend on it.
    for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert_counted_alike(one, other)
        assert_seen_alike(one, other, rtol=1e-3, atol=1e-5)
        for state in (one, other):
            is_finite = all(np.isfinite(leaf).all() for leaf in learnt(state))
            assert is_finite == (i != DIVERGING)


@pytest.mark.thorough
@pytest.mark.parametrize("is_prioritised", [False, True], ids=["uniform", "prioritised"])
def test_members_that_act_learn_as_much_as_with_the_cpu_s_program(is_prioritised):
    config = {"buffer_prio_sampling": is_prioritised,
              "buffer_batch_size": 32, "learning_starts": 200, "buffer_size": 4_000,
              "train_freq": 1, "gradient_steps": 1, "learning_rate": 2e-3}  # fmt: skip
    env = make_env_from_spec(EnvSpec("gymnax", "CartPole-v1", n_envs=4))
    dqn = DQN(config, env, nas_config={"hidden_size": 16})
    finals = []
    for backend in BOTH:
        batch = batch_of([dqn] * 64, backend)
        state = batch.prepare(batch.init(range(64), {"capacity": 4_096}))
        state = batch.advance(state, np.full(64, 2_000, np.int32))
        returns, finite = batch.evaluate(state, 10)
        assert finite.all()
        finals.append(returns.mean(axis=1))
    ours, theirs = finals
    error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / 64)
    # The return of a random policy is about 20.
    assert theirs.mean() > 60
    assert abs(ours.mean() - theirs.mean()) < 1.96 * error


def test_what_is_known_of_members_is_the_most_that_any_of_them_needs():
    hps = [small_dqn(train_freq=n, gradient_steps=m).hp for n, m in ((3, 1), (2, 7))]
    structure = small_dqn().structure.for_accelerator(hps, kernels=False)
    assert structure.known[:2] == (3, 7)
    # Every span makes about the same number of turns of the longest loop.
    assert structure.span == 32 // 7
    assert dataclasses.replace(structure, known=None) == small_dqn().structure
