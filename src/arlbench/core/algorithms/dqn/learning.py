"""The DQN algorithm: act and collect, update the target, learn, and repeat.

:meth:`Structure.iterate` is the algorithm; everything here is traceable. A structure is
static, ``hp`` is traced.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core import lockstep, running_statistics
from arlbench.core.algorithms.dqn import forecast, losses
from arlbench.core.algorithms.dqn.agent import (
    ActionDraws,
    AgentStructure,
    example_transition,
    fresh_runner,
)
from arlbench.core.algorithms.dqn.extensions import batches, networks, windows
from arlbench.core.algorithms.dqn.extensions.batches import logical_size
from arlbench.core.algorithms.dqn.extensions.registry import NONE, Extensions
from arlbench.core.algorithms.dqn.hyperparameters import TracedHyperparameters
from arlbench.core.algorithms.dqn.state import (
    DQNMetrics,
    DQNState,
    DQNTrainingResult,
    StoredTransition,
    Transition,
    metrics_shape,
    transition_shape,
)
from arlbench.core.algorithms.dqn.updates import (
    STATISTICS,
    follow_without_target,
    last_idle_step,
    statistics_of,
    update_by_kernel,
    update_target,
    with_learning_rate,
)
from arlbench.core.algorithms.harness.recording import record_step, record_update
from arlbench.core.algorithms.harness.structure import SPAN, Carry, Inputs, Learning, State
from arlbench.core.buffers import replay, storage
from arlbench.core.lockstep import Active
from arlbench.core.randomness import BLOCK, Block, Stream, draw_row, no_block, stream_key


class CollectDraws(NamedTuple):
    """Random numbers for ``BLOCK`` vector steps.

    Attributes:
        actions: Draws for choosing actions, ``[BLOCK, n_envs]``.
        env_key: Keys for the environments, ``[BLOCK]``.
    """

    actions: ActionDraws
    env_key: chex.PRNGKey


class Draws(NamedTuple):
    """The current blocks of random numbers.

    Attributes:
        collect: The block for vector steps, with :class:`CollectDraws`.
        sample: For each of the structure's batch sizes, the block for updates, ``[BLOCK, B]``.
    """

    collect: Block
    sample: dict[int, Block]


class Known(NamedTuple):
    """Facts about all members of a batch, known when their program is compiled.

    Attributes:
        train_freq: The largest number of vector steps of an iteration.
        gradient_steps: The largest number of updates of an iteration.
        all_targets: Whether every member has a target network.
    """

    train_freq: int
    gradient_steps: int
    all_targets: bool


@dataclasses.dataclass(frozen=True)
class Preparation:
    """Adapts a state to hyperparameters that have changed since it was made.

    Attributes:
        prioritised: Whether transitions are drawn by priority.
    """

    prioritised: bool

    def __call__(self, hp: TracedHyperparameters, state: State) -> DQNState:
        runner, buffer = state
        buffer = storage.resize(buffer, logical_size(hp, buffer))
        if self.prioritised:
            buffer = replay.rebuild_tree(buffer, hp.buffer_alpha)
        opt_state = with_learning_rate(runner.train_state.opt_state, hp.learning_rate)
        train_state = runner.train_state.replace(opt_state=opt_state)
        if train_state.target_params is None:
            target_params = jax.tree.map(jnp.copy, train_state.params)
            train_state = train_state.replace(target_params=target_params)
        train_state = follow_without_target(hp, train_state)
        return DQNState(runner._replace(train_state=train_state), buffer)


@dataclasses.dataclass(frozen=True)
class Structure(Learning):
    """Everything that shapes training, apart from the shapes of its arrays.

    Attributes:
        agent: Everything that shapes acting.
        batch_sizes: The numbers of transitions in a gradient step for which the program has
            code, in increasing order.
        prioritised: Whether transitions are drawn by priority.
        extensions: The extensions that are compiled in.
        known: Facts about its members, for programs that do not wait.
        fused: Whether one GPU kernel computes a gradient step.
    """

    agent: AgentStructure
    batch_sizes: tuple[int, ...]
    prioritised: bool
    extensions: Extensions = NONE
    known: Known | None = None
    fused: bool = False
    statistics = STATISTICS  # the same for all, so not a field

    def begin(self, state: State) -> State:
        runner, buffer = state
        return DQNState(runner, replay.with_wide_tree(buffer)) if self.prioritised else state

    def end(self, state: State) -> State:
        runner, buffer = state
        return DQNState(runner, replay.with_binary_tree(buffer)) if self.prioritised else state

    def iterate(self, inputs: Inputs, carry: Carry, active: Active) -> Carry:
        """``train_freq`` vector steps, target updates that are due, ``gradient_steps`` updates."""
        step_before = carry.state[0].global_step
        if self.agent.keeps_ends:
            carry = carry._replace(state=self._with_cuts(inputs.hp, carry.state, active))
        carry = self.collect(inputs, carry, active)
        runner, buffer = carry.state
        n_envs = self.agent.env.n_envs
        train_state = update_target(
            inputs.hp, n_envs, runner.train_state, step_before, runner.global_step, self.fused
        )
        state = DQNState(runner._replace(train_state=train_state), buffer)
        return self.learn(inputs, carry._replace(state=state), active)

    def _with_cuts(self, hp: TracedHyperparameters, state: State, active: Active) -> State:
        """The state; its buffer marks episodes left between two iterations as cut off."""
        runner, buffer = state
        size, n_envs = logical_size(hp, buffer), self.agent.env.n_envs
        return DQNState(runner, windows.with_cuts(buffer, runner.obs, size, n_envs, active))

    def collect(self, inputs: Inputs, carry: Carry, active: Active) -> Carry:
        """Stores ``train_freq`` vector steps in the buffer."""
        n_steps = lockstep.turns(inputs.hp.train_freq, active)
        at_most = self.known and self.known.train_freq
        step = partial(self.vector_step, inputs)
        return lockstep.repeat(n_steps, step, carry, inputs.axis, at_most)

    def vector_step(self, inputs: Inputs, carry: Carry, active: Active) -> Carry:
        """One step of all environments."""
        hp, agent = inputs.hp, self.agent
        runner, buffer = carry.state
        step = runner.global_step
        collect_draws, now = draw_row(
            carry.draws.collect, runner.rng, Stream.COLLECT, step, self._draw_collect, inputs.axis
        )
        normalizer_state = running_statistics.update(
            runner.normalizer_state, agent.features(runner.obs)
        )
        epsilon = exploration(inputs, agent.env.n_envs, step)
        standardised = runner._replace(normalizer_state=normalizer_state)
        action, env_state = agent.explore(hp, standardised, now.actions, epsilon)
        env_state, (obs, reward, done, info) = agent.env.step(env_state, action, now.env_key)
        stored = StoredTransition(
            runner.obs,
            action,
            reward,
            info["final_observation"],
            info["terminated"],
            info["truncated"] if agent.keeps_ends else None,
        )
        alpha = hp.buffer_alpha if self.prioritised else None
        buffer = storage.append(buffer, stored, logical_size(hp, buffer), alpha, active)
        taken = Transition(done, action, reward, runner.obs, _kept_info(info))
        after = (normalizer_state, env_state, obs, step + 1)
        before = (runner.normalizer_state, runner.env_state, runner.obs, step)
        normalizer_state, env_state, obs, step = lockstep.keep(active, after, before)
        runner = runner._replace(
            normalizer_state=normalizer_state, env_state=env_state, obs=obs, global_step=step
        )
        return Carry(
            DQNState(runner, buffer),
            record_step(carry.recorder, taken),
            carry.draws._replace(collect=collect_draws),
        )

    def learn(self, inputs: Inputs, carry: Carry, active: Active) -> Carry:
        """``gradient_steps`` updates, but none before learning starts."""
        hp = inputs.hp
        idle_until = last_idle_step(hp.learning_starts, self.agent.env.n_envs)
        started = carry.state[0].global_step > idle_until
        n_updates = lockstep.turns(jnp.where(started, hp.gradient_steps, 0), active)
        # One loop for each size, and only one of them makes any turns. Compiling another batch
        # size this way takes a sixth to a quarter of the time for another program, and updates
        # are equally fast.
        for batch_size in self.batch_sizes:
            n = jnp.where(hp.buffer_batch_size == batch_size, n_updates, 0)
            step = partial(self.gradient_step, inputs, batch_size)
            at_most = self.known and self.known.gradient_steps
            carry = lockstep.repeat(n, step, carry, inputs.axis, at_most)
        return carry

    def gradient_step(self, inputs: Inputs, batch_size: int, carry: Carry, active: Active) -> Carry:
        """One update on a new batch of this many transitions."""
        agent = self.agent
        runner, buffer = carry.state
        timesteps = batches.timesteps_done(runner.global_step, agent.env.n_envs)
        hp = batches.scheduled(inputs.hp, timesteps, inputs.schedule_timesteps)
        counter = runner.train_state.step
        block, draw = carry.draws.sample[batch_size], partial(self._draw_sample, batch_size)
        sample_draws, now = draw_row(block, runner.rng, Stream.SAMPLE, counter, draw, inputs.axis)
        rows, weights = self._sample(hp, buffer, now)
        n_step = self.extensions.n_step
        batch = batches.batch_of(agent, hp, runner, buffer, rows, weights, n_step)
        if self.fused:
            nonlinearity, with_grads = agent.network.activation, carry.recorder.has_updates
            outcome = update_by_kernel(
                nonlinearity, runner.train_state, batch, active, with_grads=with_grads
            )
            train_state = outcome.train_state
        else:
            noisy = networks.is_noisy(agent.network)
            key = stream_key(runner.rng, Stream.NOISE_OF_LEARNING, counter) if noisy else None
            outcome = batches.learn_from(agent, hp, runner.train_state, batch, key)
            train_state = lockstep.keep(active, outcome.train_state, runner.train_state)
        if self.prioritised:
            priorities = outcome.priorities + hp.buffer_epsilon
            buffer = replay.set_priorities(buffer, rows, priorities, hp.buffer_alpha, active)
        if self.known is None or not self.known.all_targets:
            train_state = follow_without_target(hp, train_state)
        runner = runner._replace(train_state=train_state)
        metrics = DQNMetrics(outcome.loss, outcome.grads, outcome.td_error)
        numbers = partial(statistics_of, metrics, outcome.q_value)
        return Carry(
            DQNState(runner, buffer),
            record_update(carry.recorder, metrics, numbers, active),
            carry.draws._replace(sample={**carry.draws.sample, batch_size: sample_draws}),
        )

    def _sample(
        self, hp: TracedHyperparameters, buffer: Any, draws: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Rows ``[B]`` and their importance weights ``[B]``."""
        if self.prioritised:
            rows, probabilities = replay.sample_prioritised(buffer, draws)
            return rows, losses.importance_weights(probabilities, hp.buffer_beta)
        rows = replay.sample_uniform(buffer, draws, logical_size(hp, buffer))
        return rows, jnp.ones(rows.shape, jnp.float32)

    @property
    def span(self) -> int:
        return SPAN if self.known is None else max(1, SPAN // max(self.known[:2]))

    @property
    def has_kernel(self) -> bool:
        return self.fused

    def for_accelerator(self, hps: Sequence[TracedHyperparameters], kernels: bool) -> Structure:
        train_freq = max(int(hp.train_freq) for hp in hps)
        gradient_steps = max(int(hp.gradient_steps) for hp in hps)
        return dataclasses.replace(
            self,
            known=Known(train_freq, gradient_steps, all(bool(hp.use_target_network) for hp in hps)),
            fused=kernels and not self.extensions and self.agent.fits_a_kernel(self.batch_sizes),
        )

    def no_draws(self, rng: chex.PRNGKey) -> Draws:
        sample = {
            size: no_block(rng, partial(self._draw_sample, size)) for size in self.batch_sizes
        }
        return Draws(no_block(rng, self._draw_collect), sample)

    def _draw_collect(self, rng: chex.PRNGKey) -> CollectDraws:
        action_key, env_key = jax.random.split(rng)
        return CollectDraws(
            self.agent.draw_actions(action_key, (BLOCK, self.agent.env.n_envs)),
            jax.random.split(env_key, BLOCK),
        )

    def _draw_sample(self, batch_size: int, rng: chex.PRNGKey) -> jax.Array:
        if self.prioritised:
            return jax.random.uniform(rng, (BLOCK, batch_size), jnp.float32)
        return jax.random.bits(rng, (BLOCK, batch_size), jnp.uint32)

    @property
    def label(self) -> str:
        return str(self.batch_sizes)

    @property
    def preparation(self) -> Preparation:
        return Preparation(self.prioritised)

    def step_record(self) -> Transition:
        return transition_shape(example_transition(self.agent), self.agent.env.n_envs)

    def update_record(self, hp: TracedHyperparameters) -> DQNMetrics:
        # Only one batch size has records.
        return metrics_shape(fresh_runner(self.agent).train_state.params, self.batch_sizes[0])

    def loss_record(self, hp: TracedHyperparameters) -> DQNMetrics:
        return self.update_record(hp)._replace(grads=None, td_error=None)

    def count_updates(self, hp: TracedHyperparameters, begin: int | None, n_iterations: int) -> int:
        return forecast.count_updates(hp, self.agent.env.n_envs, begin, n_iterations)

    def result(self, eval_rewards: jax.Array, trajectories: Any, metrics: Any) -> DQNTrainingResult:
        return DQNTrainingResult(eval_rewards, trajectories, metrics)

    def fault(self, state: State) -> jax.Array | None:
        return storage.has_overflowed(state[1])

    @property
    def fault_sentence(self) -> str:
        return self.agent.overflow_sentence

    def given(self, state: State) -> Mapping[str, Any]:
        return storage.given(state[1])

    def divergence_cure(self, hp: TracedHyperparameters) -> str:
        return f"lower learning_rate (now {float(hp.learning_rate):g}) or scale the rewards down"


def exploration(inputs: Inputs, n_envs: int, global_step: chex.Numeric) -> jax.Array:
    """The probability of a random action in the vector step after ``global_step``."""
    hp = inputs.hp
    return losses.epsilon(
        jnp.asarray(global_step, jnp.float32) * n_envs,
        hp.initial_epsilon,
        hp.target_epsilon,
        hp.exploration_fraction,
        inputs.schedule_timesteps,
    )


def _kept_info(info: dict[str, Any]) -> dict[str, Any]:
    return {name: info[name] for name in ("terminated", "truncated", "final_observation")}
