"""Learnt values, compared with the known values of tiny environments."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN
from probes import (
    LEARNING,
    ActionReward,
    FinalObservation,
    ObservationReward,
    OneStep,
    Probe,
    TimeLimit,
    TwoSteps,
)

GAMMA = LEARNING["gamma"]

# Whether transitions are drawn by priority shapes the program; the other two do not.
SWITCHES = ["buffer_prio_sampling", "use_target_network", "normalize_observations"]
ALL = [(p, t, n) for p in (False, True) for t in (False, True) for n in (False, True)]
UNIFORM = [(False, True, False), (False, False, True)]
PRIORITISED = [(True, True, True), (True, False, False)]

CASES = [
    *((FinalObservation, switches) for switches in ALL),
    *((TwoSteps, switches) for switches in UNIFORM),
    # A step less than the one before.
    *(pytest.param(OneStep, switches, marks=pytest.mark.thorough) for switches in UNIFORM),
    *((ActionReward, switches) for switches in PRIORITISED),
    *((ObservationReward, switches) for switches in UNIFORM),
    *((TimeLimit, switches) for switches in PRIORITISED),
]


def learn(env: Probe, switches: tuple[bool, ...]) -> dict[float, np.ndarray]:
    """The learnt values for each observation."""
    config = {**LEARNING, **dict(zip(SWITCHES, switches, strict=True))}
    dqn = DQN(config, env, nas_config={"hidden_size": 16})
    runner, buffer = dqn.init(jax.random.key(0), capacity=512)
    (runner, _), _ = dqn.train(runner, buffer, 3000, n_eval_steps=1, n_eval_episodes=4)
    observations = np.array([[value] for value in env.values(GAMMA)], np.float32)
    learnt = dqn.structure.agent.q_values(
        runner.train_state.params, runner.normalizer_state, switches[2], observations
    )
    return dict(zip(env.values(GAMMA), np.asarray(learnt), strict=True))


def case_name(value: type[Probe] | tuple[bool, ...]) -> str:
    if isinstance(value, type):
        return value.__name__
    switched_on = [name for name, on in zip(SWITCHES, value, strict=True) if on]
    return "+".join(switched_on) or "none"


@pytest.mark.thorough
@pytest.mark.parametrize(("probe", "switches"), CASES, ids=case_name)
def test_the_learnt_values_are_the_known_ones(
    probe: type[Probe], switches: tuple[bool, ...]
) -> None:
    env = probe()
    learnt = learn(env, switches)
    for obs, values in env.values(GAMMA).items():
        np.testing.assert_allclose(learnt[obs], values, atol=0.05)
