"""Measures stable-baselines3's DQN in one environment, in its own virtual environment.

A job is read from standard input, as in the runners of ``peers/``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers" / "runners"))

import protocol
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.vec_env import VecFrameStack

#: Vector steps before a measurement.
WARM_UP = 32

PACKAGES = ("stable-baselines3", "torch", "gymnasium", "numpy", "ale-py")


def environment(job):
    if not job["cnn_policy"]:
        return make_vec_env(job["environment"], n_envs=job["n_envs"], seed=0)
    import ale_py
    import gymnasium

    gymnasium.register_envs(ale_py)
    settings = {"frameskip": 1, "repeat_action_probability": 0.0}
    name = f"ALE/{job['environment']}"
    env = make_atari_env(name, n_envs=job["n_envs"], seed=0, env_kwargs=settings)
    return VecFrameStack(env, n_stack=4)


def make(job):
    config = job["config"]
    if job["cnn_policy"]:
        policy_kwargs = {"features_extractor_kwargs": {"features_dim": config["hidden_size"]}}
    else:
        # Two threads were slower when tried, because kernels of a small network are short.
        torch.set_num_threads(1)
        activation = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[config["activation"]]
        policy_kwargs = {"net_arch": [config["hidden_size"]] * 2, "activation_fn": activation}
    return DQN(
        "CnnPolicy" if job["cnn_policy"] else "MlpPolicy",
        environment(job),
        learning_rate=config["learning_rate"],
        buffer_size=config["buffer_size"],
        learning_starts=job["n_envs"],
        batch_size=config["buffer_batch_size"],
        tau=config["tau"],
        gamma=config["gamma"],
        train_freq=config["train_freq"],
        gradient_steps=config["gradient_steps"],
        target_update_interval=config["target_update_interval"],
        # As here, a measurement is the beginning of a million steps.
        exploration_fraction=1e6 * config["exploration_fraction"] / job["timesteps"],
        exploration_final_eps=config["target_epsilon"],
        policy_kwargs=policy_kwargs,
        device="cpu",
        seed=0,
    )


def measure(job):
    """Environment steps per second over about this many seconds, after some to warm up."""
    job["timesteps"] = 1e9
    model = make(job)
    begin = steps = updates = None

    def clocks():
        return time.perf_counter(), time.process_time()

    def watch(*_):
        nonlocal begin, steps, updates
        if begin is None and model.num_timesteps >= WARM_UP * job["n_envs"]:
            begin, steps, updates = clocks(), model.num_timesteps, model._n_updates
        return begin is None or time.perf_counter() - begin[0] < job["seconds"]

    model.learn(int(job["timesteps"]), callback=watch)
    wall, processor = (now - then for now, then in zip(clocks(), begin, strict=True))
    done = model.num_timesteps - steps
    protocol.answer(
        PACKAGES,
        wall=done / wall,
        processor=done / processor,
        updates_per_step=(model._n_updates - updates) / done,
        torch_threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    measure(protocol.read_job())
