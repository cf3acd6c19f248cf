"""A schedule of AutoRLEnv with the calls of arlbench 0.1.3, which this project accepts too.

The interpreter's environment decides which of the two packages runs, so both run the same lines.
A job is read from standard input, as in the runners of ``peers/``.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers" / "runners"))

import protocol

PACKAGES = ("arlbench", "jax", "jaxlib", "flax", "flashbax", "gymnax", "numpy")


def schedule(job):
    """Every action in turn, with the seconds and the programs of each step."""
    begin = time.perf_counter()
    from ConfigSpace import Configuration

    from arlbench import AutoRLEnv

    compilations = protocol.Compilations()
    env = AutoRLEnv(job["settings"])
    actions = [Configuration(env.config_space, values=values) for values in job["actions"]]
    each, programs, observed, returns = [], [], [], []

    def step(action):
        observation, objectives, *_ = env.step(action)
        # Here the number includes this step; in arlbench 0.1.3 it does not.
        observed.append(observation["steps"].tolist())
        returns.append(float(objectives["reward_mean"]))

    ready = time.perf_counter()
    env.reset()
    for action in actions:
        before = len(compilations)
        each.append(protocol.seconds(lambda action=action: step(action)))
        programs.append(len(compilations) - before)
    protocol.answer(
        PACKAGES,
        ready_seconds=ready - begin,
        schedule_seconds=time.perf_counter() - ready,
        step_seconds=each,
        step_programs=programs,
        compilations=compilations.summary(),
        observed_steps=observed,
        returns=returns,
    )


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    schedule(protocol.read_job())
