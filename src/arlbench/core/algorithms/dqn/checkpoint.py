"""The named parts of a state: to save, to pass to ``init``, and to put together into a state."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState
from flax.core.frozen_dict import FrozenDict, unfreeze

from arlbench.core.algorithms import framing
from arlbench.core.algorithms.dqn import forecast
from arlbench.core.algorithms.dqn.agent import (
    AgentStructure,
    Parts,
    example_transition,
    fresh_runner,
)
from arlbench.core.algorithms.dqn.extensions import exploring, windows
from arlbench.core.algorithms.dqn.state import (
    DQNRunnerState,
    DQNState,
    DQNTrainingResult,
    metrics_shape,
    transition_shape,
)
from arlbench.core.algorithms.harness import programs, validation
from arlbench.core.algorithms.harness.structure import as_static
from arlbench.core.buffers import frame_packing, frames, packing, replay, storage
from arlbench.core.shapes import ArrayTemplate, OneOf, any_number
from arlbench.errors import ConfigurationError

_TRAIN_STATE = {
    "opt_state": "opt_state",
    "params": "params",
    "target_params": "target_params",
    "train_step": "step",
}
# Names of layers in arlbench 0.1.3, and their names here.
_PUBLISHED_LAYERS = {
    "conv1": "convolutions_0",
    "conv2": "convolutions_1",
    "conv3": "convolutions_2",
    "dense": "hidden",
    "dense0": "hidden_0",
    "dense1": "hidden_1",
    "out_layer": "out",
}
_RUNNER_STATE = ("normalizer_state", "env_state", "obs", "rng", "global_step")

#: Parts that belong to the environment.
ENVIRONMENT_PARTS = ("env_state", "obs")

#: Parts that are records, each with the setting that keeps it.
TRACKED_PARTS = {
    "trajectories": "track_trajectories",
    "loss": "track_losses",
    "grads": "track_metrics",
    "td_error": "track_metrics",
}

#: Options whose records belong to "all" parts; gradients would need far too much memory.
TRACKED_BY_ALL = ("track_trajectories", "track_losses")

#: For a part that is saved, the parts that are saved with it.
COMPANION_PARTS = {"params": ("target_params",)}

#: Extensions that add arrays to a part: where episodes were cut off, and which actions last.
EXTENDED_PARTS = {"n_step": "buffer", "exploration": "env_state"}


def checkpoint_factory(
    runner_state: DQNRunnerState, train_result: DQNTrainingResult | None
) -> dict[str, Callable[[], Any]]:
    """A function for each part that can be saved.

    These are ``opt_state``, ``params``, ``target_params``, ``loss`` and ``trajectories``; the
    other parts that an exact continuation needs: ``train_step``, ``normalizer_state``,
    ``env_state``, ``obs``, ``rng`` and ``global_step``; and, from the training's result,
    ``eval_rewards``, ``grads`` and ``td_error``.
    """
    train_state = runner_state.train_state
    metrics = train_result.metrics if train_result else None
    return {
        "opt_state": lambda: train_state.opt_state,
        "params": lambda: train_state.params,
        "target_params": lambda: train_state.target_params,
        "loss": lambda: metrics.loss if metrics else None,
        "trajectories": lambda: train_result.trajectories if train_result else None,
        "train_step": lambda: train_state.step,
        "normalizer_state": lambda: runner_state.normalizer_state,
        "env_state": lambda: runner_state.env_state,
        "obs": lambda: runner_state.obs,
        "rng": lambda: runner_state.rng,
        "global_step": lambda: runner_state.global_step,
        "eval_rewards": lambda: train_result.eval_rewards if train_result else None,
        "grads": lambda: metrics.grads if metrics else None,
        "td_error": lambda: metrics.td_error if metrics else None,
    }


def template(agent: AgentStructure) -> dict[str, Any]:
    """Shapes of every part, and of the packed buffer; a length of None stands for any length."""
    runner, example = fresh_runner(agent), example_transition(agent)
    trajectories = transition_shape(example, agent.env.n_envs)
    metrics = metrics_shape(runner.train_state.params, 1)
    trajectories, metrics = jax.tree.map(any_number, (trajectories, metrics))
    # Records of batches of another size also fit.
    metrics = metrics._replace(td_error=ArrayTemplate((None, None), np.float32))
    eval_rewards: Any = ArrayTemplate((None, None), np.float32)
    result = DQNTrainingResult(eval_rewards, trajectories, metrics)
    shapes = {name: part() for name, part in checkpoint_factory(runner, result).items()}
    return {**shapes, "buffer": _buffer_template(agent)}


def _buffer_template(agent: AgentStructure) -> Any:
    """Shapes of the packed buffer; a training run can continue from both kinds of buffers."""
    example = example_transition(agent)
    layout = framing.layout_of(agent.env, example)
    plain = packing.template(example)
    if layout is None:
        return plain
    framed = frame_packing.template(example, agent.env.n_envs, layout)
    return OneOf((plain, framed) if agent.frames is None else (framed, plain))


def restore(state: DQNState, parts: Mapping[str, Any]) -> DQNState:
    """The state with these parts instead of its own."""
    runner, buffer = state
    train_state = runner.train_state.replace(
        **{field: parts[name] for name, field in _TRAIN_STATE.items() if name in parts}
    )
    runner = runner._replace(
        train_state=train_state, **{name: parts[name] for name in _RUNNER_STATE if name in parts}
    )
    if "buffer" in parts:
        buffer = storage.unpack(parts["buffer"])
    return DQNState(runner, buffer)


def given_parts(
    agent: AgentStructure, network_params: Any, target_params: Any, opt_state: Any
) -> Parts | None:
    """The parts that a caller gives to ``init``; None if no parts are given.

    Raises:
        ConfigurationError: If a part does not fit; the message names the leaf and both shapes.
    """
    given = Parts(_plain(network_params), _plain(target_params), opt_state)
    if all(part is None for part in given):
        return None
    fresh = fresh_runner(agent).train_state
    expected = Parts(fresh.params, fresh.params, fresh.opt_state)
    names = ("network_params", "target_params", "opt_state")
    for name, part, like in zip(names, given, expected, strict=True):
        if part is not None:
            validation.same_structure(name, part, like)
    return given


def first_buffer(
    agent: AgentStructure,
    given: PrioritisedTrajectoryBufferState | None,
    size: int,
    capacity: int | None,
    limit_gib: float,
) -> PrioritisedTrajectoryBufferState:
    """A copy of the buffer that a caller gives to ``init``, or an empty one.

    Raises:
        ConfigurationError: If it does not fit, or if a capacity is given too.
        MemoryLimitError: If a new one would need more memory than the limit.
    """
    if given is None:
        rows = forecast.rows_to_allocate(agent, size, capacity, limit_gib)
        return programs.init_buffer(agent, as_static({"capacity": rows}))
    if capacity is not None:
        raise ConfigurationError("Give init either a buffer_state or a capacity, not both.")
    return given_buffer(agent, given)


def given_buffer(
    agent: AgentStructure, given: PrioritisedTrajectoryBufferState
) -> PrioritisedTrajectoryBufferState:
    """A copy of a buffer that a caller gives, after checking that its rows fit this agent.

    Raises:
        ConfigurationError: If they do not fit; the message names the part.
    """
    _require_fitting_buffer(agent, given)
    copied: PrioritisedTrajectoryBufferState = programs.copy(given)
    if agent.keeps_ends and not frames.is_framed(given):
        # The buffer does not say how many environments filled it.
        copied = windows.with_breaks(copied, agent.env.n_envs)
    return copied


def check_state(agent: AgentStructure, runner_state: Any, buffer_state: Any) -> None:
    """Checks that a state belongs to this agent.

    Raises:
        ConfigurationError: If it comes from another network or environment; the message names
            the part that does not fit.
    """
    if not isinstance(runner_state, DQNRunnerState) or not isinstance(
        buffer_state, PrioritisedTrajectoryBufferState
    ):
        raise ConfigurationError(
            "train takes a runner_state and a buffer_state, in this order; call train(*state)."
        )
    if exploring.is_persisting(runner_state.env_state) != exploring.is_persisting(agent.env):
        raise ConfigurationError(
            "Only states of agents with the extension exploration know which random actions last, "
            "so this state does not fit; make it with the same extensions, as in "
            "DQN(..., extensions=['exploration'])."
        )
    given, expected = _comparable(runner_state), _comparable(fresh_runner(agent))
    if runner_state.train_state.target_params is None:
        del given["target_params"], expected["target_params"]
    validation.same_structure("runner_state", given, expected)
    _require_fitting_buffer(agent, buffer_state)


def check_acting(agent: AgentStructure, runner_state: Any) -> None:
    """Checks what an agent needs of a runner state to act; it may come from other environments.

    Raises:
        ConfigurationError: If it is not a runner state, or belongs to another network.
    """
    if not isinstance(runner_state, DQNRunnerState):
        raise ConfigurationError(
            f"runner_state must be a DQNRunnerState, not a {type(runner_state).__name__}; it is "
            "the first part of a state: state.runner_state."
        )
    given, expected = (_needed_to_act(each) for each in (runner_state, fresh_runner(agent)))
    validation.same_structure("runner_state", given, expected)


def _needed_to_act(runner: DQNRunnerState) -> dict[str, Any]:
    return {"params": runner.train_state.params, "normalizer_state": runner.normalizer_state}


def _require_fitting_buffer(agent: AgentStructure, buffer_state: Any) -> None:
    """Raises a ConfigurationError if an agent cannot write its transitions into a buffer."""
    known = replay.Experience | frames.FramedExperience
    if not isinstance(getattr(buffer_state, "experience", None), known):
        raise ConfigurationError(
            "buffer_state must be the buffer of an arlbench DQN, not a "
            f"{type(buffer_state).__name__} from elsewhere; take it from the state that init or "
            "train returned."
        )
    if storage.has_field(buffer_state, "cut_off") != agent.keeps_ends:
        raise ConfigurationError(
            "Only buffers of agents with the extension n_step know where episodes were cut off, so "
            "this buffer does not fit; make the state with the same extensions, as in "
            "DQN(..., extensions=['n_step'])."
        )
    # Both kinds of buffers can be continued.
    framed = frames.is_framed(buffer_state)
    layout = framing.layout_of(agent.env, example_transition(agent)) if framed else None
    like = dataclasses.replace(agent, frames=layout)
    expected = _empty_buffer(like, storage.capacity(buffer_state))
    validation.same_structure("buffer_state", buffer_state, expected)


@functools.lru_cache(maxsize=64)
def _empty_buffer(agent: AgentStructure, rows: int) -> Any:
    """Shapes and dtypes of a buffer state."""
    return jax.eval_shape(lambda: agent.init_buffer(rows))


def check_batch(
    agent: AgentStructure, observations: Any, next_observations: Any, **vectors: Any
) -> None:
    """Raises a ConfigurationError if the parts of a batch do not belong together."""
    example = example_transition(agent).obs
    validation.batch_of("observations", observations, example)
    validation.batch_of("next_observations", next_observations, example)
    batch_size = np.shape(jax.tree.leaves(observations)[0])[0]
    for name, value in vectors.items():
        if np.shape(value) != (batch_size,):
            raise ConfigurationError(
                f"{name} has the shape {np.shape(value)}, but needs ({batch_size},) like the "
                "observations."
            )
    if not np.issubdtype(vectors["actions"].dtype, np.integer):
        raise ConfigurationError(
            f"actions are {vectors['actions'].dtype}, but must be integers; use astype(int)."
        )


def _plain(params: Any) -> Any:
    """Parameters as an ordinary dict with the current names of layers."""
    plain = unfreeze(params) if isinstance(params, FrozenDict) else params
    layers = plain.get("params") if isinstance(plain, dict) else None
    if not isinstance(layers, dict) or "out_layer" not in layers:
        return plain
    return {**plain, "params": {_PUBLISHED_LAYERS.get(k, k): v for k, v in layers.items()}}


def _comparable(runner: DQNRunnerState) -> dict[str, Any]:
    """The parts of a state whose shapes must fit; any key fits."""
    train_state = runner.train_state
    return {
        "params": train_state.params,
        "target_params": train_state.target_params,
        "opt_state": train_state.opt_state,
        "normalizer_state": runner.normalizer_state,
        "env_state": runner.env_state,
        "obs": runner.obs,
    }
