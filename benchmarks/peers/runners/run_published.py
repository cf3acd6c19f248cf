"""Runs arlbench 0.1.3 as its users call it."""

from __future__ import annotations

import functools
import warnings

import protocol

warnings.filterwarnings("ignore")

import jax  # noqa: E402

from arlbench.core.algorithms import DQN  # noqa: E402
from arlbench.core.environments import make_env  # noqa: E402

PACKAGES = ("arlbench", "jax", "jaxlib", "flax", "flashbax", "gymnax", "numpy")


def make_agent(job, config, seed):
    env = make_env("gymnax", "CartPole-v1", n_envs=job["n_envs"], seed=seed)
    defaults = dict(DQN.get_hpo_config_space().get_default_configuration())
    nas_config = {"activation": job["activation"], "hidden_size": job["hidden_size"]}
    return DQN({**defaults, **config}, env, nas_config=nas_config)


def lengths(job):
    return {
        "n_total_timesteps": job["timesteps"],
        "n_eval_steps": job["evaluations"],
        "n_eval_episodes": job["episodes"],
    }


def work(job, state, config):
    """The work done, read from the state that the training returned."""
    runner_state = state[0]
    params = runner_state.train_state.params["params"]
    kernels = [layer["kernel"].shape for layer in params.values()]
    return {
        "environment_steps": int(runner_state.global_step) * job["n_envs"],
        "gradient_steps": int(runner_state.train_state.step),
        "batch_size": config["buffer_batch_size"],
        "network": [kernels[0][0], *(shape[1] for shape in kernels)],
        "buffer_size": config["buffer_size"],
        "evaluation_episodes": job["evaluations"] * job["episodes"],
    }


def single(job):
    """One training that compiles, then further ones with the same compiled program.

    ``train`` compiles again at every call and for every state of ``init``, because each state has
    its own optimiser. So a call is compiled once from outside, and later states replace the first
    one leaf by leaf, which is the best that a user can do.
    """
    compilations = protocol.Compilations()
    config = job["configs"][0]
    agent = make_agent(job, config, seed=0)
    train = jax.jit(functools.partial(agent.train, **lengths(job)))
    seeds = iter(range(1_000))
    structure = jax.tree.structure(agent.init(jax.random.PRNGKey(0)))
    last = None

    def training():
        state = jax.block_until_ready(agent.init(jax.random.PRNGKey(next(seeds))))
        state = jax.tree.unflatten(structure, jax.tree.leaves(state))

        def call():
            nonlocal last
            last = jax.block_until_ready(train(*state))

        return protocol.seconds(call)

    def outcome():
        return work(job, last[0], config), float(last[1].eval_rewards[-1].mean())

    protocol.answer_single(PACKAGES, job, compilations, training, outcome)


def sweep(job):
    """Trains every configuration with every seed in turn, in one process."""

    def train(config, seed):
        agent = make_agent(job, config, seed=seed)
        state = agent.init(jax.random.PRNGKey(seed))
        after, result = jax.block_until_ready(agent.train(*state, **lengths(job)))
        return work(job, after, config), float(result.eval_rewards[-1].mean())

    protocol.answer_sweep(PACKAGES, job, train)


if __name__ == "__main__":
    job = protocol.read_job()
    {"single": single, "sweep": sweep}[job["kind"]](job)
