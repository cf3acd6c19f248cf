"""Runs stable-baselines3 and sbx, which have the same interface.

They lack prioritised replay (uniform replay is measured instead, which is cheaper), and
bootstrapping without a target network (a copy at every step is used instead).
"""

from __future__ import annotations

import functools
import itertools

import protocol
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

# Two threads were slower when tried, because kernels of a small network take only microseconds.
torch.set_num_threads(1)


def make_model(job, config, algorithm, policy_kwargs, seed):
    with_target = config["use_target_network"]
    return algorithm(
        "MlpPolicy",
        make_vec_env("CartPole-v1", n_envs=job["n_envs"], seed=seed),
        learning_rate=config["learning_rate"],
        buffer_size=config["buffer_size"],
        learning_starts=config["learning_starts"],
        batch_size=config["buffer_batch_size"],
        tau=config["tau"] if with_target else 1.0,
        gamma=config["gamma"],
        train_freq=config["train_freq"],
        gradient_steps=config["gradient_steps"],
        target_update_interval=config["target_update_interval"] if with_target else job["n_envs"],
        exploration_initial_eps=config["initial_epsilon"],
        exploration_final_eps=config["target_epsilon"],
        exploration_fraction=config["exploration_fraction"],
        policy_kwargs=policy_kwargs,
        device="cpu",
        seed=seed,
    )


def learn(job, model):
    """Runs a whole training and its evaluation, and returns the mean return."""
    model.learn(job["timesteps"])
    mean, _ = evaluate_policy(model, model.get_env(), n_eval_episodes=job["episodes"])
    return float(mean)


def work(job, model, config, n_updates, network):
    return {
        "environment_steps": model.num_timesteps,
        "gradient_steps": n_updates,
        "batch_size": model.batch_size,
        "network": network,
        "buffer_size": model.replay_buffer.buffer_size * job["n_envs"],
        "evaluation_episodes": job["episodes"],
        "prioritised_replaced_by_uniform": config["buffer_prio_sampling"],
    }


def single(job, packages, make, network):
    """A short training warms the process up (and compiles, in sbx), then a whole one is timed."""
    config = job["configs"][0]
    model = make(job, config, seed=0)
    first = protocol.seconds(lambda: model.learn(protocol.warm_up_steps(job)))
    before = model._n_updates
    returns = []
    taken = protocol.seconds(lambda: returns.append(learn(job, model)))
    protocol.answer(
        packages,
        first_call_seconds=first,
        first_call_timesteps=protocol.warm_up_steps(job),
        train_seconds=[taken],
        torch_threads=torch.get_num_threads(),
        work=[work(job, model, config, model._n_updates - before, network(model))],
        returns=returns,
    )


def sweep(job, packages, make, network):
    """Trains every configuration with every seed in turn, in one process."""
    done, each, returns = [], [], []

    def train(config, seed):
        model = make(job, config, seed=seed)
        returns.append(learn(job, model))
        done.append(work(job, model, config, model._n_updates, network(model)))

    for config, seed in itertools.product(job["configs"], protocol.seeds_of(job)):
        each.append(protocol.seconds(functools.partial(train, config, seed)))
    protocol.answer(packages, config_seconds=each, work=done, returns=returns)


def main(packages, make, network):
    job = protocol.read_job()
    if job["evaluations"] != 1:
        raise SystemExit("This runner evaluates once, at the end.")
    {"single": single, "sweep": sweep}[job["kind"]](job, packages, make, network)
