"""Tabular Q-learning (Watkins 1989): a complete algorithm, independent of all others.

It learns online, without replay: every vector step updates the values of the actions taken, one
environment after another. Observations are whole numbers, or boxes that are divided into bins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core import lockstep, randomness
from arlbench.core.algorithms import declarations
from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.declarations import POSITIVE, PROBABILITY, flag, real, whole
from arlbench.core.algorithms.harness import programs, validation
from arlbench.core.algorithms.harness.recording import record_step, record_update
from arlbench.core.algorithms.harness.structure import Acting, Carry, Inputs, Learning, State
from arlbench.core.environments import Environment
from arlbench.core.lockstep import Active
from arlbench.core.randomness import Stream
from arlbench.core.shapes import ArrayTemplate, any_number
from arlbench.errors import ConfigurationError, UnknownEnvironmentError

_FADES = declarations.Condition("fades", True)


class Hyperparameters(NamedTuple):
    """Inputs of the compiled program, each a scalar ``[]``; structural ones are None."""

    step_size: Annotated[Any, real(1e-3, 1.0, 0.1, POSITIVE, log=True)]
    discount: Annotated[Any, real(0.8, 1.0, 0.95, PROBABILITY)]
    exploration: Annotated[Any, real(0.05, 1.0, 0.3, PROBABILITY)]
    fades: Annotated[Any, flag(False)]
    least_exploration: Annotated[Any, real(0.0, 0.2, 0.0, PROBABILITY, active_if=_FADES)]
    sweep_length: Annotated[Any, whole(1, 64, 4)]
    on_policy: Annotated[Any, flag(False, structural=True)]


class Architecture(NamedTuple):
    """The architecture choices of the table."""

    n_bins: Annotated[int, whole(2, 100, 20, structural=True)]


HYPERPARAMETERS = declarations.declared(Hyperparameters)
ARCHITECTURE_CHOICES = declarations.declared(Architecture)


class RunnerState(NamedTuple):
    """The state of a run; ``table`` holds values, float32 ``[n_states, n_actions]``."""

    rng: jax.Array
    env_state: Any
    obs: jax.Array
    global_step: jax.Array
    table: jax.Array


class Step(NamedTuple):
    """One vector step, ``[n_envs]`` each; records have a first axis of steps."""

    state: jax.Array
    action: jax.Array
    reward: jax.Array
    next_state: jax.Array
    terminated: jax.Array


class Result(NamedTuple):
    """The result of a training: returns of evaluations, steps, and TD errors of updates."""

    eval_rewards: jax.Array
    trajectories: Step | None
    metrics: jax.Array | None


@dataclasses.dataclass(frozen=True)
class TableActing(Acting):
    """The static part of acting: the table's size, and its initial value."""

    env: Environment
    eval_env: Environment
    deterministic_eval: bool
    n_bins: int
    optimism: float

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of states and actions."""
        space: Any = self.env.observation_space
        is_box = isinstance(space, spaces.Box)
        n_states = self.n_bins ** int(np.prod(space.shape)) if is_box else int(space.n)
        return n_states, int(self.env.action_space.n)  # type: ignore[attr-defined]

    @property
    def label(self) -> str:
        return f"table of {self.shape}"

    def state_of(self, obs: jax.Array) -> jax.Array:
        """The row of each observation, int32 ``[B]``."""
        space = self.env.observation_space
        if not isinstance(space, spaces.Box):
            return obs.astype(jnp.int32)
        low, width = space.low.ravel(), (space.high - space.low).ravel() / self.n_bins
        flat = obs.reshape(obs.shape[0], -1).astype(jnp.float32)
        bins = jnp.clip(jnp.floor((flat - low[None]) / width[None]), 0, self.n_bins - 1)
        weights = self.n_bins ** np.arange(flat.shape[1])
        return jnp.sum(bins.astype(jnp.int32) * weights[None].astype(np.int32), axis=1)

    def init_runner(self, hp: Hyperparameters, rng: jax.Array, parts: Any) -> RunnerState:
        env_state, obs = self.env.reset(randomness.stream_key(rng, Stream.ENV_RESET))
        table = jnp.full(self.shape, self.optimism, jnp.float32)
        return RunnerState(jnp.copy(rng), env_state, obs, jnp.int32(0), table)

    def init_buffer(self, **options: Any) -> tuple[()]:
        return ()

    def act(self, hp: Any, runner_state: Any, obs: Any, rng: Any, deterministic: bool) -> jax.Array:
        best = jnp.argmax(runner_state.table[self.state_of(obs)], axis=1).astype(jnp.int32)
        if deterministic:
            return best
        explore_key, action_key = jax.random.split(rng)
        random = jax.random.randint(action_key, best.shape, 0, self.shape[1], jnp.int32)
        return jnp.where(jax.random.uniform(explore_key, best.shape) < hp.exploration, random, best)

    def learnt(self, runner_state: RunnerState) -> jax.Array:
        return runner_state.table


def unchanged(hp: Hyperparameters, state: State) -> State:
    """Returns the state unchanged, because states do not contain hyperparameters."""
    return state


@dataclasses.dataclass(frozen=True)
class TableLearning(Learning):
    """The static part of learning: whether values are those of the exploring policy."""

    agent: TableActing
    on_policy: bool
    statistics = ("td_error", "value")

    @property
    def label(self) -> str:
        return "on policy" if self.on_policy else "off policy"

    @property
    def preparation(self) -> Callable[[Any, State], State]:
        return unchanged

    def no_draws(self, rng: jax.Array) -> Any:
        return randomness.no_block(rng, self.draw)

    def draw(self, rng: jax.Array) -> Any:
        """The draws for a block of vector steps: whether to explore, random actions, keys."""
        keys, shape = jax.random.split(rng, 3), (randomness.BLOCK, self.agent.env.n_envs)
        explore = jax.random.uniform(keys[0], shape)
        action = jax.random.randint(keys[1], shape, 0, self.agent.shape[1], jnp.int32)
        return explore, action, jax.random.split(keys[2], shape[0])

    def iterate(self, inputs: Inputs, carry: Carry, active: Active) -> Carry:
        n_steps = lockstep.turns(inputs.hp.sweep_length, active)
        return lockstep.repeat(n_steps, partial(self.sweep, inputs), carry, inputs.axis)

    def sweep(self, inputs: Inputs, carry: Carry, active: Active) -> Carry:
        """Takes one step of all environments, and learns from it."""
        agent, (before, buffer) = self.agent, carry.state
        step = before.global_step
        block, (explore, random, env_key) = randomness.draw_row(
            carry.draws, before.rng, Stream.COLLECT, step, self.draw, inputs.axis
        )
        epsilon, state = self.exploration(inputs, step), agent.state_of(before.obs)
        greedy = agent.act(inputs.hp, before, before.obs, None, True)
        action = jnp.where(explore < epsilon, random, greedy)
        env_state, (obs, reward, _, info) = agent.env.step(before.env_state, action, env_key)
        next_state = agent.state_of(info["final_observation"])
        taken = Step(state, action, reward, next_state, info["terminated"])
        table, td_error = self.learn(inputs.hp, epsilon, before.table, taken)
        after = (env_state, obs, step + 1, table)
        runner = RunnerState(before.rng, *lockstep.keep(active, after, tuple(before[1:])))

        def numbers() -> jax.Array:
            return jnp.stack([jnp.mean(jnp.abs(td_error)), jnp.mean(table[state, action])])

        recorder = record_step(carry.recorder, taken)
        return Carry((runner, buffer), record_update(recorder, td_error, numbers, active), block)

    def exploration(self, inputs: Inputs, step: Any) -> jax.Array:
        """The probability of a random action."""
        hp = inputs.hp
        done = step * self.agent.env.n_envs / inputs.schedule_timesteps
        faded = jnp.maximum(hp.exploration * (1 - done), hp.least_exploration)
        return jnp.where(hp.fades, faded, hp.exploration)

    def learn(
        self, hp: Hyperparameters, epsilon: jax.Array, table: jax.Array, taken: Step
    ) -> tuple[jax.Array, jax.Array]:
        """The table after the steps of all environments, and the TD errors ``[n_envs]``."""

        def learn_one(table: jax.Array, one: Step) -> tuple[jax.Array, jax.Array]:
            after = table[one.next_state]
            value = jnp.max(after)
            if self.on_policy:
                value = (1 - epsilon) * value + epsilon * jnp.mean(after)
            target = one.reward + jnp.where(one.terminated, 0.0, hp.discount * value)
            td_error = target - table[one.state, one.action]
            return table.at[one.state, one.action].add(hp.step_size * td_error), td_error

        return jax.lax.scan(learn_one, table, taken)

    def step_record(self) -> Step:
        leaf: Any = partial(jax.ShapeDtypeStruct, (self.agent.env.n_envs,))
        return Step(*map(leaf, [np.int32, np.int32, np.float32, np.int32, np.bool_]))

    def update_record(self, hp: Hyperparameters) -> Any:
        return jax.ShapeDtypeStruct((self.agent.env.n_envs,), np.float32)

    def count_updates(self, hp: Hyperparameters, begin: int | None, n_iterations: int) -> int:
        return n_iterations * int(hp.sweep_length)

    def result(self, eval_rewards: jax.Array, trajectories: Any, metrics: Any) -> Result:
        return Result(eval_rewards, trajectories, metrics)

    def divergence_cure(self, hp: Hyperparameters) -> str:
        return f"lower step_size (now {float(hp.step_size):g})"


class TabularQ(Algorithm[RunnerState, tuple[()], Result]):
    """Tabular Q-learning."""

    name = "tabular_q"
    title = "Tabular Q"
    environment_parts = ("env_state", "obs")
    tracked_parts = {"trajectories": "track_trajectories", "td_error": "track_metrics"}  # noqa: RUF012

    def __init__(
        self,
        hpo_config: Any,
        env: Environment,
        eval_env: Environment | None = None,
        *,
        nas_config: Any = None,
        deterministic_eval: bool = True,
        optimism: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(hpo_config, env, eval_env, **options)
        if not isinstance(env.action_space, spaces.Discrete):
            raise UnknownEnvironmentError(f"{env.env_name} has no finite set of actions.")
        choices = declarations.resolve(nas_config, ARCHITECTURE_CHOICES, "architecture choice")
        self.nas_config = declarations.ReadOnlyConfig(choices)
        self.agent = TableActing(
            self.env, self.eval_env, deterministic_eval, choices["n_bins"], float(optimism)
        )
        self.hpo_config = {}
        self.update_hpo_config(hpo_config or {})

    @staticmethod
    def hyperparameters() -> Any:
        return HYPERPARAMETERS

    @staticmethod
    def architecture_choices() -> Any:
        return ARCHITECTURE_CHOICES

    def update_hpo_config(self, hpo_config: Any) -> None:
        known, current = HYPERPARAMETERS, self.hpo_config
        config = declarations.resolve(hpo_config, known, "hyperparameter", current)
        self.hpo_config = declarations.ReadOnlyConfig(config)
        self.hp = Hyperparameters(**declarations.inputs(config, known))
        self.structure = TableLearning(self.agent, config["on_policy"])

    def describe_agent(self) -> str:
        return self.agent.label

    def init(self, rng: jax.Array) -> tuple[RunnerState, tuple[()]]:
        rng = randomness.typed_key(rng)
        if validation.is_traced((rng, self.hp)):
            return self.agent.init_runner(self.hp, rng, None), ()
        return programs.init_runner(self.agent, rng, None, self.hp), ()

    def check_state(self, runner_state: RunnerState, buffer_state: tuple[()]) -> None:
        if not isinstance(runner_state, RunnerState) or buffer_state != ():
            raise ConfigurationError("train takes the state that init returned: train(*state).")
        expected = jax.ShapeDtypeStruct(self.agent.shape, np.float32)
        validation.same_structure("table", runner_state.table, expected)

    @staticmethod
    def get_checkpoint_factory(
        runner_state: RunnerState, train_result: Result | None
    ) -> dict[str, Callable[[], Any]]:
        of_state = {name: partial(getattr, runner_state, name) for name in RunnerState._fields}
        return {
            **of_state,
            "eval_rewards": lambda: train_result and train_result.eval_rewards,
            "trajectories": lambda: train_result and train_result.trajectories,
            "td_error": lambda: train_result and train_result.metrics,
        }

    def checkpoint_template(self) -> dict[str, Any]:
        runner = jax.eval_shape(lambda: self.agent.init_runner(self.hp, jax.random.key(0), None))
        records = self.structure.step_record(), self.structure.update_record(self.hp)
        eval_rewards: Any = ArrayTemplate((None, None), np.float32)
        result = Result(eval_rewards, *jax.tree.map(any_number, records))
        return {name: part() for name, part in self.get_checkpoint_factory(runner, result).items()}

    def restore(self, parts: Mapping[str, Any], state: Any = None) -> tuple[RunnerState, tuple[()]]:
        runner, buffer = self.init(jax.random.key(0)) if state is None else state
        return runner._replace(**{n: parts[n] for n in RunnerState._fields if n in parts}), buffer

    @property
    def acting_parts(self) -> tuple[str, ...]:
        return ("table",)

    @property
    def steps_per_iteration(self) -> Any:
        return self.env.n_envs * self.hpo_config["sweep_length"]

    def check_length(self, n_total_timesteps: int) -> None:
        """It learns from every step."""

    def cost(self, n_total_timesteps: int | float) -> float:
        return float(n_total_timesteps)
