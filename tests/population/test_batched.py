"""Batched members equal single runs up to rounding, and do not copy buffers."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from accelerated import ACCELERATOR, programs_for
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.dqn.state import DQNState
from arlbench.core.algorithms.harness import batching, segments
from arlbench.core.algorithms.harness.recording import Recorder
from arlbench.core.problem import Problem
from arlbench.population import PopulationState, train_population
from arlbench.population import batched as chunks
from probe_framework import walk
from probes import CAPACITY, SMALL, as_numpy, same_bits, small_dqn, small_state

# They differ in every loop: iterations, vector steps, updates, and the start of learning.
CONFIGS = [
    {**SMALL, "train_freq": 2, "gradient_steps": 2},
    {**SMALL, "train_freq": 5, "gradient_steps": 1, "learning_starts": 200},
    {**SMALL, "train_freq": 1, "gradient_steps": 3, "buffer_size": 50, "gamma": 0.9},
    {**SMALL, "use_target_network": False, "normalize_observations": True},
]
LENGTH = {"n_total_timesteps": 240, "n_eval_steps": 2, "n_eval_episodes": 3}

OF_THE_PROBLEM = {"n_eval_steps", "n_eval_episodes", "schedule_timesteps"}


def train(configs: Any = CONFIGS, seeds: Any = (3,), **changed: Any) -> Any:
    own = {name: changed.pop(name) for name in OF_THE_PROBLEM & changed.keys()}
    problem = Problem(walk(), **{**LENGTH, "nas_config": {"hidden_size": 8}, **own})
    settings = {"init_options": {"capacity": CAPACITY}, **changed}
    return train_population(problem, configs, seeds, **settings)


def prioritised(configs: Any = CONFIGS) -> list[dict[str, Any]]:
    return [
        {**config, "buffer_prio_sampling": True, "buffer_alpha": 0.3 + 0.2 * i}
        for i, config in enumerate(configs)
    ]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "configs",
    [
        pytest.param(CONFIGS, id="uniform"),
        pytest.param(prioritised(), id="prioritised", marks=pytest.mark.thorough),
    ],
)
def test_batched_members_are_the_single_ones_up_to_rounding(configs):
    alone = train(configs, placement="sequential", keep_state=True)
    together = train(configs, placement="batched", keep_state=True)
    assert together.n_groups == 1
    for one, other in zip(alone.members, together.members, strict=True):
        assert one.timesteps.tolist() == other.timesteps.tolist()
        for name in ("train_step", "global_step"):
            np.testing.assert_array_equal(one.parts[name], other.parts[name])
        np.testing.assert_array_equal(one.parts["rng"].data, other.parts["rng"].data)
        buffers = (as_numpy(member.parts["buffer"]) for member in (one, other))
        for left, right in zip(*buffers, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)
        for left, right in zip(
            as_numpy(one.parts["params"]), as_numpy(other.parts["params"]), strict=True
        ):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(alone.returns, together.returns, rtol=1e-3, atol=1e-3)


@pytest.mark.stress
def test_batched_members_may_store_frames_once():
    problem = Problem(
        walk().wrapped("frame_stack", {"n_frames": 3}),
        **LENGTH,
        nas_config={"hidden_size": 8},
        options={"frame_buffer": True},
    )
    given = {"init_options": {"capacity": CAPACITY}, "keep_state": True}
    alone, together = (
        train_population(problem, CONFIGS, (3,), placement=placement, **given)
        for placement in ("sequential", "batched")
    )
    for one, other in zip(alone.members, together.members, strict=True):
        packed, found = one.parts["buffer"], other.parts["buffer"]
        np.testing.assert_array_equal(packed.rows.transition.oldest, found.rows.transition.oldest)
        np.testing.assert_allclose(packed.frames, found.frames, rtol=1e-3, atol=1e-4)


@pytest.mark.thorough
def test_a_batch_is_of_one_batch_size():
    configs = [{**config, "buffer_batch_size": size} for config in CONFIGS[:1] for size in (4, 5)]
    called = []
    stop = {"on_progress": lambda progress: called.append(progress) or True}
    assert train(configs, placement="batched", **stop).n_groups == 2
    assert train(configs, placement="sequential", **stop).n_groups == 1


@pytest.mark.thorough
def test_members_that_do_not_fit_at_once_train_in_turns(monkeypatch):
    whole = train(seeds=[3, 5], placement="batched")
    monkeypatch.setattr(chunks, "_member_bytes", lambda _: chunks._MEMORY_IF_UNKNOWN / 5.5)
    sizes = []
    advance = batching.Batch.advance

    def counting(self: Any, state: Any, n: np.ndarray) -> Any:
        sizes.append(len(n))
        return advance(self, state, n)

    monkeypatch.setattr(batching.Batch, "advance", counting)
    # Three members fit at a time, so eight make three batches of sizes as equal as possible.
    parts = train(seeds=[3, 5], placement="batched")
    assert set(sizes) == {3, 2}
    np.testing.assert_allclose(parts.returns, whole.returns, rtol=1e-3, atol=1e-3)


@pytest.mark.thorough
def test_a_batched_member_that_diverges_harms_no_other():
    # The same number as in the other batches, for which the program already exists.
    configs = [CONFIGS[0], {**CONFIGS[0], "learning_rate": 1e38}, CONFIGS[0], CONFIGS[1]]
    result = train(configs, placement="batched")
    assert result.status[:, 0].tolist() == ["finished", "diverged", "finished", "finished"]
    np.testing.assert_array_equal(result.returns[0], result.returns[2])
    assert result.members[1].diverged_at in {120, 240}


@pytest.mark.thorough
def test_batched_members_continue_from_their_state():
    whole = train(placement="batched", keep_params=True)
    half = {"n_total_timesteps": 120, "n_eval_steps": 1, "schedule_timesteps": 240}
    first = train(placement="batched", keep_state=True, **half)
    rest = train(placement="batched", keep_params=True, state=PopulationState.of(first), **half)
    for one, other in zip(whole.members, rest.members, strict=True):
        for left, right in zip(as_numpy(one.params), as_numpy(other.params), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)


@pytest.mark.thorough
def test_a_batch_that_continues_has_room_for_all_it_stores():
    config = {**SMALL, "buffer_size": 2000}
    first = train([config], placement="batched", keep_state=True, init_options={"capacity": 8})
    longer = {"n_total_timesteps": 480, "schedule_timesteps": 720, "keep_state": True}
    states = PopulationState.of(first)
    batched_ones = train([config], placement="batched", state=states, **longer)
    single_ones = train([config], placement="sequential", state=states, **longer)
    for result in (batched_ones, single_ones):
        assert result.members[0].parts["buffer"].priority.shape == (240 + 480,)


@pytest.mark.thorough
def test_kept_parameters_are_those_of_the_kept_states_whenever_a_member_ends():
    lengths = {"n_total_timesteps": [240, 120, 240, 480]}
    with_params = train(placement="batched", keep_params=True, **lengths)
    with_states = train(placement="batched", keep_state=True, **lengths)
    for one, other in zip(with_params.members, with_states.members, strict=True):
        assert one.parts is None
        assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(one.params))
        assert same_bits(one.params, other.parts["params"])
    firsts = [as_numpy(member.params)[0].tolist() for member in with_params.members]
    assert len({tuple(np.ravel(first)) for first in firsts}) == len(CONFIGS)


@pytest.mark.thorough
def test_a_batch_can_be_stopped():
    result = train(
        CONFIGS[:1], placement="batched", on_progress=lambda progress: progress.timesteps > 0
    )
    assert result.interrupted
    assert result.members == ()


@pytest.mark.thorough
def test_batches_of_one_shape_are_compiled_once_and_their_times_add_up(
    monkeypatch, count_compilations
):
    monkeypatch.setattr(chunks, "_member_bytes", lambda _: chunks._MEMORY_IF_UNKNOWN / 5.5)
    # Three at a time fit: six members of one structure and six of another make four batches.
    configs = [{**SMALL, "buffer_batch_size": size, "gamma": gamma}
               for size in (4, 5) for gamma in (0.9, 0.95, 0.99)]  # fmt: skip
    with programs_for(ACCELERATOR), count_compilations() as compilations:
        result = train(configs, seeds=[3, 5], placement="batched")
    assert result.n_groups == 2
    assert compilations.names.count("jit(_segment)") == 2
    assert compilations.names.count("jit(_evaluate)") == 1
    assert result.compile_seconds + result.train_seconds <= result.wall_seconds


@pytest.mark.parametrize("is_prioritised", [False, True])
def test_no_loop_of_a_batch_copies_a_buffer_at_every_turn(is_prioritised):
    dqn = small_dqn(buffer_prio_sampling=is_prioritised)
    state = small_state(dqn)
    members = 3

    def stacked(tree: Any) -> Any:
        return jax.tree.map(lambda x: jnp.stack([jnp.asarray(x)] * members), tree)

    def run(hp: Any, state: DQNState, n: jax.Array) -> DQNState:
        nothing = Recorder(None, None, jnp.int32(0), jnp.int32(0))
        return segments.run_segment(dqn.structure, hp, 100.0, state, nothing, n, "members")[0]

    jaxpr = jax.make_jaxpr(jax.vmap(run, axis_name="members"))(
        stacked(dqn.hp), stacked(state), jnp.array([1, 2, 3], jnp.int32)
    )
    assert copied_shapes(jaxpr.jaxpr) != []  # small ones, in loops of at most one turn
    assert not any(CAPACITY in shape for shape in copied_shapes(jaxpr.jaxpr))

    # This would be noticed, as in a loop whose length differs between members.
    def careless(buffer: jax.Array, n: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, n, lambda i, x: x.at[i].set(1.0), buffer)

    jaxpr = jax.make_jaxpr(jax.vmap(careless))(jnp.zeros((members, CAPACITY)), jnp.arange(members))
    assert (members, CAPACITY) in copied_shapes(jaxpr.jaxpr)


def copied_shapes(jaxpr: Any) -> list[tuple[int, ...]]:
    """The shapes of arrays that are selected as a whole at every turn of a loop.

    If the predicate of a loop differs between members, JAX keeps the carry of finished
    members by a select.
    """
    shapes = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "while":
            (predicate,) = equation.params["cond_jaxpr"].out_avals
            if predicate.shape:
                shapes += [variable.aval.shape for variable in equation.outvars]
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
            if is_program(value):
                shapes += copied_shapes(getattr(value, "jaxpr", value))
    return shapes


def is_program(x: Any) -> bool:
    return hasattr(x, "eqns") or hasattr(x, "jaxpr")


@pytest.mark.thorough
def test_members_are_spread_over_devices_also_where_they_are_uneven():
    """Runs in its own process, because the number of devices is fixed when JAX is first used."""
    program = """
import arlbench, jax
jax.config.update("jax_num_cpu_devices", 2)
import numpy as np
from arlbench.core.algorithms.harness.batching import Batch
from probes import small_dqn, as_numpy

agents = [small_dqn(learning_rate=0.001 * (i + 1)) for i in range(3)]
seeds, n = range(3), np.full(3, 20)

def final_params(devices):
    batch = Batch(agents, [320] * 3, devices)
    state = batch.advance(batch.prepare(batch.init(seeds, {"capacity": 256})), n)
    returns, finite = batch.evaluate(state, 2)
    assert finite.all()
    return [as_numpy(batch.member(state, i).runner_state.train_state.params) for i in seeds]

one, two = final_params(jax.devices()[:1]), final_params(jax.devices())
for alone, spread in zip(one, two, strict=True):
    for left, right in zip(alone, spread, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-5)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300, env=environment)


def test_a_batch_makes_the_algorithm_of_each_configuration_once(monkeypatch):
    made, make = [], Problem.make_algorithm

    def counted(problem: Problem, config: Any, *args: Any, **options: Any) -> Algorithm:
        made.append(dict(config))
        return make(problem, config, *args, **options)

    monkeypatch.setattr(Problem, "make_algorithm", counted)
    configs = [{**SMALL, "gamma": gamma} for gamma in (0.9, 0.95)]
    result = train(configs, seeds=(3, 4), placement="batched")
    assert (result.status == "finished").all()
    assert made == configs
